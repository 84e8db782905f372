"""Where inspected rows wait on disk until the whole layer is known to be good."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import pyarrow as pa


class Spool:
    """An Arrow IPC file that is written once and then read; leaving the block with an error removes it.

    with Spool(path, arrow_schema(collection)) as spool:
        spool.write(batch)
    for batch in spool.batches(): ...
    """

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self.path = path
        self.schema = schema
        self.rows = 0
        self._sink: pa.NativeFile | None = None
        self._writer: pa.RecordBatchFileWriter | None = None

    def __enter__(self) -> Spool:
        self._sink = pa.OSFile(str(self.path), "wb")
        self._writer = pa.ipc.new_file(self._sink, self.schema)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.close()
        except BaseException:
            self.discard()
            raise
        if error is not None:
            self.discard()

    def write(self, batch: pa.RecordBatch) -> None:
        """Append rows.

        Raises:
            ValueError: the spool is not open for writing.
            pa.ArrowInvalid: the batch has another schema.
            OSError: the disk is full.
        """
        if self._writer is None:
            raise ValueError("the spool is not open for writing")
        self._writer.write_batch(batch)
        self.rows += len(batch)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield what was written, in order, from the mapped file."""
        with pa.memory_map(str(self.path)) as mapped:
            reader = pa.ipc.open_file(mapped)
            for number in range(reader.num_record_batches):
                yield reader.get_batch(number)

    def discard(self) -> None:
        """Remove the file; nothing if it is gone."""
        self.path.unlink(missing_ok=True)

    def close(self) -> None:
        """Finish the file; nothing if it is finished."""
        try:
            if self._writer is not None:
                self._writer.close()
        finally:
            self._writer = None
            if self._sink is not None:
                self._sink.close()
