"""All work with the engine: who reads, who writes, and how it ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import asynccontextmanager

import duckdb
import structlog

from guotu.model.errors import StoreFailure
from node.stores.duckdb.connection import Cursor, give_back_memory, has_room
from node.stores.duckdb.failures import fault_kind
from node.stores.duckdb.idle import Idle
from node.stores.duckdb.options import DuckDbOptions
from node.stores.duckdb.session import Session

_log = structlog.get_logger(__name__)


def _nothing() -> None:
    """Release nothing."""


class Sessions:
    """Hands out sessions: many that read, one at a time that writes."""

    def __init__(self, base: Cursor, options: DuckDbOptions, on_rest: Callable[[], None]) -> None:
        """Take the engine; `on_rest` is told, in the writer's thread, before the engine puts its file in order."""
        self._base = base
        self._options = options
        self._on_rest = on_rest
        self._readers = ThreadPoolExecutor(options.readers, "store-read")
        self._writer = ThreadPoolExecutor(1, "store-write")
        self._writing = asyncio.Lock()
        self._open: set[Session] = set()
        self._idle = Idle(self._relax, options.idle_seconds)
        self._closed = False

    @asynccontextmanager
    async def read(self, release: Callable[[], None] = _nothing) -> AsyncIterator[Session]:
        """Hold a session for reading; what still runs at its end is interrupted, then `release` is called."""
        async with self._idle.work(), self._session(self._readers, release) as session:
            yield session

    @asynccontextmanager
    async def write(self) -> AsyncIterator[Session]:
        """Hold the session for writing, after those who asked before."""
        async with self._idle.work(), self._writing, self._session(self._writer) as session:
            yield session

    async def close(self) -> None:
        """End all sessions, then the engine; the file is free for others on return."""
        await self._idle.close()
        self._closed = True
        await asyncio.gather(*(session.interrupt() for session in self._open))
        await asyncio.gather(*(self._end(session) for session in tuple(self._open)))
        for threads in (self._readers, self._writer):
            threads.shutdown()
        self._base.close()

    @asynccontextmanager
    async def _session(self, threads: Executor, release: Callable[[], None] = _nothing) -> AsyncIterator[Session]:
        if self._closed:
            raise StoreFailure(detail="the store was closed")
        session = Session(self._base.cursor(), threads, release)
        self._open.add(session)
        try:
            yield session
        finally:
            await self._end(session)

    async def _end(self, session: Session) -> None:
        """End a session, even if the caller is cancelled once more meanwhile."""
        ending = asyncio.get_running_loop().create_task(session.end())
        ending.add_done_callback(lambda _: self._open.discard(session))
        await asyncio.shield(ending)

    async def _relax(self) -> None:
        def rest(cursor: Cursor) -> None:
            if not has_room(self._options):
                _log.warning("store_log_kept", reason="the disk is nearly full")
                return
            self._on_rest()
            give_back_memory(cursor, self._options)

        async with self._session(self._writer) as session:
            try:
                await session.start(rest)
            except (duckdb.Error, OSError) as error:
                _log.warning("store_memory_kept", kind=fault_kind(error))
