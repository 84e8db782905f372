"""Which versions the database holds, each in a table of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum

import duckdb

from node.stores.duckdb.connection import Cursor
from node.stores.duckdb.sql.identifiers import quote


class State(StrEnum):
    """How far a version has come."""

    STAGED = "staged"
    ACTIVE = "active"


@dataclass(frozen=True, slots=True)
class VersionTable:
    """The table of one version."""

    dataset: str
    version: int
    name: str
    rows: int
    bytes: int
    """Size of its rows as Arrow."""
    state: State = State.STAGED
    widths: Mapping[str, float] = field(default_factory=dict)
    """Mean bytes of a value by column, as Arrow."""

    def row_bytes(self, columns: tuple[str, ...]) -> float:
        """Return the mean bytes of a row of some columns."""
        return sum(self.widths.get(name, 8.0) for name in columns)


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
    """Make the catalogue if there is none, and remove versions that a crash left staged."""
    cursor.execute(
        "CREATE TABLE IF NOT EXISTS guotu_versions (dataset VARCHAR NOT NULL, version BIGINT NOT NULL, "
        "table_name VARCHAR NOT NULL, rows BIGINT NOT NULL, bytes BIGINT NOT NULL, state VARCHAR NOT NULL, "
        "widths MAP(VARCHAR, DOUBLE) NOT NULL)"
    )
    with transaction(cursor):
        for table in listed(cursor):
            if table.state is State.STAGED:
                remove(cursor, table)


def listed(cursor: Cursor) -> list[VersionTable]:
    """Return all versions, sorted by dataset and version."""
    rows = cursor.execute(
        "SELECT dataset, version, table_name, rows, bytes, state, widths FROM guotu_versions ORDER BY 1, 2"
    ).fetchall()
    return [
        VersionTable(dataset, version, name, count, size, State(state), widths)
        for dataset, version, name, count, size, state, widths in rows
    ]


def active(cursor: Cursor) -> dict[tuple[str, int], VersionTable]:
    """Return the readable versions, by dataset and version."""
    return {(item.dataset, item.version): item for item in listed(cursor) if item.state is State.ACTIVE}


def find(cursor: Cursor, dataset: str, version: int, state: State) -> VersionTable | None:
    """Return a version in a state; None if there is none."""
    key = (dataset, version, state)
    return next((item for item in listed(cursor) if (item.dataset, item.version, item.state) == key), None)


def add(cursor: Cursor, table: VersionTable) -> None:
    """Enter a version."""
    names, widths = list(table.widths), list(table.widths.values())
    cursor.execute(
        "INSERT INTO guotu_versions VALUES ($1, $2, $3, $4, $5, $6, map($7::VARCHAR[], $8::DOUBLE[]))",
        [table.dataset, table.version, table.name, table.rows, table.bytes, table.state, names, widths],
    )


def activate(cursor: Cursor, table: VersionTable) -> None:
    """Make a staged version readable."""
    cursor.execute("UPDATE guotu_versions SET state = $1 WHERE table_name = $2", [State.ACTIVE, table.name])


def remove(cursor: Cursor, table: VersionTable) -> None:
    """Remove a version and its rows. Scans that are under way go on to their end: they keep their snapshot."""
    cursor.execute(f"DROP TABLE {quote(table.name)}")
    cursor.execute("DELETE FROM guotu_versions WHERE table_name = $1", [table.name])
