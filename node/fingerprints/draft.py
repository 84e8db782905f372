"""Fingerprints on their way into a file."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import pyarrow as pa


class Draft:
    """An Arrow IPC file of fingerprints, written batch by batch; it has no name that lasts until it is kept."""

    def __init__(self, file: BinaryIO, schema: pa.Schema) -> None:
        self.file = file
        self.schema = schema
        self.rows = 0
        self.complete = False
        """True once all rows of the table are in it."""
        self._writer: pa.RecordBatchFileWriter | None = None

    @property
    def path(self) -> Path:
        """Where it lies for now."""
        return Path(self.file.name)

    def begin(self) -> None:
        """Begin, or begin anew."""
        self.file.seek(0)
        self.file.truncate()
        self.rows, self.complete = 0, False
        self._writer = pa.ipc.new_file(pa.PythonFile(self.file, mode="w"), self.schema)

    def write(self, batch: pa.RecordBatch) -> None:
        """Append fingerprints.

        Raises:
            OSError: the disk is full.
        """
        assert self._writer is not None
        self._writer.write_batch(batch)
        self.rows += batch.num_rows

    def finish(self) -> None:
        """Say that there are no more."""
        assert self._writer is not None
        self._writer.close()
        self.file.flush()
        self.complete = True
