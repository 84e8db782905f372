"""The tables of generations: made, filled in order, dropped."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import replace

from guotu.model.errors import StoreFailure
from guotu.model.schema import HASH, PLACE
from node.stores.duckdb.catalogue import Generation, View
from node.stores.duckdb.connection import Cursor
from node.stores.duckdb.sql.identifiers import ROWS, SINCE, UNTIL, column, listed, quote
from node.stores.duckdb.sql.parameters import Parameters
from node.stores.duckdb.sql.source import rows_of

_TIDY_ABOVE = 0.05
"""Part of its rows that may be out of order: a question about a window then takes a third longer than in order."""


def create(cursor: Cursor, dataset: str, key: str, columns: Mapping[str, str]) -> Generation:
    """Make the tables of a new generation, not yet in the catalogue."""
    name = uuid.uuid4().hex
    generation = Generation(name, dataset, f"current_{name}", key, columns, {})
    create_table(cursor, generation.current, generation, {SINCE: "BIGINT"})
    create_table(cursor, generation.history, generation, {SINCE: "BIGINT", UNTIL: "BIGINT"})
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
        "map($7::VARCHAR[], $8::DOUBLE[]), $9)",
        [
            *(generation.name, generation.dataset, generation.current, generation.key),
            *(list(generation.columns), list(generation.columns.values())),
            *(list(generation.widths), list(generation.widths.values())),
            generation.out_of_order,
        ],
    )


def drop(cursor: Cursor, generation: Generation) -> None:
    """Remove a generation and its rows. Scans that are under way go on to their end: they keep their snapshot."""
    for table in (generation.current, generation.history):
        cursor.execute(f"DROP TABLE {quote(table)}")
    cursor.execute("DELETE FROM guotu_generations WHERE name = $1", [generation.name])


def append(cursor: Cursor, generation: Generation, rows: str, parameters: Parameters) -> int:
    """Put rows behind the current ones, in curve order among themselves; returns how many.

    `rows` is a query with the alias ROWS, which gives all columns and SINCE.
    """
    order = f"ORDER BY {column(PLACE)}, {column(generation.key)}"
    added = count(cursor, f"INSERT INTO {quote(generation.current)} {rows} {order}", parameters)
    cursor.execute(
        "UPDATE guotu_generations SET out_of_order = out_of_order + $1 WHERE name = $2", [added, generation.name]
    )
    return added


def fork(cursor: Cursor, view: View) -> View:
    """Begin a generation with the rows of a version that is not the newest of its own."""
    old, parameters = view.generation, Parameters()
    columns = listed(old.columns)
    rows = rows_of(view, columns, parameters)
    since = parameters.bind(view.version, "BIGINT")
    new = replace(create(cursor, old.dataset, old.key, old.columns), widths=old.widths)
    append(cursor, new, f"SELECT {columns}, {since} FROM ({rows}) AS {ROWS}", parameters)  # noqa: S608 (quoted)
    enter(cursor, new)
    return View(new, view.version, view.rows, head=True)


def tidy(cursor: Cursor, generation: Generation, rows: int) -> bool:
    """Write the current table anew, in curve order, if enough of its rows are out of it; tells whether."""
    if generation.out_of_order <= rows * _TIDY_ABOVE:
        return False
    name = f"current_{uuid.uuid4().hex}"
    create_table(cursor, name, generation, {SINCE: "BIGINT"})
    order = f"ORDER BY {quote(PLACE)}, {quote(generation.key)}"
    cursor.execute(f"INSERT INTO {quote(name)} SELECT * FROM {quote(generation.current)} {order}")  # noqa: S608
    cursor.execute(f"DROP TABLE {quote(generation.current)}")
    cursor.execute(
        "UPDATE guotu_generations SET current_table = $1, out_of_order = 0 WHERE name = $2", [name, generation.name]
    )
    return True


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
