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
    """Work of one caller with the engine. Steps must be awaited in turn; stopping may come at any time."""

    def __init__(self, cursor: Cursor, threads: Executor) -> None:
        self._cursor = cursor
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

    def _run(self, work: Callable[[Cursor], T]) -> T:
        try:
            return work(self._cursor)
        except Exception:
            if self._stopped:  # the engine was interrupted, so its fault is no fault
                raise StoreFailure(detail="the store was closed") from None
            raise

    async def stop(self) -> None:
        """Interrupt the step under way, wait for its end and close the cursor; once done, nothing happens again."""
        self._stopped = True
        while self._step is not None and not self._step.cancel() and not self._step.done():
            # Again and again, because the engine forgets an interrupt that comes just before a statement begins.
            self._cursor.interrupt()
            await asyncio.sleep(_INTERRUPT_AGAIN_SECONDS)
        self._cursor.close()


def _look(awaited: asyncio.Future[Any]) -> None:
    """Take note of a fault, since nobody awaits a step that was drawn ahead and is no longer wanted."""
    if not awaited.cancelled():
        awaited.exception()
