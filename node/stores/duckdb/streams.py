"""Rows as Arrow batches of about 1 MiB, drawn from the engine as they are wanted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pyarrow as pa

from guotu.model.collection import Collection
from guotu.model.crs import MESH_CRS
from guotu.model.ports import Scan
from node.stores.duckdb.catalogue import View
from node.stores.duckdb.connection import Cursor
from node.stores.duckdb.failures import engine_faults
from node.stores.duckdb.sql.near import CELLS, Grid
from node.stores.duckdb.sql.retrieval import Statement, scan_statement
from node.stores.shape import schema_of, shaped

_BATCH_BYTES = 1 << 20
_LEAST_ROWS, _MOST_ROWS = 256, 65_536


@dataclass(frozen=True, slots=True)
class Shape:
    """What the batches of a stream look like."""

    schema: pa.Schema
    rows: int
    """Rows of a batch; the last may have fewer."""
    crs: str = MESH_CRS

    def of(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Give a batch of the engine its schema, without a copy but of hashes, and its geometries their CRS.

        Raises:
            InvalidCrs: geometries cannot be brought into the CRS asked for.
        """
        return shaped(batch, self.schema, self.crs)


Begin = Callable[[Cursor], tuple[Statement, Shape]]
"""Makes ready for a statement, in the cursor's transaction, and returns it."""


class Stream:
    """The rows of one statement, drawn in threads, one batch after the other."""

    def __init__(self, activity: str, begin: Begin) -> None:
        self._activity = activity
        self._begin = begin
        self._drawn: tuple[pa.RecordBatchReader, Shape] | None = None

    def draw(self, cursor: Cursor) -> pa.RecordBatch | None:
        """Return the next batch; None after the last.

        Raises:
            UnknownVersion: the version cannot be read.
            StoreFailure: the engine failed.
            InvalidCrs: geometries cannot be brought into the CRS asked for.
        """
        with engine_faults(self._activity):
            if self._drawn is None:
                statement, shape = self._begin(cursor)
                cursor.execute(statement.text, statement.parameters)
                self._drawn = cursor.to_arrow_reader(shape.rows), shape
            reader, shape = self._drawn
            batch = next(reader, None)
        return None if batch is None else shape.of(batch)

    def close(self) -> None:
        """Let go of the rows that were not drawn."""
        if self._drawn is not None:
            self._drawn[0].close()
            self._drawn = None


def scanned(cursor: Cursor, view: View, collection: Collection, scan: Scan) -> tuple[Statement, Shape]:
    """Return the statement of a scan and the shape of its rows, and make the cursor ready for it.

    Raises:
        UnknownField, InvalidFilter: the scan does not suit the collection.
        InvalidCrs: no such CRS.
    """
    schema = schema_of(scan, collection)
    grid = None if scan.near is None else Grid.around(scan.near)
    if grid is not None:
        cursor.register(CELLS, grid.table())
    return scan_statement(view, collection, scan, grid), shape_of(view, schema, crs=scan.crs)


def shape_of(view: View, schema: pa.Schema, like: Sequence[str] = (), crs: str = MESH_CRS) -> Shape:
    """Return the shape of rows that are as wide as these columns of a version; as its own by their names, if empty."""
    width = view.generation.row_bytes(like or schema.names)
    return Shape(schema, min(max(int(_BATCH_BYTES / max(width, 1.0)), _LEAST_ROWS), _MOST_ROWS), crs)
