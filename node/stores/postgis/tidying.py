"""Tables brought into the order of their newest version."""

from __future__ import annotations

from dataclasses import replace

from node.stores.postgis import generations
from node.stores.postgis.catalogue import View
from node.stores.postgis.connection import Connection
from node.stores.postgis.sql.parameters import PgParameters
from node.stores.postgis.sql.source import curve_order
from node.stores.sql.identifiers import ROWS, SINCE, listed, quote


def is_tidy(view: View) -> bool:
    """Tell whether the current table of a generation was written in the order of its newest version."""
    return view.generation.base == view.base and not view.generation.loose


async def tidy(connection: Connection, view: View) -> None:
    """Bring the current table of a generation into the order of its newest version.

    Answers need no such order: an index has it. But what lies side by side is read with fewer pages. Where the version
    has another base than the table, the table is written anew; otherwise only what came after that base is.
    """
    if view.generation.base == view.base:
        await _sort_recent(connection, view)
    else:
        await _write_anew(connection, view)


async def _sort_recent(connection: Connection, view: View) -> None:
    generation, parameters = view.generation, PgParameters()
    columns = listed([*generation.columns, SINCE])
    recent = f"{SINCE} > {parameters.bind(generation.base, 'bigint')}"
    taken = f"DELETE FROM {quote(generation.current)} WHERE {recent} RETURNING {columns}"  # noqa: S608 (quoted)
    again = f"SELECT {columns} FROM taken AS {ROWS} ORDER BY {curve_order(generation.key)}"  # noqa: S608 (quoted)
    anew = f"WITH taken AS ({taken}) INSERT INTO {quote(generation.current)} ({columns}) {again}"
    await generations.touched(connection, anew, parameters)
    await generations.note(connection, replace(generation, loose=False))


async def _write_anew(connection: Connection, view: View) -> None:
    old = view.generation
    new = replace(old, current=generations.fresh_table("current"), base=view.base, loose=False)
    await generations.create_current(connection, new)
    columns, parameters = listed([*new.columns, SINCE]), PgParameters()
    rows = f"SELECT {columns} FROM {quote(old.current)} AS {ROWS}"  # noqa: S608 (quoted)
    order = f"{ROWS}.{SINCE} > {parameters.bind(view.base, 'bigint')}, {curve_order(new.key)}"
    await generations.append(connection, new, rows, order, parameters)
    await generations.finish_current(connection, new)
    await generations.discard(connection, old.current)
    await generations.note(connection, await generations.counted(connection, new))
