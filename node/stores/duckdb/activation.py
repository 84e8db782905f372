"""Versions coming into sight, and going."""

from __future__ import annotations

from dataclasses import replace

from guotu.model.errors import StoreFailure
from guotu.model.schema import HASH
from node.stores.duckdb import catalogue, generations
from node.stores.duckdb.catalogue import Catalogue, Generation
from node.stores.duckdb.changefiles import ChangeFiles, StagedChange
from node.stores.duckdb.comparison import AT
from node.stores.duckdb.connection import Cursor
from node.stores.duckdb.sql.source import curve_order
from node.stores.entry import UNORDERED, Entry, Key
from node.stores.sql.identifiers import ROWS, SINCE, UNTIL, column, listed, quote
from node.stores.sql.parameters import Parameters


def activate(cursor: Cursor, known: Catalogue, files: ChangeFiles, key: Key, state: bytes) -> None:
    """Make a staged version readable; one that is readable and not staged again stays as it is.

    Raises:
        UnknownVersion: it is neither staged nor readable.
    """
    staged, change, before = known.staged.get(key), files.staged.get(key), known
    if staged is None and change is None:
        known.view(*key)
        return
    if key in known.readable:
        _conceal(cursor, known, known.readable[key])
        before = catalogue.read(cursor)
    if change is not None:
        placed = before is known and change.placed_at == known.epoch
        catalogue.add(cursor, _applied(cursor, files, before, change, placed))
        files.end(key)
    elif staged is not None:
        catalogue.remove(cursor, staged)
        catalogue.add(cursor, replace(staged, readable=True))
    catalogue.set_state(cursor, key, state)
    files.end(_following(key))


def drop(cursor: Cursor, known: Catalogue, files: ChangeFiles, key: Key) -> None:
    """Remove a version, staged or readable, and the rows that no other readable version needs."""
    unstage(cursor, known, files, key)
    if key in known.readable:
        files.end(_following(key))
        _conceal(cursor, known, known.readable[key])


def unstage(cursor: Cursor, known: Catalogue, files: ChangeFiles, key: Key) -> None:
    """Remove what is staged of a version; nothing if nothing is."""
    files.end(key)
    if key in known.staged:
        _remove(cursor, known, known.staged[key])


def unstage_all(cursor: Cursor, known: Catalogue) -> None:
    """Remove all versions that are staged whole, and their rows."""
    for entry in known.staged.values():
        _remove(cursor, known, entry)


def prune(cursor: Cursor, generation: Generation, above: int, up_to: int) -> None:
    """Delete the rows of history that came and went between two readable versions.

    Such rows of the current table stay until it is written anew: to take them out of its middle would spare no reader.
    """
    cursor.execute(
        f"DELETE FROM {quote(generation.history)} WHERE {SINCE} > $1::BIGINT AND {UNTIL} <= $2::BIGINT",  # noqa: S608
        [above, up_to],
    )


def _remove(cursor: Cursor, known: Catalogue, entry: Entry) -> None:
    catalogue.remove(cursor, entry)
    if entry.generation:
        generations.drop(cursor, known.generations[entry.generation])


def _following(key: Key) -> Key:
    """Return the version after one; a change to it ends where that is no longer what it was when it was staged."""
    dataset, version = key
    return dataset, version + 1


def _applied(cursor: Cursor, files: ChangeFiles, known: Catalogue, change: StagedChange, placed: bool) -> Entry:
    """Apply a staged change: rows that it replaces end where they lie, new ones come behind.

    `placed` tells that nothing was written since their places were found.
    """
    staged = change.entry
    before = known.view(staged.dataset, staged.version - 1)
    if not before.head:
        before = generations.fork(cursor, before)
    generation = before.generation
    files.offer(cursor, staged.change, generation.columns)
    if placed:
        files.offer_effect(cursor, change)
    ended = _end(cursor, generation, change, placed)
    parameters = Parameters()
    came = (
        f"SELECT {listed(generation.columns)}, {parameters.bind(staged.version, 'BIGINT')} "  # noqa: S608 (quoted)
        f"FROM {quote(staged.change)} AS {ROWS} WHERE {column(HASH)} IS NOT NULL"
    )
    # Behind recent rows that are there new ones are out of order in any case.
    order = "" if generation.recent or change.ordered else curve_order(generation.key)
    few = staged.rows - before.rows + change.replaced <= generations.GROUP_ROWS
    append = generations.append_few if few else generations.append
    added = append(cursor, generation, came, order, parameters)
    loose = generation.loose or (generation.recent > 0 and added > 0)
    recent, dead = generation.recent + added, generation.dead + ended
    generations.note(cursor, replace(generation, recent=recent, loose=loose, dead=dead))
    return replace(staged, rows=before.rows - ended + added, generation=generation.name, change="", readable=True)


def _end(cursor: Cursor, generation: Generation, change: StagedChange, placed: bool) -> int:
    """Let the rows that a change replaces end; returns how many.

    Raises:
        StoreFailure: they are not as many as when the change was staged.
    """
    parameters = Parameters()
    version = parameters.bind(change.entry.version, "BIGINT")
    ends = f"UPDATE {quote(generation.current)} AS {ROWS} SET {UNTIL} = {version}"  # noqa: S608 (names are quoted)
    if placed:
        those = f"FROM {quote(change.effect)} AS e WHERE {ROWS}.rowid = e.{AT}"
    else:
        same = f"{column(generation.key)} = {column(generation.key, 'c')}"
        those = f"FROM {quote(change.entry.change)} AS c WHERE {ROWS}.{UNTIL} IS NULL AND {same}"
    ended = generations.count(cursor, f"{ends} {those}", parameters)
    if placed and ended != change.replaced:
        raise StoreFailure(detail=f"{ended} rows end of {change.replaced} in {change.entry.dataset}")
    return ended


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
