"""Versions coming into sight, and going."""

from __future__ import annotations

from dataclasses import replace

from guotu.model.schema import HASH
from node.stores.entry import UNORDERED, Entry, Key
from node.stores.postgis import catalogue, generations
from node.stores.postgis.catalogue import Catalogue, Generation
from node.stores.postgis.connection import Connection
from node.stores.postgis.sql.parameters import PgParameters
from node.stores.postgis.sql.source import curve_order
from node.stores.sql.identifiers import ROWS, SINCE, UNTIL, column, listed, quote


async def activate(connection: Connection, key: Key, state: bytes) -> None:
    """Make a staged version readable; one that is readable and not staged again stays as it is.

    Raises:
        UnknownVersion: it is neither staged nor readable.
    """
    known = await catalogue.read(connection)
    staged = known.staged.get(key)
    if staged is None:
        known.view(*key)
        return
    if key in known.readable:
        await _conceal(connection, known, known.readable[key])
    await catalogue.remove(connection, staged)
    entry = await _applied(connection, staged) if staged.change else replace(staged, readable=True)
    await catalogue.add(connection, entry)
    await catalogue.set_state(connection, key, state)
    await _drop_next_change(connection, known, staged)


async def drop(connection: Connection, key: Key) -> None:
    """Remove a version, staged or readable, and the rows that no other readable version needs."""
    known = await catalogue.read(connection)
    if key in known.staged:
        await unstage(connection, known, known.staged[key])
    if key in known.readable:
        entry = known.readable[key]
        await _drop_next_change(connection, known, entry)
        await _conceal(connection, known, entry)


async def unstage(connection: Connection, known: Catalogue, entry: Entry) -> None:
    """Remove a staged version and its rows."""
    await catalogue.remove(connection, entry)
    if entry.change:
        await generations.discard(connection, entry.change)
    else:
        await generations.drop(connection, known.generations[entry.generation])


async def unstage_all(connection: Connection) -> None:
    """Remove all staged versions and their rows."""
    known = await catalogue.read(connection)
    for entry in known.staged.values():
        await unstage(connection, known, entry)


async def prune(connection: Connection, generation: Generation, above: int, up_to: int) -> None:
    """Delete the rows of history that came and went between two readable versions."""
    between = f"DELETE FROM {quote(generation.history)} WHERE {SINCE} > $1 AND {UNTIL} <= $2"  # noqa: S608 (quoted)
    await connection.execute(between, above, up_to)


async def _drop_next_change(connection: Connection, known: Catalogue, entry: Entry) -> None:
    """Remove a staged change of a version that is no longer what it was when the change was staged."""
    following = known.staged.get((entry.dataset, entry.version + 1))
    if following is not None and following.change:
        await unstage(connection, known, following)


async def _applied(connection: Connection, staged: Entry) -> Entry:
    """Apply a staged change: rows that it replaces go to history, new ones come in their place."""
    before = (await catalogue.read(connection)).view(staged.dataset, staged.version - 1)
    if not before.head:
        before = await generations.fork(connection, before)
    generation, change, key = before.generation, quote(staged.change), quote(before.generation.key)
    ended = await end(connection, generation, f"{key} IN (SELECT {key} FROM {change})", staged.version)  # noqa: S608
    parameters = PgParameters()
    version = parameters.bind(staged.version, "bigint")
    came = f"SELECT {listed(generation.columns)}, {version} FROM {change} AS {ROWS} WHERE {column(HASH)} IS NOT NULL"  # noqa: S608
    added = await generations.append(connection, generation, came, curve_order(generation.key), parameters)
    await generations.discard(connection, staged.change)
    # What is put beside recent rows that were there is out of order unless there were none.
    loose = generation.loose or (generation.recent > 0 and added > 0)
    generation = replace(await generations.counted(connection, generation), loose=loose)
    await generations.note(connection, generation)
    return replace(staged, rows=before.rows - ended + added, generation=generation.name, change="", readable=True)


async def end(connection: Connection, generation: Generation, which: str, version: int) -> int:
    """Move rows of the current table to history, where they end with a version; returns how many."""
    columns, parameters = listed([*generation.columns, SINCE]), PgParameters()
    until = parameters.bind(version, "bigint")
    ended = f"DELETE FROM {quote(generation.current)} WHERE {which} RETURNING {columns}"  # noqa: S608 (names are quoted)
    moved = f"INSERT INTO {quote(generation.history)} ({columns}, {UNTIL}) SELECT {columns}, {until} FROM ended"  # noqa: S608
    return await generations.touched(connection, f"WITH ended AS ({ended}) {moved}", parameters)


async def _conceal(connection: Connection, known: Catalogue, entry: Entry) -> None:
    """Remove a readable version and the rows that no other needs; the newest leaves the one before it as it was."""
    await catalogue.remove(connection, entry)
    generation = known.generations[entry.generation]
    versions = known.versions_of(generation.name)
    place = versions.index(entry.version)
    if len(versions) == 1:
        await generations.drop(connection, generation)
    elif entry.version == versions[-1]:
        await _roll_back(connection, generation, versions[-2])
    else:
        await prune(connection, generation, versions[place - 1] if place else -1, versions[place + 1])


async def _roll_back(connection: Connection, generation: Generation, version: int) -> None:
    """Make the tables what they were at a version."""
    later, columns = f"{UNTIL} > $1", listed([*generation.columns, SINCE])
    await connection.execute(f"DELETE FROM {quote(generation.current)} WHERE {SINCE} > $1", version)  # noqa: S608
    parameters = PgParameters()
    at = parameters.bind(version, "bigint")
    back = f"SELECT {columns} FROM {quote(generation.history)} AS {ROWS} WHERE {SINCE} <= {at} AND {later}"  # noqa: S608
    brought = await generations.append(connection, generation, back, curve_order(generation.key), parameters)
    await connection.execute(f"DELETE FROM {quote(generation.history)} WHERE {later}", version)  # noqa: S608 (quoted)
    rolled = replace(generation, base=UNORDERED if brought else generation.base)
    await generations.note(connection, await generations.counted(connection, rolled))
