"""An event loop in a thread of its own, for callers that have none."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from typing import Any, TypeVar

T = TypeVar("T")
_END_S = 15.0


class Bridge:
    """Runs coroutines for threads that wait; work goes on between their calls."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._closing = False
        self._thread = threading.Thread(target=self._loop.run_forever, name="database", daemon=True)
        self._thread.start()

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Do some work and return what it returns; to be called in any thread but the bridge's own.

        Raises:
            asyncio.CancelledError: the bridge was closed.
        """
        if self._closing:
            work.close()
            raise asyncio.CancelledError
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def each(self, stream: Callable[[], AsyncGenerator[T, None]]) -> Iterator[T]:
        """Yield what a stream yields; leaving early closes it."""
        items = stream()
        try:
            while True:
                try:
                    item = self.call(anext(items))
                except StopAsyncIteration:
                    return
                yield item
        finally:
            if not self._closing:
                self.call(items.aclose())

    def close(self, last: Coroutine[Any, Any, object]) -> None:
        """Do one more thing, for a bounded time, then end the thread; who still waits is told that it was cancelled."""
        self._closing = True
        self._loop.call_soon_threadsafe(self._loop.create_task, self._end(last))
        self._thread.join(_END_S)

    async def _end(self, last: Coroutine[Any, Any, object]) -> None:
        try:
            await asyncio.wait_for(last, _END_S / 2)
        finally:
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others:
                task.cancel()
            await asyncio.wait(others, timeout=_END_S / 4) if others else None
            self._loop.stop()
