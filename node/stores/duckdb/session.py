"""One cursor, and the work in threads that uses it, one step after the other."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any, TypeVar

from guotu.model.errors import StoreFailure
from node.stores.duckdb.connection import Cursor

T = TypeVar("T")
_INTERRUPT_AGAIN_SECONDS = 0.002


class Session:
    """Work of one caller with the engine. Steps begin one after the other; the end may come at any time.

    At the end `release` is called, to let go of what steps hold of the cursor's result: as long as a result is held, so
    is the database file.
    """

    def __init__(self, cursor: Cursor, threads: Executor, release: Callable[[], None]) -> None:
        self._cursor = cursor
        self._release = release
        self._threads = threads
        self._step: Future[Any] | None = None
        self._stopped = False

    def start(self, work: Callable[[Cursor], T]) -> asyncio.Future[T]:
        """Begin a step in a thread.

        Raises:
            StoreFailure: the store was closed.
        """
        if self._stopped:
            raise StoreFailure(detail="the store was closed")
        step = self._threads.submit(self._run, work)
        self._step = step
        awaited = asyncio.wrap_future(step)
        awaited.add_done_callback(_look)
        return awaited

    async def interrupt(self) -> None:
        """Make the step under way end with StoreFailure, and let none begin after it."""
        self._stopped = True
        while self._step is not None and not self._step.done():
            # Again and again, because the engine forgets an interrupt that comes just before a statement begins.
            self._cursor.interrupt()
            await asyncio.sleep(_INTERRUPT_AGAIN_SECONDS)

    async def end(self) -> None:
        """Interrupt the step under way, for which nobody waits any more, and close the cursor."""
        if self._step is not None:
            self._step.cancel()  # it may still queue for a thread
        await self.interrupt()
        self._release()
        self._cursor.close()

    def _run(self, work: Callable[[Cursor], T]) -> T:
        try:
            if not self._stopped:
                return work(self._cursor)
        except Exception:
            if not self._stopped:
                raise
        raise StoreFailure(detail="the store was closed") from None


def _look(awaited: asyncio.Future[Any]) -> None:
    """Take note of a fault, since nobody awaits a step that was drawn ahead and is no longer wanted."""
    if not awaited.cancelled():
        awaited.exception()
