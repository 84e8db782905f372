"""Versions coming into sight, and going."""

from __future__ import annotations

from dataclasses import replace

from guotu.model.schema import HASH
from node.stores.duckdb import catalogue, generations
from node.stores.duckdb.catalogue import Catalogue, Generation
from node.stores.duckdb.changefiles import ChangeFiles
from node.stores.duckdb.connection import Cursor
from node.stores.duckdb.sql.source import curve_order
from node.stores.entry import UNORDERED, Entry, Key
from node.stores.sql.identifiers import ROWS, SINCE, UNTIL, column, listed, quote
from node.stores.sql.parameters import Parameters


def activate(cursor: Cursor, files: ChangeFiles, key: Key, state: bytes) -> None:
    """Make a staged version readable; one that is readable and not staged again stays as it is.

    Raises:
        UnknownVersion: it is neither staged nor readable.
    """
    known = catalogue.read(cursor)
    staged = known.staged.get(key)
    if staged is None:
        known.view(*key)
        return
    if key in known.readable:
        _conceal(cursor, known, known.readable[key])
        known = catalogue.read(cursor)
    catalogue.remove(cursor, staged)
    catalogue.add(cursor, _applied(cursor, files, known, staged) if staged.change else replace(staged, readable=True))
    catalogue.set_state(cursor, key, state)
    _drop_next_change(cursor, known, staged)


def drop(cursor: Cursor, key: Key) -> None:
    """Remove a version, staged or readable, and the rows that no other readable version needs."""
    known = catalogue.read(cursor)
    if key in known.staged:
        unstage(cursor, known, known.staged[key])
    if key in known.readable:
        entry = known.readable[key]
        _drop_next_change(cursor, known, entry)
        _conceal(cursor, known, entry)


def unstage(cursor: Cursor, known: Catalogue, entry: Entry) -> None:
    """Remove a staged version and its rows."""
    catalogue.remove(cursor, entry)
    if not entry.change:
        generations.drop(cursor, known.generations[entry.generation])


def unstage_all(cursor: Cursor) -> None:
    """Remove all staged versions and their rows."""
    known = catalogue.read(cursor)
    for entry in known.staged.values():
        unstage(cursor, known, entry)


def prune(cursor: Cursor, generation: Generation, above: int, up_to: int) -> None:
    """Delete the rows of history that came and went between two readable versions.

    Such rows of the current table stay until it is written anew: to take them out of its middle would spare no reader.
    """
    cursor.execute(
        f"DELETE FROM {quote(generation.history)} WHERE {SINCE} > $1::BIGINT AND {UNTIL} <= $2::BIGINT",  # noqa: S608
        [above, up_to],
    )


def _drop_next_change(cursor: Cursor, known: Catalogue, entry: Entry) -> None:
    """Remove a staged change of a version that is no longer what it was when the change was staged."""
    following = known.staged.get((entry.dataset, entry.version + 1))
    if following is not None and following.change:
        unstage(cursor, known, following)


def _applied(cursor: Cursor, files: ChangeFiles, known: Catalogue, staged: Entry) -> Entry:
    """Apply a staged change: rows that it replaces end where they lie, new ones come behind."""
    before = known.view(staged.dataset, staged.version - 1)
    if not before.head:
        before = generations.fork(cursor, before)
    generation, change = before.generation, quote(staged.change)
    files.offer(cursor, staged.change, generation.columns)
    parameters = Parameters()
    version, key = parameters.bind(staged.version, "BIGINT"), quote(generation.key)
    living = f"{UNTIL} IS NULL AND {key} IN (SELECT {key} FROM {change})"  # noqa: S608 (names are quoted)
    end = f"UPDATE {quote(generation.current)} SET {UNTIL} = {version} WHERE {living}"  # noqa: S608 (names are quoted)
    ended = generations.count(cursor, end, parameters)
    came = f"SELECT {listed(generation.columns)}, {version} FROM {change} AS {ROWS} WHERE {column(HASH)} IS NOT NULL"  # noqa: S608
    added = generations.append(cursor, generation, came, curve_order(generation.key), parameters)
    # What lies behind the recent rows that were there is out of order unless there were none.
    loose = generation.loose or (generation.recent > 0 and added > 0)
    recent, dead = generation.recent + added, generation.dead + ended
    generations.note(cursor, replace(generation, recent=recent, loose=loose, dead=dead))
    return replace(staged, rows=before.rows - ended + added, generation=generation.name, change="", readable=True)


def _conceal(cursor: Cursor, known: Catalogue, entry: Entry) -> None:
    """Remove a readable version and the rows that no other needs; the newest leaves the one before it as it was."""
    catalogue.remove(cursor, entry)
    generation = known.generations[entry.generation]
    versions = known.versions_of(generation.name)
    place = versions.index(entry.version)
    if len(versions) == 1:
        generations.drop(cursor, generation)
    elif entry.version == versions[-1]:
        _roll_back(cursor, generation, versions[-2])
    else:
        prune(cursor, generation, versions[place - 1] if place else -1, versions[place + 1])


def _roll_back(cursor: Cursor, generation: Generation, version: int) -> None:
    """Make the tables what they were at a version."""
    current, history = quote(generation.current), quote(generation.history)
    later = f"{UNTIL} > $1::BIGINT"
    cursor.execute(f"DELETE FROM {current} WHERE {SINCE} > $1::BIGINT", [version])  # noqa: S608 (names are quoted)
    cursor.execute(f"UPDATE {current} SET {UNTIL} = NULL WHERE {later}", [version])  # noqa: S608 (names are quoted)
    parameters, columns = Parameters(), listed([*generation.columns, SINCE])
    at = parameters.bind(version, "BIGINT")
    back = f"SELECT {columns} FROM {history} AS {ROWS} WHERE {SINCE} <= {at} AND {later}"  # noqa: S608 (names are quoted)
    brought = generations.append(cursor, generation, back, curve_order(generation.key), parameters)
    cursor.execute(f"DELETE FROM {history} WHERE {later}", [version])  # noqa: S608 (names are quoted)
    base = UNORDERED if brought else generation.base
    rolled = replace(generation, base=base, moved=min(generation.moved, version))
    generations.note(cursor, generations.counted(cursor, rolled))
