"""Tables brought into the order of their newest version."""

from __future__ import annotations

import uuid
from dataclasses import replace

from node.stores.duckdb import generations
from node.stores.duckdb.catalogue import Generation, View
from node.stores.duckdb.connection import Cursor
from node.stores.duckdb.sql.source import curve_order, order_of
from node.stores.sql.identifiers import ROWS, SINCE, UNTIL, listed, quote
from node.stores.sql.parameters import Parameters


def tidy(cursor: Cursor, view: View) -> bool:
    """Bring the current table of a generation into the order of its newest version, if it is not; tells whether.

    Where the version has another base than the table, the table is written anew, without the rows that the version has
    no more; otherwise only what came after that base is.
    """
    if view.ordered:
        return False
    if view.generation.base == view.base:
        _sort_recent(cursor, view.generation)
    else:
        _write_anew(cursor, view)
    return True


def _sort_recent(cursor: Cursor, generation: Generation) -> None:
    """Put the recent rows behind themselves, in curve order."""
    current, parameters = quote(generation.current), Parameters()
    last = generations.count(cursor, f"SELECT max(rowid) FROM {current}", Parameters())  # noqa: S608 (quoted)
    recent = f"{SINCE} > {parameters.bind(generation.base, 'BIGINT')} AND {UNTIL} IS NULL"
    rows = f"SELECT {listed([*generation.columns, SINCE])} FROM {current} AS {ROWS} WHERE {recent}"  # noqa: S608
    generations.append(cursor, generation, rows, curve_order(generation.key), parameters)
    before = f"rowid <= {parameters.bind(last, 'BIGINT')}"
    cursor.execute(f"DELETE FROM {current} WHERE {recent} AND {before}", parameters.values)  # noqa: S608 (quoted)
    generations.note(cursor, replace(generation, loose=False))


def _write_anew(cursor: Cursor, view: View) -> None:
    old = view.generation
    new = replace(old, current=f"current_{uuid.uuid4().hex}", base=view.base, loose=False)
    generations.create_table(cursor, new.current, new)
    columns, parameters = listed([*new.columns, SINCE]), Parameters()
    living = f"SELECT {columns} FROM {quote(old.current)} AS {ROWS} WHERE {UNTIL} IS NULL"  # noqa: S608 (quoted)
    generations.append(cursor, new, living, order_of(view, new.key, parameters), parameters)
    if _keep_dead(cursor, old):
        new = replace(new, moved=view.version)
    cursor.execute(f"DROP TABLE {quote(old.current)}")
    generations.note(cursor, generations.counted(cursor, new))


def _keep_dead(cursor: Cursor, generation: Generation) -> int:
    """Put those rows of the current table that only older readable versions have into history; returns how many."""
    columns, parameters = listed([*generation.columns, SINCE, UNTIL]), Parameters()
    name = parameters.bind(generation.name, "VARCHAR")
    needed = (
        f"EXISTS (SELECT 1 FROM guotu_versions AS v WHERE v.generation = {name} AND v.readable "  # noqa: S608
        f"AND v.version >= {ROWS}.{SINCE} AND v.version < {ROWS}.{UNTIL})"
    )
    dead = f"SELECT {columns} FROM {quote(generation.current)} AS {ROWS} WHERE {UNTIL} IS NOT NULL AND {needed}"  # noqa: S608
    return generations.count(cursor, f"INSERT INTO {quote(generation.history)} ({columns}) {dead}", parameters)
