"""Putting rows of a version right."""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa

from guotu.model.collection import Collection
from guotu.model.errors import UnknownVersion
from guotu.model.ports import Rows
from guotu.model.schema import HASH, stored_schema
from node.stores.duckdb import catalogue, generations
from node.stores.duckdb.activation import prune
from node.stores.duckdb.catalogue import Catalogue, Generation, View
from node.stores.duckdb.connection import Cursor
from node.stores.duckdb.incoming import INCOMING, incoming
from node.stores.duckdb.sql.source import curve_order, rows_of
from node.stores.entry import UNORDERED
from node.stores.sql.identifiers import ROWS, SINCE, UNTIL, column, listed, quote
from node.stores.sql.parameters import Parameters

_RIGHT = "guotu_right"
"""Temporary table of the rows as they should be."""


def mend(cursor: Cursor, known: Catalogue, dataset: str, version: int, collection: Collection, rows: Rows) -> None:
    """Put rows right from the version on in which they came to be; versions before it stay as they are.

    Raises:
        UnknownVersion: it is not the newest readable version.
        StoreFailure: two rows have one key.
        DrawingFault: `rows` raised something.
    """
    view = known.view(dataset, version)
    if any(key[0] == dataset and key[1] > version for key in known.readable):
        raise UnknownVersion(dataset=dataset, version=version)
    _draw(cursor, view, collection, rows)
    _part(cursor, view.generation)
    _replace(cursor, view.generation)
    cursor.execute(f"DROP TABLE {_RIGHT}")
    _settle(cursor, view)


def _draw(cursor: Cursor, view: View, collection: Collection, rows: Rows) -> None:
    """Take the rows into a temporary table; a row without a version came to be in this one."""
    columns = [name for name in view.generation.columns if name in stored_schema(collection).names]
    with incoming(cursor, rows, stored_schema(collection).append(pa.field(SINCE, pa.int64()))):
        since = f"least(coalesce({SINCE}, $1::BIGINT), $1::BIGINT) AS {SINCE}"
        drawn = f"SELECT {listed(columns)}, {since} FROM {INCOMING}"  # noqa: S608 (names are quoted)
        cursor.execute(f"CREATE OR REPLACE TEMP TABLE {_RIGHT} AS {drawn}", [view.version])
    generations.refuse_twins(cursor, _RIGHT, collection.key)


def _part(cursor: Cursor, generation: Generation) -> None:
    """Let what was there end where the right rows begin."""
    same = f"{column(generation.key)} = {column(generation.key, 'r')}"
    later = f"{same} AND {ROWS}.{SINCE} >= r.{SINCE}"
    ended = f"{same} AND ({ROWS}.{UNTIL} IS NULL OR {ROWS}.{UNTIL} > r.{SINCE})"
    for table in map(quote, (generation.current, generation.history)):
        cursor.execute(f"DELETE FROM {table} AS {ROWS} USING {_RIGHT} AS r WHERE {later}")  # noqa: S608 (quoted)
        cursor.execute(f"UPDATE {table} AS {ROWS} SET {UNTIL} = r.{SINCE} FROM {_RIGHT} AS r WHERE {ended}")  # noqa: S608


def _replace(cursor: Cursor, generation: Generation) -> None:
    """Put the right rows behind the others: whatever came to be before the newest version is then out of order."""
    columns = listed([*generation.columns, SINCE])
    right = f"SELECT {columns} FROM {_RIGHT} AS {ROWS} WHERE {column(HASH)} IS NOT NULL"  # noqa: S608 (names are quoted)
    added = generations.append(cursor, generation, right, curve_order(generation.key), Parameters())
    base = UNORDERED if added else generation.base
    generations.note(cursor, generations.counted(cursor, replace(generation, base=base)))


def _settle(cursor: Cursor, view: View) -> None:
    """Drop what no readable version needs, and count the rows of each anew."""
    known = catalogue.read(cursor)
    versions = known.versions_of(view.generation.name)
    for above, version in zip([-1, *versions], versions, strict=False):
        prune(cursor, view.generation, above, version)
        parameters = Parameters()
        at = known.view(view.generation.dataset, version)
        counted = f"SELECT count(*) FROM ({rows_of(at, SINCE, parameters)})"  # noqa: S608 (names are quoted)
        entry = known.readable[view.generation.dataset, version]
        catalogue.set_rows(cursor, entry, generations.count(cursor, counted, parameters))
