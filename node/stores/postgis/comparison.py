"""How versions differ: from one another, from a set of rows, from what a staged change would make of them.

Keys and hashes are joined first; whole rows are read only of those that differ.
"""

from __future__ import annotations

import pyarrow as pa

from guotu.model.collection import GEOMETRY, Collection
from guotu.model.ports import Rows
from guotu.model.schema import HASH, change_schema
from node.stores.postgis import generations
from node.stores.postgis.catalogue import Generation, View
from node.stores.postgis.connection import Connection
from node.stores.postgis.incoming import copy_in
from node.stores.postgis.sql.parameters import PgParameters
from node.stores.postgis.sql.retrieval import Statement
from node.stores.postgis.sql.source import conformed, source
from node.stores.postgis.sql.types import declared, outgoing_column, table_columns
from node.stores.sql.identifiers import ROWS, SINCE, UNTIL, column, listed, quote

_GIVEN, _DIFFERING = "guotu_given", "guotu_differing"
"""Temporary tables of the connection, gone with the transaction."""


def staged_change_statement(before: View, change: str, collection: Collection) -> Statement:
    """Return the statement of what a staged change would do to each key."""
    parameters = PgParameters()
    text = (
        f"SELECT {outgoing_column(collection, collection.key, 'c')}, {column(HASH)}, {column(HASH, 'c')} "  # noqa: S608
        f"FROM {source(before, collection, parameters)} RIGHT JOIN {quote(change)} AS c "
        f"ON {_same_key(collection, ROWS, 'c')} ORDER BY {column(collection.key, 'c')}"
    )
    return Statement(text, parameters.values)


async def difference_statement(connection: Connection, view: View, collection: Collection, rows: Rows) -> Statement:
    """Take in a set of rows and return the statement of how it differs from a version.

    Raises:
        StoreFailure: two rows have one key.
        DrawingFault: `rows` raised something.
    """
    await _take_in(connection, collection, rows)
    key, parameters = collection.key, PgParameters()
    differing = (
        f"SELECT coalesce({column(key)}, {column(key, 'g')}) AS {quote(key)}, g._row, {column(HASH)} AS old_hash "  # noqa: S608
        f"FROM {source(view, collection, parameters)} FULL JOIN {_GIVEN} AS g ON {_same_key(collection, ROWS, 'g')} "
        f"WHERE {column(HASH)} IS DISTINCT FROM {column(HASH, 'g')}"
    )
    await _keep(connection, _DIFFERING, differing, parameters)
    parameters = PgParameters()
    columns = [outgoing_column(collection, key, "d"), "d._row", "d.old_hash"]
    columns += [column(GEOMETRY)] if collection.has_geometry else []
    text = (
        f"SELECT {listed(columns, str)} FROM {source(view, collection, parameters)} "  # noqa: S608 (names are quoted)
        f"RIGHT JOIN {_DIFFERING} AS d ON {_same_key(collection, ROWS, 'd')} ORDER BY {column(key, 'd')}"
    )
    return Statement(text, parameters.values)


async def change_statement(connection: Connection, before: View, after: View, collection: Collection) -> Statement:
    """Return the statement of how one version differs from another: key, op, the columns of both sides."""
    key, parameters = collection.key, PgParameters()
    if before.generation.name == after.generation.name:
        older, newer = sorted((before, after), key=lambda view: view.version)
        sides = [left_by(older, newer, collection, parameters), new_in(older, newer, collection, parameters)]
        sides = sides if older == before else sides[::-1]
    else:
        await _find_differing(connection, before, after, collection)
        sides = [_differing_rows(view, collection, parameters) for view in (before, after)]
    columns = [_either(collection), _operation(key), *_side(collection, "b"), *_side(collection, "a")]
    text = (
        f"SELECT {listed(columns, str)} FROM ({sides[0]}) AS b FULL JOIN ({sides[1]}) AS a "  # noqa: S608
        f"ON {_same_key(collection, 'b', 'a')} "
        f"WHERE {column(HASH, 'b')} IS DISTINCT FROM {column(HASH, 'a')} ORDER BY 1"
    )
    return Statement(text, parameters.values)


def change_columns(collection: Collection) -> pa.Schema:
    """Return the schema of what `change_statement` gives."""
    schema = change_schema(collection)
    row = schema.field("after").type
    sides = [pa.field(f"{side}.{item.name}", item.type) for side in ("before", "after") for item in row]
    return pa.schema([schema.field(0), schema.field(1), *sides])


def as_changes(batch: pa.RecordBatch, collection: Collection) -> pa.RecordBatch:
    """Return what `change_statement` gives as `guotu.model.schema.change_schema`: each side as a struct, or null."""
    schema = change_schema(collection)
    row, op = schema.field("after").type, batch.column(1)
    width = row.num_fields
    sides = [
        pa.StructArray.from_arrays(columns, fields=list(row), mask=pa.compute.equal(op, absent))
        for columns, absent in ((batch.columns[2 : 2 + width], "insert"), (batch.columns[2 + width :], "delete"))
    ]
    return pa.RecordBatch.from_arrays([batch.column(0), op, *sides], schema=schema)


async def _take_in(connection: Connection, collection: Collection, rows: Rows) -> None:
    key = collection.key
    taken = {key: table_columns(collection)[key], "_row": "bigint", HASH: "bytea"}
    columns = ", ".join(f"{quote(name)} {declared(kind)}" for name, kind in taken.items())
    await connection.execute(f"CREATE TEMP TABLE {_GIVEN} ({columns}) ON COMMIT DROP")
    await copy_in(connection, _GIVEN, taken, rows)
    await generations.refuse_twins(connection, _GIVEN, key)
    await connection.execute(f"ANALYZE {_GIVEN}")


async def _keep(connection: Connection, table: str, query: str, parameters: PgParameters) -> None:
    """Keep the rows of a query in a temporary table."""
    await connection.execute(f"CREATE TEMP TABLE {table} ON COMMIT DROP AS {query}", *parameters.values)
    await connection.execute(f"ANALYZE {table}")


def left_by(older: View, newer: View, collection: Collection, parameters: PgParameters) -> str:
    """Return the rows of the older version that the newer has no more: they went to history."""
    low, high = (parameters.bind(view.version, "bigint") for view in (older, newer))
    generation = older.generation
    columns = conformed(collection, generation.columns)
    left = f"WHERE {SINCE} <= {low} AND {UNTIL} > {low} AND {UNTIL} <= {high}"
    return f"SELECT {columns} FROM {quote(generation.history)} {left}"  # noqa: S608 (names are quoted)


def new_in(older: View, newer: View, collection: Collection, parameters: PgParameters) -> str:
    """Return the rows of the newer version that the older did not have."""
    low, high = (parameters.bind(view.version, "bigint") for view in (older, newer))
    columns = conformed(collection, older.generation.columns)
    came = f"WHERE {SINCE} > {low} AND {SINCE} <= {high}"
    return _of_both_tables(older.generation, columns, came, f" AND {UNTIL} > {high}")


def _of_both_tables(generation: Generation, columns: str, where: str, of_history: str) -> str:
    current = f"SELECT {columns} FROM {quote(generation.current)} {where}"  # noqa: S608 (names are quoted)
    return f"{current} UNION ALL SELECT {columns} FROM {quote(generation.history)} {where}{of_history}"  # noqa: S608


async def _find_differing(connection: Connection, before: View, after: View, collection: Collection) -> None:
    key, parameters = collection.key, PgParameters()
    sides = [source(view, collection, parameters, alias) for view, alias in ((before, "b"), (after, "a"))]
    keys = (
        f"SELECT coalesce({column(key, 'b')}, {column(key, 'a')}) AS {quote(key)} "  # noqa: S608 (names are quoted)
        f"FROM {sides[0]} FULL JOIN {sides[1]} ON {_same_key(collection, 'b', 'a')} "
        f"WHERE {column(HASH, 'b')} IS DISTINCT FROM {column(HASH, 'a')}"
    )
    await _keep(connection, _DIFFERING, keys, parameters)


def _differing_rows(view: View, collection: Collection, parameters: PgParameters) -> str:
    rows, key = source(view, collection, parameters), collection.key
    return f"SELECT * FROM {rows} WHERE {column(key)} IN (SELECT {quote(key)} FROM {_DIFFERING})"  # noqa: S608


def _either(collection: Collection) -> str:
    """Return the key, from whichever side has it."""
    sides = (outgoing_column(collection, collection.key, side) for side in ("b", "a"))
    return f"coalesce({', '.join(sides)})"


def _operation(key: str) -> str:
    before, after = column(key, "b"), column(key, "a")
    return f"CASE WHEN {before} IS NULL THEN 'insert' WHEN {after} IS NULL THEN 'delete' ELSE 'update' END"


def _side(collection: Collection, side: str) -> list[str]:
    names = change_schema(collection).field("after").type.names
    return [outgoing_column(collection, name, side) for name in names]


def _same_key(collection: Collection, left: str, right: str) -> str:
    return f"{column(collection.key, left)} = {column(collection.key, right)}"
