"""Scans: rows as Arrow batches of about 1 MiB, drawn from the engine as they are wanted."""

from __future__ import annotations

from dataclasses import dataclass

import duckdb
import pyarrow as pa

from guotu.model.collection import GEOMETRY, Collection
from guotu.model.crs import MESH_CRS, transform_wkb
from guotu.model.errors import InvalidCrs, UnknownVersion
from guotu.model.ports import Scan
from guotu.model.schema import arrow_schema
from node.stores.duckdb.connection import Cursor
from node.stores.duckdb.failures import engine_faults
from node.stores.duckdb.sql.retrieval import Statement, scan_statement
from node.stores.duckdb.tables import VersionTable

_BATCH_BYTES = 1 << 20
_LEAST_ROWS, _MOST_ROWS = 256, 65_536


@dataclass(frozen=True, slots=True)
class Shape:
    """What the batches of a scan look like."""

    schema: pa.Schema
    rows: int
    """Rows of a batch; the last may have fewer."""
    crs: str

    def of(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Give a batch of the engine its schema, without a copy, and its geometries their CRS."""
        columns = batch.columns
        if self.crs != MESH_CRS and GEOMETRY in self.schema.names:
            place = self.schema.get_field_index(GEOMETRY)
            columns[place] = transform_wkb(columns[place], MESH_CRS, self.crs)
        return pa.RecordBatch.from_arrays(columns, schema=self.schema)


class Rows:
    """The rows of one statement, drawn in threads, one batch after the other."""

    def __init__(self, statement: Statement, shape: Shape, table: VersionTable) -> None:
        self._statement = statement
        self._shape = shape
        self._table = table
        self._reader: pa.RecordBatchReader | None = None

    def draw(self, cursor: Cursor) -> pa.RecordBatch | None:
        """Return the next batch; None after the last.

        Raises:
            UnknownVersion: the version was dropped before its first row was drawn.
            StoreFailure: the engine failed.
            InvalidCrs: geometries cannot be brought into the CRS asked for.
        """
        with engine_faults(f"reading {self._table.dataset}@{self._table.version}"):
            if self._reader is None:
                self._reader = self._begin(cursor)
            batch = next(self._reader, None)
        if batch is None:
            return None
        try:
            return self._shape.of(batch)
        except ValueError as error:
            raise InvalidCrs(crs=self._shape.crs, detail=str(error)) from error

    def close(self) -> None:
        """Let go of the rows that were not drawn."""
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def _begin(self, cursor: Cursor) -> pa.RecordBatchReader:
        try:
            cursor.execute(self._statement.text, self._statement.parameters)
        except duckdb.CatalogException:  # the table is gone
            raise UnknownVersion(dataset=self._table.dataset, version=self._table.version) from None
        return cursor.to_arrow_reader(self._shape.rows)


def rows_of(table: VersionTable, collection: Collection, scan: Scan) -> Rows:
    """Return the rows of a scan, not yet begun.

    Raises:
        UnknownField, InvalidFilter: the scan does not suit the collection.
        InvalidCrs: no such CRS.
    """
    try:
        schema = arrow_schema(collection, scan.fields, scan.crs)
    except ValueError as error:
        raise InvalidCrs(crs=scan.crs, detail=str(error)) from error
    rows = int(_BATCH_BYTES / max(table.row_bytes(tuple(schema.names)), 1.0))
    shape = Shape(schema, min(max(rows, _LEAST_ROWS), _MOST_ROWS), scan.crs)
    return Rows(scan_statement(table.name, collection, scan), shape, table)
