"""The database, open: reading from snapshots of it, and changing it in transactions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any, TypeVar

import pyarrow as pa
import structlog

from guotu.model.errors import StoreFailure
from node.stores.postgis import catalogue
from node.stores.postgis.catalogue import Catalogue
from node.stores.postgis.connection import Connection, claim, connect, make_pool, require
from node.stores.postgis.failures import database_faults
from node.stores.postgis.garbage import Garbage, listed
from node.stores.postgis.migrations import prepare
from node.stores.postgis.options import PostgisOptions
from node.stores.postgis.sessions import Sessions
from node.stores.postgis.streams import Reading, batches

T = TypeVar("T")
Begin = Callable[[Connection, Catalogue], Awaitable[Reading]]
"""Makes ready for reading in a snapshot, of which the catalogue tells."""
_log = structlog.get_logger(__name__)


class Database:
    """Knows the catalogue by heart, as long as the database's epoch is the same, and drops tables that nobody reads."""

    def __init__(self, options: PostgisOptions, changed: Callable[[], None]) -> None:
        """Set what is told, in the event loop, of each change that may have been made."""
        self._options = options
        self._changed = changed
        self._sessions: Sessions | None = None
        self._known: Catalogue | None = None
        self._garbage = Garbage()
        self._sweeping: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Connect, making guotu's schema if there is none.

        Raises:
            StoreFailure: the database is out of reach, lacks PostGIS, is behind this release or ahead of it, or another
                node uses it.
        """
        writer = await connect(self._options)
        try:
            with database_faults("打开存储 opening the store"):
                path = await require(writer)
                await claim(writer, self._options.start_s)
                await prepare(writer)
                await writer.execute(f"SET search_path = {path}")
            pool = await make_pool(self._options, path)
        except BaseException:
            writer.terminate()
            raise
        self._sessions = Sessions(pool, writer, self._options, path, self._sweep_soon)

    async def close(self) -> None:
        """Disconnect; what is under way ends with StoreFailure. Closing again changes nothing."""
        if self._sessions is not None:
            sessions, self._sessions, self._known = self._sessions, None, None
            self._garbage = Garbage()
            await sessions.close()

    async def read(self, activity: str, work: Callable[[Connection], Coroutine[Any, Any, T]]) -> T:
        """Do some work in a snapshot; `activity` is what faults tell."""
        with database_faults(activity):
            async with self._open_sessions.read() as session:
                return await session.run(work(session.connection))

    async def catalogue(self) -> Catalogue:
        """Return what the database holds; read anew if it is not known how the last change ended."""
        known = self._known
        return await self.read("reading the catalogue", catalogue.read) if known is None else known

    async def change(self, activity: str, work: Callable[[Connection], Awaitable[T]]) -> T:
        """Change the database in one transaction; `activity` is what faults tell."""
        sessions = self._open_sessions
        async with sessions.write() as session:
            try:
                with database_faults(activity):
                    result, self._known, garbage = await session.run(_transaction(session.connection, work))
            except BaseException:
                # Who is cut off does not know whether it was done: a commit may have come through.
                self._known = None
                raise
            finally:
                self._changed()
            self._garbage.note(garbage, sessions.now())
        self._sweep_soon()
        return result

    async def stream(self, activity: str, begin: Begin) -> AsyncIterator[pa.RecordBatch]:
        """Yield the rows of a reading, from one snapshot; `activity` is what faults tell."""
        with database_faults(activity):
            async with self._open_sessions.read() as session:

                async def ready() -> Reading:
                    return await begin(session.connection, await self._snapshot(session.connection))

                async for batch in batches(session, await session.run(ready())):
                    yield batch

    @property
    def _open_sessions(self) -> Sessions:
        if self._sessions is None:
            raise StoreFailure(detail="the store is not open")
        return self._sessions

    async def _snapshot(self, connection: Connection) -> Catalogue:
        """Begin to read: the connection sees the database as it is now, and the catalogue returned tells of that."""
        known = self._known
        if known is not None and await catalogue.epoch(connection) == known.epoch:
            return known
        return await catalogue.read(connection)

    def _sweep_soon(self) -> None:
        """Drop tables that somebody read until now."""
        sessions = self._sessions
        if sessions is None or (self._sweeping is not None and not self._sweeping.done()):
            return
        if self._garbage.unread(sessions.oldest()):
            self._sweeping = asyncio.create_task(self._sweep(sessions))

    async def _sweep(self, sessions: Sessions) -> None:
        try:
            async with sessions.write() as session:
                with database_faults("dropping tables"):
                    tables = self._garbage.unread(sessions.oldest())
                    await session.run(self._garbage.sweep(session.connection, tables))
        except StoreFailure as failure:
            if self._sessions is sessions:
                _log.warning("store_tables_kept", detail=str(failure))


async def _transaction(
    connection: Connection, work: Callable[[Connection], Awaitable[T]]
) -> tuple[T, Catalogue, list[str]]:
    """Do all of some work or nothing; returns what it returns, and what the database holds after it."""
    async with connection.transaction():
        result = await work(connection)
        await catalogue.bump(connection)
        known, garbage = await catalogue.read(connection), await listed(connection)
    return result, known, garbage
