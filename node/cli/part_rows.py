"""Where the groups of an answer's parts are: with the receipts or, where they are too many, in a job's folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from guotu.model.answer import SignedPart
from guotu.overlays.folder import JobFolder, Part


class PartRows:
    """Reads the groups of parts, a batch at a time."""

    def __init__(self, job: Path | None = None) -> None:
        """Take the folder of a job that is finished; None for none."""
        self._job = None if job is None else JobFolder(job)
        self._kept: dict[str, Part | None] = {}

    def known(self, dataset: str, part: SignedPart) -> bool:
        """Tell whether the groups of a part, of a dataset, are there."""
        return bool(part.groups) or self._part(dataset) is not None

    def _part(self, dataset: str) -> Part | None:
        """Return what the folder has of a dataset, which is hashed once."""
        if dataset not in self._kept:
            self._kept[dataset] = None if self._job is None else self._job.part(dataset)
        return self._kept[dataset]

    def batches(self, dataset: str, part: SignedPart) -> Iterator[pa.RecordBatch]:
        """Yield the groups of a part that are known; one batch at least, which may be empty.

        Raises:
            OSError, ValueError, pa.ArrowException: they cannot be read.
        """
        if part.groups:
            reader = pa.ipc.open_stream(pa.py_buffer(part.groups))
            schema, batches = reader.schema, iter(reader)
        else:
            kept = self._part(dataset)
            if kept is None:
                raise ValueError(f"no groups of {dataset}")
            schema, batches = kept.schema, kept.batches()
        yield pa.RecordBatch.from_pylist([], schema)
        for batch in batches:
            batch.validate(full=True)
            yield batch
