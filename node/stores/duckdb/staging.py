"""Loading a version from its chunks into a table of its own."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from pathlib import Path

from guotu.model.collection import GEOMETRY, Collection, FieldType
from node.stores.duckdb import tables
from node.stores.duckdb.connection import Cursor
from node.stores.duckdb.inbox import chunks_in
from node.stores.duckdb.sql.identifiers import quote
from node.stores.duckdb.sql.types import CORNERS, table_columns
from node.stores.duckdb.tables import State, VersionTable

_OFFSET_BYTES = 4  # each text and each geometry has an offset beside its bytes


def stage(
    cursor: Cursor, inbox: Path, dataset: str, version: int, collection: Collection, chunks: Sequence[Path]
) -> VersionTable:
    """Load a version in one transaction, in place of what was staged of it.

    Raises:
        duckdb.Error: the engine failed.
        OSError: a chunk cannot be read.
    """
    name = f"features_{uuid.uuid4().hex}"
    with chunks_in(inbox, chunks) as paths, tables.transaction(cursor):
        if earlier := tables.find(cursor, dataset, version, State.STAGED):
            tables.remove(cursor, earlier)
        _create(cursor, name, collection)
        if paths:
            _fill(cursor, name, collection, paths)
        table = _measure(cursor, name, dataset, version, collection)
        tables.add(cursor, table)
    return table


def _create(cursor: Cursor, name: str, collection: Collection) -> None:
    columns = ", ".join(f"{quote(column)} {kind}" for column, kind in table_columns(collection).items())
    cursor.execute(f"CREATE TABLE {quote(name)} ({columns})")


def _fill(cursor: Cursor, name: str, collection: Collection, paths: list[str]) -> None:
    """Insert all rows in the order of the chunks; the columns' types turn float64 into DECIMAL."""
    source = "read_parquet($1::VARCHAR[], hive_partitioning = false)"
    columns = [quote(column) for column in collection.column_names]
    if collection.has_geometry:
        head = cursor.execute(f"SELECT * FROM {source} LIMIT 0", [paths]).description or []  # noqa: S608
        columns += _corners("bbox" in {column[0] for column in head})
    selected = f"SELECT {', '.join(columns)} FROM {source}"  # noqa: S608 (names are quoted)
    cursor.execute(f"INSERT INTO {quote(name)} {selected}", [paths])


def _corners(covered: bool) -> list[str]:
    """Return the corners of the bbox, from the chunk's covering (GeoParquet 1.1) or else computed.

    A geometry without a point has the corners NaN, which the engine takes for greater than any number: no relation
    holds but to be disjoint.
    """
    shape = f"ST_GeomFromWKB({quote(GEOMETRY)})"
    corners = (f"bbox.{corner}" if covered else f"ST_{corner}({shape})" for corner in CORNERS)
    return [f"CASE WHEN {quote(GEOMETRY)} IS NOT NULL THEN coalesce({item}, 'NaN') END" for item in corners]


def _measure(cursor: Cursor, name: str, dataset: str, version: int, collection: Collection) -> VersionTable:
    """Count the rows and find the mean width of each column."""
    texts = [item.name for item in collection.fields if item.type is FieldType.TEXT]
    sizes = [f"sum(strlen({quote(text)}))" for text in texts]
    if collection.has_geometry:
        texts, sizes = [*texts, GEOMETRY], [*sizes, f"sum(octet_length({quote(GEOMETRY)}))"]
    measured = f"SELECT {', '.join(['count(*)', *sizes])} FROM {quote(name)}"  # noqa: S608 (names are quoted)
    row = cursor.execute(measured).fetchone()
    rows, *totals = row if row else (0,)
    widths = dict.fromkeys(collection.column_names, 8.0)
    widths |= {
        text: _OFFSET_BYTES + float(total or 0) / max(rows, 1) for text, total in zip(texts, totals, strict=True)
    }
    return VersionTable(dataset, version, name, rows, round(rows * sum(widths.values())), widths=widths)
