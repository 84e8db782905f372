"""The tables of generations: made, filled in order, dropped."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import replace

from guotu.model.errors import StoreFailure
from guotu.model.schema import HASH
from node.stores.duckdb.catalogue import Generation, View
from node.stores.duckdb.connection import Cursor
from node.stores.duckdb.sql.identifiers import ROWS, SINCE, UNTIL, listed, quote
from node.stores.duckdb.sql.parameters import Parameters
from node.stores.duckdb.sql.source import order_of, rows_of

_VERSIONS = {SINCE: "BIGINT", UNTIL: "BIGINT"}
_MOST_DEAD = 0.1
"""Rows that changes ended, as part of those there are, above which a table is written anew."""


def create(cursor: Cursor, dataset: str, key: str, columns: Mapping[str, str]) -> Generation:
    """Make the tables of a new generation, not yet in the catalogue."""
    name = uuid.uuid4().hex
    generation = Generation(name, dataset, f"current_{name}", key, columns, {})
    for table in (generation.current, generation.history):
        create_table(cursor, table, generation, _VERSIONS)
    return generation


def create_table(cursor: Cursor, name: str, generation: Generation, more: Mapping[str, str] | None = None) -> None:
    """Make a table for rows of a generation; each must have a key, and a hash unless it may delete."""
    required = (generation.key, HASH) if more else (generation.key,)
    columns = [
        f"{quote(column)} {kind}{' NOT NULL' if column in required else ''}"
        for column, kind in {**generation.columns, **(more or {})}.items()
    ]
    cursor.execute(f"CREATE TABLE {quote(name)} ({', '.join(columns)})")


def enter(cursor: Cursor, generation: Generation) -> None:
    """Enter a generation into the catalogue."""
    cursor.execute(
        "INSERT INTO guotu_generations VALUES ($1, $2, $3, $4, map($5::VARCHAR[], $6::VARCHAR[]), "
        "map($7::VARCHAR[], $8::DOUBLE[]), $9, $10, $11)",
        [
            *(generation.name, generation.dataset, generation.current, generation.key),
            *(list(generation.columns), list(generation.columns.values())),
            *(list(generation.widths), list(generation.widths.values())),
            *(generation.base, generation.dead, generation.moved),
        ],
    )


def drop(cursor: Cursor, generation: Generation) -> None:
    """Remove a generation and its rows. Scans that are under way go on to their end: they keep their snapshot."""
    for table in (generation.current, generation.history):
        cursor.execute(f"DROP TABLE {quote(table)}")
    cursor.execute("DELETE FROM guotu_generations WHERE name = $1", [generation.name])


def note(cursor: Cursor, generation: Generation) -> None:
    """Bring what the catalogue tells of a generation's tables up to date."""
    cursor.execute(
        "UPDATE guotu_generations SET current_table = $1, base = $2, dead = $3, moved = $4 WHERE name = $5",
        [generation.current, generation.base, generation.dead, generation.moved, generation.name],
    )


def append(cursor: Cursor, generation: Generation, rows: str, order: str, parameters: Parameters) -> int:
    """Put rows behind those of the current table; returns how many.

    `rows` is a query with the alias ROWS, which gives all columns and SINCE; `order` is what to sort it by.
    """
    into = f"INSERT INTO {quote(generation.current)} ({listed([*generation.columns, SINCE])})"
    return count(cursor, f"{into} {rows} ORDER BY {order}", parameters)


def fork(cursor: Cursor, view: View) -> View:
    """Begin a generation with the rows of a version that is not the newest of its own."""
    old, parameters = view.generation, Parameters()
    columns = listed([*old.columns, SINCE])
    new = replace(create(cursor, old.dataset, old.key, old.columns), widths=old.widths, base=view.base)
    rows = f"SELECT {columns} FROM ({rows_of(view, columns, parameters)}) AS {ROWS}"  # noqa: S608 (quoted)
    append(cursor, new, rows, order_of(view, old.key, parameters), parameters)
    enter(cursor, new)
    return replace(view, generation=new, head=True)


def tidy(cursor: Cursor, view: View) -> bool:
    """Write the current table anew, in the order of its newest version and without the rows that this has no more.

    If it lies in another order, or such rows are many; tells whether.
    """
    old = view.generation
    if old.base == view.base and old.dead <= view.rows * _MOST_DEAD:
        return False
    new = replace(old, current=f"current_{uuid.uuid4().hex}", base=view.base, dead=0)
    create_table(cursor, new.current, new, _VERSIONS)
    _copy_living(cursor, view, new)
    if _keep_dead(cursor, old):
        new = replace(new, moved=view.version)
    cursor.execute(f"DROP TABLE {quote(old.current)}")
    note(cursor, new)
    return True


def _copy_living(cursor: Cursor, view: View, new: Generation) -> None:
    columns, parameters = listed([*new.columns, SINCE]), Parameters()
    living = f"SELECT {columns} FROM {quote(view.generation.current)} AS {ROWS} WHERE {UNTIL} IS NULL"  # noqa: S608
    order = "" if view.ordered else f" ORDER BY {order_of(view, new.key, parameters)}"
    cursor.execute(f"INSERT INTO {quote(new.current)} ({columns}) {living}{order}", parameters.values)


def _keep_dead(cursor: Cursor, generation: Generation) -> int:
    """Put those rows of the current table that only older readable versions have into history; returns how many."""
    columns, parameters = listed([*generation.columns, SINCE, UNTIL]), Parameters()
    name = parameters.bind(generation.name, "VARCHAR")
    needed = (
        f"EXISTS (SELECT 1 FROM guotu_versions AS v WHERE v.generation = {name} AND v.readable "  # noqa: S608
        f"AND v.version >= {ROWS}.{SINCE} AND v.version < {ROWS}.{UNTIL})"
    )
    dead = f"SELECT {columns} FROM {quote(generation.current)} AS {ROWS} WHERE {UNTIL} IS NOT NULL AND {needed}"  # noqa: S608
    return count(cursor, f"INSERT INTO {quote(generation.history)} ({columns}) {dead}", parameters)


def count_dead(cursor: Cursor, generation: Generation) -> int:
    """Count the rows of the current table that changes have ended."""
    return count(cursor, f"SELECT count({UNTIL}) FROM {quote(generation.current)}", Parameters())  # noqa: S608


def refuse_twins(cursor: Cursor, table: str, key: str) -> None:
    """Refuse rows of which two have one key.

    Raises:
        StoreFailure: there are such rows.
    """
    name = quote(key)
    twins = f"SELECT 1 FROM {quote(table)} GROUP BY {name} HAVING count(*) > 1 LIMIT 1"  # noqa: S608 (quoted)
    if cursor.execute(twins).fetchone():
        raise StoreFailure(detail=f"two rows have one {key}")


def count(cursor: Cursor, statement: str, parameters: Parameters) -> int:
    """Run a statement whose answer is one number, such as how many rows it touched; returns that."""
    row = cursor.execute(statement, parameters.values).fetchone()
    return int(row[0]) if row else 0
