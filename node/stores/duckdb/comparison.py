"""How versions differ: from one another, from a set of rows, from what a staged change would make of them.

Keys and hashes are joined first; whole rows are read only of those that differ.
"""

from __future__ import annotations

import pyarrow as pa

from guotu.model.collection import GEOMETRY, Collection
from guotu.model.ports import Rows
from guotu.model.schema import HASH, change_schema, difference_schema
from node.stores.duckdb import generations
from node.stores.duckdb.catalogue import Generation, View
from node.stores.duckdb.connection import Cursor
from node.stores.duckdb.incoming import INCOMING, incoming
from node.stores.duckdb.sql.retrieval import Statement
from node.stores.duckdb.sql.source import conformed, rows_of, source
from node.stores.duckdb.sql.types import outgoing_column, table_columns
from node.stores.sql.identifiers import ROWS, SINCE, UNTIL, column, listed, quote
from node.stores.sql.parameters import Parameters

OLD, AT, NEW = "_old", "_at", "_new"
"""Columns of what a change does, beside the key; see `effect_statement`."""
_GIVEN, _DIFFERING = "guotu_given", "guotu_differing"
"""Temporary tables of the cursor."""


def effect_statement(before: View, change: str, collection: Collection) -> Statement:
    """Return the statement of what a change does to each key, by key.

    Its columns: the key; OLD, whether the version before has a row of it, and AT, where that lies: its number in the
    current table, null if the version is not the newest; NEW, the hash of the row that comes, null if none does.
    """
    key, parameters = collection.key, Parameters()
    place = "rowid" if before.head else "NULL::BIGINT"
    rows = rows_of(before, f"{quote(key)}, {place} AS {AT}", parameters)
    text = (
        f"SELECT {outgoing_column(collection, key, 'c')} AS {quote(key)}, {column(key)} IS NOT NULL AS {OLD}, {AT}, "  # noqa: S608
        f"{column(HASH, 'c')} AS {NEW} FROM ({rows}) AS {ROWS} RIGHT JOIN {quote(change)} AS c "
        f"ON {_same_key(collection, ROWS, 'c')} ORDER BY {column(key, 'c')}"
    )
    return Statement(text, parameters.values)


def staged_change_statement(before: View, effect: str, placed: bool, collection: Collection) -> Statement:
    """Return the statement of what a staged change would do to each key; `placed` tells that AT is right."""
    key, parameters = collection.key, Parameters()
    if placed:
        rows, same = f"SELECT rowid, {quote(HASH)} FROM {quote(before.generation.current)}", f"{ROWS}.rowid = e.{AT}"  # noqa: S608
    else:
        rows, same = rows_of(before, f"{quote(key)}, {quote(HASH)}", parameters), _same_key(collection, ROWS, "e")
    text = (
        f"SELECT {column(key, 'e')}, {column(HASH)}, e.{NEW} "  # noqa: S608 (names are quoted)
        f"FROM ({rows}) AS {ROWS} RIGHT JOIN {quote(effect)} AS e ON {same} ORDER BY {column(key, 'e')}"
    )
    return Statement(text, parameters.values)


def difference_statement(cursor: Cursor, view: View, collection: Collection, rows: Rows) -> Statement:
    """Take in a set of rows and return the statement of how it differs from a version.

    Raises:
        StoreFailure: two rows have one key.
        DrawingFault: `rows` raised something.
    """
    _take_in(cursor, collection, rows)
    key, parameters = collection.key, Parameters()
    differing = (
        f"SELECT coalesce({column(key)}, {column(key, 'g')}) AS {quote(key)}, g._row, {column(HASH)} AS old_hash "  # noqa: S608
        f"FROM {source(view, collection, parameters)} FULL JOIN {_GIVEN} AS g ON {_same_key(collection, ROWS, 'g')} "
        f"WHERE {column(HASH)} IS DISTINCT FROM {column(HASH, 'g')}"
    )
    cursor.execute(f"CREATE OR REPLACE TEMP TABLE {_DIFFERING} AS {differing}", parameters.values)
    parameters = Parameters()
    columns = [outgoing_column(collection, key, "d"), "d._row", "d.old_hash"]
    columns += [column(GEOMETRY)] if collection.has_geometry else []
    text = (
        f"SELECT {listed(columns, str)} FROM {source(view, collection, parameters)} "  # noqa: S608 (names are quoted)
        f"RIGHT JOIN {_DIFFERING} AS d ON {_same_key(collection, ROWS, 'd')} ORDER BY {column(key, 'd')}"
    )
    return Statement(text, parameters.values)


def change_statement(cursor: Cursor, before: View, after: View, collection: Collection) -> Statement:
    """Return the statement of how one version differs from another."""
    key, parameters = collection.key, Parameters()
    if before.generation.name == after.generation.name:
        older, newer = sorted((before, after), key=lambda view: view.version)
        sides = [_left_by(older, newer, collection, parameters), _new_in(older, newer, collection, parameters)]
        sides = sides if older == before else sides[::-1]
    else:
        _find_differing(cursor, before, after, collection)
        sides = [_differing_rows(view, collection, parameters) for view in (before, after)]
    columns = [_either(collection), _operation(key), _struct(collection, "b"), _struct(collection, "a")]
    text = (
        f"SELECT {listed(columns, str)} FROM ({sides[0]}) AS b FULL JOIN ({sides[1]}) AS a "  # noqa: S608
        f"ON {_same_key(collection, 'b', 'a')} "
        f"WHERE {column(HASH, 'b')} IS DISTINCT FROM {column(HASH, 'a')} ORDER BY 1"
    )
    return Statement(text, parameters.values)


def _take_in(cursor: Cursor, collection: Collection, rows: Rows) -> None:
    key, schema = collection.key, difference_schema(collection)
    taken = pa.schema([schema.field(key), schema.field("_row"), pa.field(HASH, pa.binary(32))])
    kind = table_columns(collection)[key]
    columns = f"{quote(key)}::{kind} AS {quote(key)}, _row, {HASH}"
    with incoming(cursor, rows, taken):
        cursor.execute(f"CREATE OR REPLACE TEMP TABLE {_GIVEN} AS SELECT {columns} FROM {INCOMING}")  # noqa: S608
    generations.refuse_twins(cursor, _GIVEN, key)


def _left_by(older: View, newer: View, collection: Collection, parameters: Parameters) -> str:
    """Return the rows of the older version that the newer has no more."""
    low, high = (parameters.bind(view.version, "BIGINT") for view in (older, newer))
    columns = conformed(collection, older.generation.columns)
    left = f"WHERE {SINCE} <= {low} AND {UNTIL} > {low} AND {UNTIL} <= {high}"
    return _of_both_tables(older.generation, columns, left)


def _new_in(older: View, newer: View, collection: Collection, parameters: Parameters) -> str:
    """Return the rows of the newer version that the older did not have."""
    low, high = (parameters.bind(view.version, "BIGINT") for view in (older, newer))
    columns = conformed(collection, older.generation.columns)
    came = f"WHERE {SINCE} > {low} AND {SINCE} <= {high} AND ({UNTIL} IS NULL OR {UNTIL} > {high})"
    return _of_both_tables(older.generation, columns, came)


def _of_both_tables(generation: Generation, columns: str, where: str) -> str:
    tables = (generation.current, generation.history)
    return " UNION ALL ".join(f"SELECT {columns} FROM {quote(table)} {where}" for table in tables)  # noqa: S608


def _find_differing(cursor: Cursor, before: View, after: View, collection: Collection) -> None:
    key, parameters = collection.key, Parameters()
    sides = [source(view, collection, parameters, alias) for view, alias in ((before, "b"), (after, "a"))]
    keys = (
        f"SELECT coalesce({column(key, 'b')}, {column(key, 'a')}) AS {quote(key)} "  # noqa: S608 (names are quoted)
        f"FROM {sides[0]} FULL JOIN {sides[1]} ON {_same_key(collection, 'b', 'a')} "
        f"WHERE {column(HASH, 'b')} IS DISTINCT FROM {column(HASH, 'a')}"
    )
    cursor.execute(f"CREATE OR REPLACE TEMP TABLE {_DIFFERING} AS {keys}", parameters.values)


def _differing_rows(view: View, collection: Collection, parameters: Parameters) -> str:
    rows, key = source(view, collection, parameters), collection.key
    return f"SELECT * FROM {rows} WHERE {column(key)} IN (SELECT {quote(key)} FROM {_DIFFERING})"  # noqa: S608


def _either(collection: Collection) -> str:
    """Return the key, from whichever side has it."""
    sides = (outgoing_column(collection, collection.key, side) for side in ("b", "a"))
    return f"coalesce({', '.join(sides)})"


def _operation(key: str) -> str:
    before, after = column(key, "b"), column(key, "a")
    return f"CASE WHEN {before} IS NULL THEN 'insert' WHEN {after} IS NULL THEN 'delete' ELSE 'update' END"


def _struct(collection: Collection, side: str) -> str:
    """Return a row as a struct, null where there is none."""
    names = change_schema(collection).field("after").type.names
    members = ", ".join(f"{quote(name)} := {outgoing_column(collection, name, side)}" for name in names)
    return f"CASE WHEN {column(collection.key, side)} IS NOT NULL THEN struct_pack({members}) END"


def _same_key(collection: Collection, left: str, right: str) -> str:
    return f"{column(collection.key, left)} = {column(collection.key, right)}"
