"""Which versions the database holds, and in which tables."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import astuple, dataclass

from guotu.model.errors import UnknownVersion
from node.stores.entry import UNORDERED, Entry, Key
from node.stores.postgis.connection import Connection


@dataclass(frozen=True, slots=True)
class Generation:
    """The tables of a staged base and of the versions that changes lead to from it."""

    name: str
    dataset: str
    current: str
    """Table of the rows of its newest readable version."""
    key: str
    columns: Mapping[str, str]
    """Columns of its rows with their types, as of `node.stores.postgis.sql.types.table_columns`."""
    base: int = UNORDERED
    """The base in whose order the current table was written."""
    recent: int = 0
    """Rows of the current table that came to be after the base."""
    loose: bool = False
    """Tells that these were written in no order."""
    mends: int = 0
    """How often its rows were put right, which changes rows without a new version."""

    @property
    def history(self) -> str:
        """Return the table of rows that only older readable versions have."""
        return f"history_{self.name}"


@dataclass(frozen=True, slots=True)
class View:
    """Where to read a version."""

    generation: Generation
    version: int
    rows: int
    head: bool
    """Tells that it is the newest of its generation, whose rows are just those of the current table."""
    base: int
    changes: int
    """Of rows, since its base."""


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What the database holds, as of one moment."""

    epoch: int
    generations: Mapping[str, Generation]
    readable: Mapping[Key, Entry]
    staged: Mapping[Key, Entry]

    def view(self, dataset: str, version: int) -> View:
        """Return where to read a version.

        Raises:
            UnknownVersion: it is not readable.
        """
        entry = self.readable.get((dataset, version))
        if entry is None:
            raise UnknownVersion(dataset=dataset, version=version)
        head = self.versions_of(entry.generation)[-1] == version
        return View(self.generations[entry.generation], version, entry.rows, head, entry.base, entry.changes)

    def heads(self) -> list[View]:
        """Return the newest readable version of each generation."""
        views = [self.view(*key) for key in self.readable]
        return [view for view in views if view.head]

    def versions_of(self, generation: str) -> list[int]:
        """Return the readable versions of a generation, oldest first."""
        return sorted(entry.version for entry in self.readable.values() if entry.generation == generation)


async def epoch(connection: Connection) -> int:
    """Return a number that goes up with every change of the catalogue."""
    return int(await connection.fetchval("SELECT epoch FROM epoch"))


async def bump(connection: Connection) -> None:
    """Tell that the catalogue changes."""
    await connection.execute("UPDATE epoch SET epoch = epoch + 1")


async def read(connection: Connection) -> Catalogue:
    """Return what the database holds, as the connection's transaction sees it."""
    rows = await connection.fetch(
        "SELECT name, dataset, current_table, key, columns, base, recent, loose, mends FROM generations"
    )
    generations = [
        Generation(row[0], row[1], row[2], row[3], json.loads(row[4]), row[5], row[6], row[7], row[8]) for row in rows
    ]
    rows = await connection.fetch(
        "SELECT dataset, version, rows, generation, change_table, readable, base, changes FROM versions"
    )
    entries = [Entry(*row) for row in rows]
    return Catalogue(
        await epoch(connection),
        {generation.name: generation for generation in generations},
        {entry.key: entry for entry in entries if entry.readable},
        {entry.key: entry for entry in entries if not entry.readable},
    )


async def add(connection: Connection, entry: Entry) -> None:
    """Enter a version."""
    await connection.execute("INSERT INTO versions VALUES ($1, $2, $3, $4, $5, $6, $7, $8)", *astuple(entry))


async def remove(connection: Connection, entry: Entry) -> None:
    """Strike a version out; its tables stay."""
    where = "WHERE dataset = $1 AND version = $2"
    await connection.execute(f"DELETE FROM versions {where} AND readable = $3", *entry.key, entry.readable)  # noqa: S608
    if entry.readable:
        await connection.execute(f"DELETE FROM states {where}", *entry.key)  # noqa: S608


async def set_rows(connection: Connection, entry: Entry, rows: int) -> None:
    """Note how many rows a readable version has."""
    statement = "UPDATE versions SET rows = $1 WHERE dataset = $2 AND version = $3 AND readable"
    await connection.execute(statement, rows, *entry.key)


async def mark(connection: Connection, key: Key) -> str:
    """Return what a readable version is known by for as long as it is readable; another of its number has another."""
    found = "SELECT mark::text FROM versions WHERE dataset = $1 AND version = $2 AND readable"
    return str(await connection.fetchval(found, *key))


async def set_state(connection: Connection, key: Key, state: bytes) -> None:
    """Keep a caller's bytes with a version that has none yet."""
    await connection.execute("INSERT INTO states VALUES ($1, $2, $3)", *key, state)


async def state(connection: Connection, key: Key) -> bytes | None:
    """Return the caller's bytes; None if the version is not readable."""
    found = await connection.fetchval("SELECT state FROM states WHERE dataset = $1 AND version = $2", *key)
    return None if found is None else bytes(found)
