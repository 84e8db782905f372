"""The tables of generations: made, filled in order, dropped."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import replace

from guotu.model.errors import StoreFailure
from guotu.model.schema import HASH
from node.stores.duckdb.catalogue import Generation, View
from node.stores.duckdb.connection import Cursor
from node.stores.duckdb.sql.source import order_of, rows_of
from node.stores.sql.identifiers import ROWS, SINCE, UNTIL, listed, quote
from node.stores.sql.parameters import Parameters

GROUP_ROWS = 122_880
"""Rows of a row group of the engine."""


def create(cursor: Cursor, dataset: str, key: str, columns: Mapping[str, str]) -> Generation:
    """Make the tables of a new generation, not yet in the catalogue."""
    name = uuid.uuid4().hex
    generation = Generation(name, dataset, f"current_{name}", key, columns, {})
    for table in (generation.current, generation.history):
        create_table(cursor, table, generation)
    return generation


def create_table(cursor: Cursor, name: str, generation: Generation) -> None:
    """Make a table for rows of a generation; each must have a key and a hash."""
    columns = [
        f"{quote(column)} {kind}{' NOT NULL' if column in (generation.key, HASH) else ''}"
        for column, kind in {**generation.columns, SINCE: "BIGINT", UNTIL: "BIGINT"}.items()
    ]
    cursor.execute(f"CREATE TABLE {quote(name)} ({', '.join(columns)})")


def enter(cursor: Cursor, generation: Generation) -> None:
    """Enter a generation into the catalogue."""
    cursor.execute(
        "INSERT INTO guotu_generations VALUES ($1, $2, $3, $4, map($5::VARCHAR[], $6::VARCHAR[]), "
        "map($7::VARCHAR[], $8::DOUBLE[]), $9, $10, $11, $12, $13)",
        [
            *(generation.name, generation.dataset, generation.current, generation.key),
            *(list(generation.columns), list(generation.columns.values())),
            *(list(generation.widths), list(generation.widths.values())),
            *(generation.base, generation.recent, generation.loose, generation.dead, generation.moved),
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
        "UPDATE guotu_generations SET current_table = $1, base = $2, recent = $3, loose = $4, dead = $5, moved = $6 "
        "WHERE name = $7",
        [
            *(generation.current, generation.base, generation.recent, generation.loose),
            *(generation.dead, generation.moved, generation.name),
        ],
    )


def append(cursor: Cursor, generation: Generation, rows: str, order: str, parameters: Parameters) -> int:
    """Put rows behind those of the current table; returns how many.

    `rows` is a query with the alias ROWS, which gives all columns and SINCE; `order` is what to sort it by, empty to
    take rows as they come.
    """
    return count(cursor, _insert(generation, rows, order), parameters)


def append_few(cursor: Cursor, generation: Generation, rows: str, order: str, parameters: Parameters) -> int:
    """Do what `append` does, in one thread.

    Threads that each fill row groups of their own, to be put together in the end, take twice as long over less than a
    row group. The engine does without them for rows that are to be given back.
    """
    cursor.execute(f"{_insert(generation, rows, order)} RETURNING {SINCE}", parameters.values)
    return sum(batch.num_rows for batch in cursor.to_arrow_reader(GROUP_ROWS))


def _insert(generation: Generation, rows: str, order: str) -> str:
    into = f"INSERT INTO {quote(generation.current)} ({listed([*generation.columns, SINCE])})"
    return f"{into} {rows} ORDER BY {order}" if order else f"{into} {rows}"


def fork(cursor: Cursor, view: View) -> View:
    """Begin a generation with the rows of a version that is not the newest of its own."""
    old, parameters = view.generation, Parameters()
    columns = listed([*old.columns, SINCE])
    new = replace(create(cursor, old.dataset, old.key, old.columns), widths=old.widths, base=view.base)
    rows = f"SELECT {columns} FROM ({rows_of(view, columns, parameters)}) AS {ROWS}"  # noqa: S608 (quoted)
    append(cursor, new, rows, order_of(view, old.key, parameters), parameters)
    new = counted(cursor, new)
    enter(cursor, new)
    return replace(view, generation=new, head=True)


def counted(cursor: Cursor, generation: Generation) -> Generation:
    """Return a generation with its recent and dead rows counted anew."""
    table = quote(generation.current)
    counts = f"SELECT count(*) FILTER ({SINCE} > $1::BIGINT), count({UNTIL}) FROM {table}"  # noqa: S608 (quoted)
    recent, dead = cursor.execute(counts, [generation.base]).fetchall()[0]
    return replace(generation, recent=recent, dead=dead)


def refuse_twins(cursor: Cursor, table: str, key: str) -> None:
    """Refuse rows of which two have one key.

    Raises:
        StoreFailure: there are such rows.
    """
    # Hashes first: they take a quarter of the memory, and two keys of one hash are rare.
    for what in (f"hash({quote(key)})", quote(key)):
        twins = f"SELECT 1 FROM {quote(table)} GROUP BY {what} HAVING count(*) > 1 LIMIT 1"  # noqa: S608 (quoted)
        if not cursor.execute(twins).fetchone():
            return
    raise StoreFailure(detail=f"two rows have one {key}")


def count(cursor: Cursor, statement: str, parameters: Parameters) -> int:
    """Run a statement whose answer is one number, such as how many rows it touched; returns that."""
    row = cursor.execute(statement, parameters.values).fetchone()
    return int(row[0]) if row else 0
