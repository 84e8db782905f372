"""The tables of generations: made, filled, given indexes, dropped."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import replace

from asyncpg.exceptions import UniqueViolationError

from guotu.model.collection import GEOMETRY
from guotu.model.errors import StoreFailure
from guotu.model.schema import HASH, PLACE
from node.stores.postgis.catalogue import Generation, View
from node.stores.postgis.connection import SCHEMA, Connection
from node.stores.postgis.sql.dialect import bbox_sql
from node.stores.postgis.sql.parameters import PgParameters
from node.stores.postgis.sql.source import curve_order, rows_of
from node.stores.postgis.sql.types import declared
from node.stores.sql.identifiers import ROWS, SINCE, UNTIL, listed, quote

_CLASS_VALUES = (8, 256)
"""Of fewer values each is too large a part of the rows for an index to help."""
_CLASS_BYTES = 16


def new(dataset: str, key: str, columns: Mapping[str, str]) -> Generation:
    """Return a generation whose tables are still to be made."""
    name = uuid.uuid4().hex
    return Generation(name, dataset, fresh_table("current"), key, columns)


def fresh_table(purpose: str) -> str:
    """Return a name that no table has had."""
    return f"{purpose}_{uuid.uuid4().hex}"


async def create(connection: Connection, generation: Generation) -> None:
    """Make the tables of a generation, not yet in the catalogue; its current table has no index yet."""
    await create_current(connection, generation)
    await create_table(connection, generation.history, generation, {SINCE: "bigint", UNTIL: "bigint"})
    await _add_indexes(connection, generation.history, generation, "")


async def create_current(connection: Connection, generation: Generation) -> None:
    """Make the current table of a generation, without an index."""
    await create_table(connection, generation.current, generation, {SINCE: "bigint"})


async def create_table(
    connection: Connection, name: str, generation: Generation, more: Mapping[str, str] | None = None
) -> None:
    """Make a table for rows of a generation; each must have a key, and a hash unless it may delete."""
    required = (generation.key, HASH, SINCE, UNTIL) if more else (generation.key,)
    columns = [
        f"{quote(column)} {declared(kind)}{' NOT NULL' if column in required else ''}"
        for column, kind in {**generation.columns, **(more or {})}.items()
    ]
    await connection.execute(f"CREATE TABLE {quote(name)} ({', '.join(columns)})")


async def finish_current(connection: Connection, generation: Generation) -> None:
    """Give a current table, once it is filled, its indexes, and let the planner look at it.

    Raises:
        StoreFailure: two rows have one key.
    """
    await _add_indexes(connection, generation.current, generation, "UNIQUE")
    await connection.execute(f"ANALYZE {quote(generation.current)}")
    for name in await _classes(connection, generation):
        await _index(connection, generation.current, quote(name), generation.key)


async def _classes(connection: Connection, generation: Generation) -> list[str]:
    """Return the columns of short texts with some dozens of values, as classes are: what many questions select by.

    An index on one takes a hundredth of the table, and one value is a small part of it.
    """
    found = await connection.fetch(
        "SELECT attname FROM pg_stats WHERE schemaname = $1 AND tablename = $2 "
        "AND n_distinct BETWEEN $3 AND $4 AND avg_width <= $5 AND null_frac < 0.5 ORDER BY attname",
        *(SCHEMA, generation.current, *_CLASS_VALUES, _CLASS_BYTES),
    )
    return [name for (name,) in found if generation.columns.get(name) == "text"]


async def refuse_twins(connection: Connection, table: str, key: str) -> None:
    """Make a key unique within a table.

    Raises:
        StoreFailure: two rows have one key.
    """
    await _index(connection, table, quote(key), key, "UNIQUE")


async def _add_indexes(connection: Connection, table: str, generation: Generation, unique: str) -> None:
    key = generation.key
    await _index(connection, table, quote(key), key, unique)
    await _index(connection, table, f"{quote(PLACE)}, {quote(key)}", key)
    await _index(connection, table, UNTIL if not unique else SINCE, key)
    if GEOMETRY in generation.columns:
        await connection.execute(f"CREATE INDEX ON {quote(table)} USING gist (({bbox_sql()}))")


async def _index(connection: Connection, table: str, columns: str, key: str, unique: str = "") -> None:
    try:
        await connection.execute(f"CREATE {unique} INDEX ON {quote(table)} ({columns})")
    except UniqueViolationError:
        raise StoreFailure(detail=f"two rows have one {key}") from None


async def enter(connection: Connection, generation: Generation) -> None:
    """Enter a generation into the catalogue."""
    await connection.execute(
        "INSERT INTO generations VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        *(generation.name, generation.dataset, generation.current, generation.key),
        *(json.dumps(generation.columns), generation.base, generation.recent, generation.loose, generation.mends),
    )


async def drop(connection: Connection, generation: Generation) -> None:
    """Remove a generation and its rows. Scans that are under way go on to their end: tables go when nobody reads."""
    for table in (generation.current, generation.history):
        await discard(connection, table)
    await connection.execute("DELETE FROM generations WHERE name = $1", generation.name)


async def discard(connection: Connection, table: str) -> None:
    """Note that a table is to be dropped as soon as nobody reads it: a drop at once would wait for readers."""
    await connection.execute("INSERT INTO garbage VALUES ($1)", table)


async def note(connection: Connection, generation: Generation) -> None:
    """Bring what the catalogue tells of a generation's tables up to date."""
    await connection.execute(
        "UPDATE generations SET current_table = $1, base = $2, recent = $3, loose = $4 WHERE name = $5",
        *(generation.current, generation.base, generation.recent, generation.loose, generation.name),
    )


async def append(
    connection: Connection, generation: Generation, rows: str, order: str, parameters: PgParameters
) -> int:
    """Put rows into the current table; returns how many.

    `rows` is a query with the alias ROWS, which gives all columns and SINCE; `order` is what to sort it by.
    """
    into = f"INSERT INTO {quote(generation.current)} ({listed([*generation.columns, SINCE])})"
    return await touched(connection, f"{into} {rows} ORDER BY {order}", parameters)


async def fork(connection: Connection, view: View) -> View:
    """Begin a generation with the rows of a version that is not the newest of its own."""
    old, parameters = view.generation, PgParameters()
    columns = listed([*old.columns, SINCE])
    made = replace(new(old.dataset, old.key, old.columns), base=view.base)
    await create(connection, made)
    rows = f"SELECT {columns} FROM ({rows_of(view, columns, parameters)}) AS {ROWS}"  # noqa: S608 (quoted)
    order = f"{ROWS}.{SINCE} > {parameters.bind(view.base, 'bigint')}, {curve_order(old.key)}"
    await append(connection, made, rows, order, parameters)
    await finish_current(connection, made)
    made = await counted(connection, made)
    await enter(connection, made)
    return replace(view, generation=made, head=True)


async def counted(connection: Connection, generation: Generation) -> Generation:
    """Return a generation with its recent rows counted anew."""
    count = f"SELECT count(*) FROM {quote(generation.current)} WHERE {SINCE} > $1"  # noqa: S608 (quoted)
    return replace(generation, recent=await connection.fetchval(count, generation.base))


async def touched(connection: Connection, statement: str, parameters: PgParameters) -> int:
    """Run a statement; returns how many rows it touched."""
    return int((await connection.execute(statement, *parameters.values)).rpartition(" ")[2])
