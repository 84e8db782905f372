"""Which versions the database holds, and in which tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import astuple, dataclass

import duckdb
import structlog

from guotu.model.errors import UnknownVersion
from node.stores.duckdb.connection import Cursor
from node.stores.entry import UNORDERED, Entry, Key
from node.stores.sql.identifiers import quote

_FORMAT = 2
"""Goes up with every change of what tables look like."""
_log = structlog.get_logger(__name__)
_TABLES = (
    "guotu_format (format INTEGER NOT NULL)",
    "guotu_epoch (epoch BIGINT NOT NULL)",
    "guotu_generations (name VARCHAR NOT NULL, dataset VARCHAR NOT NULL, current_table VARCHAR NOT NULL, "
    "key VARCHAR NOT NULL, columns MAP(VARCHAR, VARCHAR) NOT NULL, widths MAP(VARCHAR, DOUBLE) NOT NULL, "
    "base BIGINT NOT NULL, recent BIGINT NOT NULL, loose BOOLEAN NOT NULL, dead BIGINT NOT NULL, "
    "moved BIGINT NOT NULL)",
    "guotu_versions (dataset VARCHAR NOT NULL, version BIGINT NOT NULL, rows BIGINT NOT NULL, "
    "generation VARCHAR NOT NULL, change_table VARCHAR NOT NULL, readable BOOLEAN NOT NULL, "
    "base BIGINT NOT NULL, changes BIGINT NOT NULL)",
    "guotu_states (dataset VARCHAR NOT NULL, version BIGINT NOT NULL, state BLOB NOT NULL)",
)


@dataclass(frozen=True, slots=True)
class Generation:
    """The tables of a staged base and of the versions that changes lead to from it."""

    name: str
    dataset: str
    current: str
    """Table of the rows of its newest readable version, and of those that changes ended since it was written."""
    key: str
    columns: Mapping[str, str]
    """Columns of its rows with their types, as of `node.stores.duckdb.sql.types.table_columns`."""
    widths: Mapping[str, float]
    """Mean bytes of a value by column, as Arrow."""
    base: int = UNORDERED
    """The base of the versions in whose order the current table lies: first what came to be with it or earlier."""
    recent: int = 0
    """Rows of the current table that came to be after the base."""
    loose: bool = False
    """Tells that these lie in no order."""
    dead: int = 0
    """Rows of the current table that the newest version has no more."""
    moved: int = 0
    """No row of history is of this version or a newer one."""

    @property
    def history(self) -> str:
        """Return the table of rows that only older readable versions have, taken out of the current table."""
        return f"history_{self.name}"

    def row_bytes(self, columns: Sequence[str]) -> float:
        """Return the mean bytes of a row of some columns."""
        return sum(self.widths.get(name, 8.0) for name in columns)


@dataclass(frozen=True, slots=True)
class View:
    """Where to read a version."""

    generation: Generation
    version: int
    rows: int
    head: bool
    """Tells that it is the newest of its generation."""
    base: int
    changes: int
    """Of rows, since its base."""

    @property
    def plain(self) -> bool:
        """Tell whether its rows are all that is in the current table."""
        return self.head and not self.generation.dead

    @property
    def scattered(self) -> bool:
        """Tell whether history may have rows of it."""
        return not self.head and self.version < self.generation.moved

    @property
    def ordered(self) -> bool:
        """Tell whether its rows lie in their order."""
        is_base = self.version == self.base and not self.scattered
        return self.generation.base == self.base and (is_base or (self.head and not self.generation.loose))

    @property
    def curved(self) -> bool:
        """Tell whether its rows lie in curve order."""
        return self.ordered and self.version == self.base


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


EMPTY = Catalogue(-1, {}, {}, {})
"""What a store knows before it is open."""


@contextmanager
def transaction(cursor: Cursor) -> Iterator[None]:
    """Do all or nothing."""
    cursor.begin()
    try:
        yield
    except BaseException:
        # The engine has rolled back by itself where the transaction cannot go on.
        with suppress(duckdb.Error):
            cursor.rollback()
        raise
    cursor.commit()


def prepare(cursor: Cursor) -> None:
    """Make the catalogue if there is none. Tables of another format go: their rows can be loaded again."""
    with transaction(cursor):
        found = {name for (name,) in cursor.execute("SELECT table_name FROM duckdb_tables()").fetchall()}
        if "guotu_format" in found and cursor.execute("FROM guotu_format").fetchall() == [(_FORMAT,)]:
            return
        for name in found:
            _log.warning("store_table_of_other_format_dropped", table=name)
            cursor.execute(f"DROP TABLE {quote(name)}")
        for table in _TABLES:
            cursor.execute(f"CREATE TABLE {table}")
        cursor.execute("INSERT INTO guotu_format VALUES ($1)", [_FORMAT])
        cursor.execute("INSERT INTO guotu_epoch VALUES (0)")


def epoch(cursor: Cursor) -> int:
    """Return a number that goes up with every change of the catalogue."""
    row = cursor.execute("SELECT epoch FROM guotu_epoch").fetchone()
    return int(row[0]) if row else 0


def bump(cursor: Cursor) -> None:
    """Tell that the catalogue changes."""
    cursor.execute("UPDATE guotu_epoch SET epoch = epoch + 1")


def read(cursor: Cursor) -> Catalogue:
    """Return what the database holds, as the cursor's transaction sees it."""
    generations = cursor.execute(
        "SELECT name, dataset, current_table, key, columns, widths, base, recent, loose, dead, moved "
        "FROM guotu_generations"
    ).fetchall()
    entries = [
        Entry(*row)
        for row in cursor.execute(
            "SELECT dataset, version, rows, generation, change_table, readable, base, changes FROM guotu_versions"
        ).fetchall()
    ]
    return Catalogue(
        epoch(cursor),
        {row[0]: Generation(*row) for row in generations},
        {entry.key: entry for entry in entries if entry.readable},
        {entry.key: entry for entry in entries if not entry.readable},
    )


def add(cursor: Cursor, entry: Entry) -> None:
    """Enter a version."""
    cursor.execute("INSERT INTO guotu_versions VALUES ($1, $2, $3, $4, $5, $6, $7, $8)", list(astuple(entry)))


def remove(cursor: Cursor, entry: Entry) -> None:
    """Strike a version out; its tables stay."""
    values = [entry.dataset, entry.version, entry.readable]
    cursor.execute("DELETE FROM guotu_versions WHERE dataset = $1 AND version = $2 AND readable = $3", values)
    if entry.readable:
        cursor.execute("DELETE FROM guotu_states WHERE dataset = $1 AND version = $2", values[:2])


def set_rows(cursor: Cursor, entry: Entry, rows: int) -> None:
    """Note how many rows a readable version has."""
    cursor.execute(
        "UPDATE guotu_versions SET rows = $1 WHERE dataset = $2 AND version = $3 AND readable",
        [rows, entry.dataset, entry.version],
    )


def set_state(cursor: Cursor, key: Key, state: bytes) -> None:
    """Keep a caller's bytes with a version that has none yet."""
    cursor.execute("INSERT INTO guotu_states VALUES ($1, $2, $3)", [*key, state])


def state(cursor: Cursor, key: Key) -> bytes | None:
    """Return the caller's bytes; None if the version is not readable."""
    row = cursor.execute("SELECT state FROM guotu_states WHERE dataset = $1 AND version = $2", list(key)).fetchone()
    return None if row is None else bytes(row[0])
