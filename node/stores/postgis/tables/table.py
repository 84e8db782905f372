"""A table of an operator's database, open for reading in one snapshot."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import pyarrow as pa

from guotu.model.errors import InvalidQuestion
from node.stores.postgis.connection import Connection, open_connection
from node.stores.postgis.session import Session
from node.stores.postgis.sql.retrieval import Statement
from node.stores.postgis.streams import Reading, batches
from node.stores.postgis.tables.bridge import Bridge
from node.stores.postgis.tables.facts import TableFacts, begin
from node.stores.postgis.tables.faults import table_faults

_SETTINGS = {
    "application_name": "guotu publish",
    "statement_timeout": "21600s",
    "lock_timeout": "30s",
    # Rows that a policy hides are not rows that are gone.
    "row_security": "off",
    "datestyle": "ISO, YMD",
    # A moment belongs to the day that China's clock shows.
    "timezone": "Etc/GMT-8",
    # What workers hand over are fingerprints, much less than what they read.
    "parallel_tuple_cost": "0.01",
    # A table that others work on is read from where it begins, so that the same rows come in the same order.
    "synchronize_seqscans": "off",
}


@dataclass(frozen=True, slots=True)
class Reference:
    """A reference system of rows."""

    srid: int
    rows: int
    extent: tuple[float, float, float, float] | None
    """xmin, ymin, xmax, ymax of their bounding boxes, in that system; None if they have no point."""


class LiveTable:
    """One table, one connection, one read-only snapshot from opening to closing.

    It may be used from any thread, by one at a time. Closing ends what the server still does for it.
    """

    def __init__(self, url: str, name: str) -> None:
        """`url` is that of the database, and stays out of all texts; `name` is [SCHEMA.]TABLE."""
        self._url = url
        self._name = name
        self._bridge: Bridge | None = None
        self._session = Session(0)

    def __enter__(self) -> Self:
        self._bridge = Bridge()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def open(self) -> TableFacts:
        """Connect, begin the snapshot and return what the table is.

        Raises:
            InvalidQuestion: the URL cannot be read.
            InvalidTable: there is no such table, or it may not be read.
            DatabaseUnavailable: the database is out of reach.
        """
        return self._open_bridge.call(self._begin())

    def references(self, statement: Statement) -> list[Reference]:
        """Return what `statements.references` finds, by SRID."""
        return self._open_bridge.call(self._references(statement))

    def system(self, srid: int) -> str | None:
        """Return an SRID as the database knows it: authority and code, or WKT; None if it does not."""
        return self._open_bridge.call(self._system(srid))

    def rows(self, statements: Sequence[Statement], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        """Yield the rows of statements, in batches of about 1 MiB.

        Raises:
            InvalidTable: a value cannot be read, or the server ended the statement.
            DatabaseUnavailable: the connection was lost.
        """

        async def stream() -> AsyncGenerator[pa.RecordBatch, None]:
            with table_faults(self._name):
                async for batch in batches(self._session, Reading(statements, schema)):
                    yield batch

        return self._open_bridge.each(stream)

    def close(self) -> None:
        """End what the server still does, the snapshot and the connection; nothing if it is closed."""
        bridge, self._bridge = self._bridge, None
        if bridge is not None:
            bridge.close(self._end())

    @property
    def _open_bridge(self) -> Bridge:
        assert self._bridge is not None
        return self._bridge

    async def _begin(self) -> TableFacts:
        with table_faults(self._name):
            try:
                connection: Connection = await open_connection(self._url, **_SETTINGS)
            except (ValueError, OverflowError):
                detail = "应为 must be postgresql://USER:PASSWORD@HOST:PORT/DATABASE"
                raise InvalidQuestion(part="--database", detail=detail) from None
            self._session.connection = connection
            return await begin(connection, self._name)

    async def _references(self, statement: Statement) -> list[Reference]:
        with table_faults(self._name):
            found = await self._session.connection.fetch(statement.text, *statement.parameters)
        return [
            Reference(srid, rows, None if box[0] is None else (box[0], box[1], box[2], box[3]))
            for srid, rows, *box in found
        ]

    async def _system(self, srid: int) -> str | None:
        text = "SELECT auth_name, auth_srid, srtext FROM spatial_ref_sys WHERE srid = $1"
        with table_faults(self._name):
            found = await self._session.connection.fetchrow(text, srid)
        if found is None:
            return None
        authority, code, written = found
        return f"{authority}:{code}" if authority and code else written or None

    async def _end(self) -> None:
        await self._session.end()
        if self._session.connection is not None:
            with suppress(Exception):
                await self._session.connection.close(timeout=5)
