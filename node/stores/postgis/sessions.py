"""All work with the database: who reads, who writes, and how it ends."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import structlog

from guotu.model.errors import StoreFailure
from node.stores.postgis.connection import Connection, claim, connect
from node.stores.postgis.failures import database_faults, is_lost_connection
from node.stores.postgis.options import PostgisOptions
from node.stores.postgis.session import Session

_log = structlog.get_logger(__name__)
_END_S = 10.0
"""How long the server may take to end what it does for a session; then its connection is cut."""


class Sessions:
    """Hands out sessions: many that read, each in a snapshot of its own, one at a time that writes."""

    def __init__(
        self, pool: Any, writer: Connection, options: PostgisOptions, path: str, ended: Callable[[], None]
    ) -> None:
        self._pool = pool
        self._writer = writer
        self._options = options
        self._path = path
        self._ended = ended
        self._writing = asyncio.Lock()
        self._numbers = itertools.count(1)
        self._open: set[Session] = set()
        self._closed = False

    def now(self) -> int:
        """Return a number greater than that of all sessions so far, and less than that of those to come."""
        return next(self._numbers)

    def oldest(self) -> int:
        """Return the number of the session that has read longest; what comes next if nobody reads."""
        return min((session.born for session in self._open), default=self.now())

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Session]:
        """Hold a session in a REPEATABLE READ transaction; what still runs at its end is cancelled.

        Raises:
            StoreFailure: no connection is free, or the database is out of reach.
        """
        session = self._begin()
        try:
            with database_faults("开始读取 beginning to read"):
                await session.run(self._take(session))
            yield session
        finally:
            await self._finish(session)

    @asynccontextmanager
    async def write(self) -> AsyncIterator[Session]:
        """Hold the session for writing, after those who asked before; it has no transaction yet."""
        async with self._writing:
            session = self._begin()
            try:
                with database_faults("开始写入 beginning to write"):
                    session.connection = await session.run(self._live_writer())
                yield session
            finally:
                self._open.discard(session)
                await asyncio.shield(session.end())

    async def close(self) -> None:
        """End all sessions, then all connections."""
        self._closed = True
        for session in self._open:
            session.stop()
        await asyncio.gather(*(session.end() for session in tuple(self._open)))
        self._pool.terminate()
        self._writer.terminate()

    def _begin(self) -> Session:
        if self._closed:
            raise StoreFailure(detail="the store was closed")
        session = Session(self.now())
        self._open.add(session)
        return session

    async def _take(self, session: Session) -> None:
        """Take a connection and begin to read; one that turns out to be dead is replaced by another."""
        for attempt in range(self._options.connections + 1):
            session.connection = await self._acquired()
            try:
                await session.connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
                return
            except Exception as error:
                await self._let_go(session)
                if not is_lost_connection(error) or attempt == self._options.connections:
                    raise

    async def _acquired(self) -> Connection:
        try:
            return await self._pool.acquire(timeout=self._options.wait_s)
        except TimeoutError:
            raise StoreFailure(
                detail=f"{self._options.connections} 个数据库连接都在用，请稍后再试或调大 store.connections "
                f"all {self._options.connections} connections to the database are in use: "
                "try again, or raise store.connections"
            ) from None

    async def _live_writer(self) -> Connection:
        """Return the connection for writing; one that was lost is replaced, which needs the lock again."""
        try:
            if not self._writer.is_closed():
                await self._writer.execute("SELECT 1")
                return self._writer
        except Exception as error:
            if not is_lost_connection(error):
                raise
        self._writer.terminate()
        _log.warning("store_connects_again")
        self._writer = await connect(self._options, search_path=self._path)
        await claim(self._writer, self._options.start_s)
        return self._writer

    async def _finish(self, session: Session) -> None:
        """End a session, even if the caller is cancelled once more meanwhile."""
        ending = asyncio.create_task(self._end(session))
        await asyncio.shield(ending)

    async def _end(self, session: Session) -> None:
        try:
            await session.end()
            if session.connection is not None:
                with suppress(Exception):
                    await asyncio.wait_for(session.connection.execute("ROLLBACK"), _END_S)
                await self._let_go(session)
        finally:
            self._open.discard(session)
            self._ended()

    async def _let_go(self, session: Session) -> None:
        """Give a connection back; one whose transaction does not end is cut."""
        connection, session.connection = session.connection, None
        # The pool has taken back by itself a connection that died, and then answers no question about it.
        with suppress(Exception):
            if connection.is_in_transaction():
                connection.terminate()
        with suppress(Exception):
            await self._pool.release(connection, timeout=_END_S)
