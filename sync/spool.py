"""Spool: the rows of a publish, validated, in an Arrow IPC file that is read in place."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from guotu.model.collection import GEOMETRY, Collection
from guotu.model.errors import InvalidInput
from guotu.model.schema import arrow_schema

BLOCK_ROWS = 8_192
BLOCK_BYTES = 32 << 20
Ints = NDArray[np.int64]


class MappedRows:
    """A memory-mapped Arrow IPC file of rows: uncompressed bodies cost no memory of their own."""

    def __init__(self, path: Path, schema: pa.Schema, what: str) -> None:
        """Open a file with a schema; `what` tells in errors whose it is.

        Raises:
            InvalidInput: the file is not Arrow IPC, or has another schema.
        """
        self.schema = schema
        self._map = pa.memory_map(str(path))
        try:
            self._reader = pa.ipc.open_file(self._map)
        except pa.ArrowInvalid as error:
            self._map.close()
            raise InvalidInput(detail=f"the spool is not an Arrow IPC file: {error}") from error
        if not self._reader.schema.equals(self.schema):
            self._map.close()
            raise InvalidInput(detail=f"the spool does not have the schema of {what}")
        counts = [self._batch(number).num_rows for number in range(self._reader.num_record_batches)]
        self._starts = np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._map.close()

    @property
    def rows(self) -> int:
        """Number of rows."""
        return int(self._starts[-1])

    def blocks(self) -> Iterator[pa.RecordBatch]:
        """Yield all rows in order, in slices of at most 8,192 rows and (but for a single row) 32 MiB."""
        for number in range(len(self._starts) - 1):
            batch = self._batch(number)
            ends = np.cumsum(row_bytes(batch))
            start = 0
            while start < batch.num_rows:
                full = ends[start - 1] if start else 0
                end = int(np.searchsorted(ends, full + BLOCK_BYTES, side="right"))
                end = min(max(end, start + 1), start + BLOCK_ROWS)
                yield batch.slice(start, end - start)
                start = end

    def column(self, name: str) -> pa.ChunkedArray:
        """Return a column of all rows, in place."""
        batches = [self._batch(number).column(name) for number in range(len(self._starts) - 1)]
        return pa.chunked_array(batches, self.schema.field(name).type)

    def take(self, rows: Ints, names: Sequence[str] = ()) -> pa.Table:
        """Return rows by number, in the order asked for; the work does not depend on the size of the file.

        Of the columns `names`, or of all.
        """
        columns = list(names) or self.schema.names
        by_batch = np.argsort(rows, kind="stable")
        wanted = rows[by_batch]
        edges = np.searchsorted(wanted, self._starts)
        pieces = [
            self._batch(number).select(columns).take(pa.array(wanted[start:end] - self._starts[number]))
            for number, (start, end) in enumerate(pairwise(edges.tolist()))
            if start < end
        ]
        schema = pa.schema([self.schema.field(name) for name in columns])
        gathered = pa.Table.from_batches(pieces, schema).combine_chunks()
        back = np.empty(len(rows), np.int64)
        back[by_batch] = np.arange(len(rows))
        return gathered.take(pa.array(back))

    def _batch(self, number: int) -> pa.RecordBatch:
        batch = self._reader.get_batch(number)
        return pa.RecordBatch.from_arrays(batch.columns, schema=self.schema)


class Spool(MappedRows):
    """The validated rows of a publish."""

    def __init__(self, path: Path, collection: Collection) -> None:
        """Open a file with the columns of `arrow_schema(collection)`, geometry as WKB in EPSG:4490 lon/lat.

        Raises:
            InvalidInput: the file is not Arrow IPC, or has another schema.
        """
        super().__init__(path, arrow_schema(collection), collection.id)
        self.collection = collection

    def keys(self) -> pa.ChunkedArray:
        """Return the keys of all rows, in place."""
        return self.column(self.collection.key)


def row_bytes(batch: pa.RecordBatch) -> Ints:
    """Return the size of each row, about: its geometry plus an even share of the rest. Shape (n,), bytes."""
    sizes = np.zeros(batch.num_rows, np.int64)
    rest = batch.nbytes
    if GEOMETRY in batch.schema.names:
        geometry = batch.column(GEOMETRY)
        sizes += np.asarray(pc.fill_null(pc.binary_length(geometry), 0))
        rest -= geometry.nbytes
    sizes += rest // max(batch.num_rows, 1)
    return sizes
