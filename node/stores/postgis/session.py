"""One connection in the hands of one caller, and the work over it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from guotu.model.errors import StoreFailure
from node.stores.postgis.connection import Connection

T = TypeVar("T")


class Session:
    """Work of one caller. When the store closes, what is under way ends with StoreFailure."""

    def __init__(self, born: int) -> None:
        self.born = born
        """Number in the order in which sessions began; its snapshot is no older than those that ended before."""
        self.connection: Connection = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._stopped = False

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Do a piece of work; cancelling who waits cancels it, and what the server does for it.

        Raises:
            StoreFailure: the store was closed.
        """
        task = self.start(work)
        try:
            return await task
        except (asyncio.CancelledError, Exception):
            self._refuse_if_stopped()
            raise

    def start(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Begin a piece of work that is awaited later, or never.

        Raises:
            StoreFailure: the store was closed.
        """
        if self._stopped:
            work.close()
        self._refuse_if_stopped()
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(_look)
        task.add_done_callback(self._tasks.discard)
        return task

    def stop(self) -> None:
        """Make what is under way end with StoreFailure, and let nothing begin after it."""
        self._stopped = True
        for task in self._tasks:
            task.cancel()

    async def end(self) -> None:
        """Cancel what is still under way, and wait for that."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _refuse_if_stopped(self) -> None:
        if self._stopped:
            raise StoreFailure(detail="the store was closed") from None


def _look(task: asyncio.Task[Any]) -> None:
    """Take note of a fault, since nobody awaits work that was begun ahead and is no longer wanted."""
    if not task.cancelled():
        task.exception()
