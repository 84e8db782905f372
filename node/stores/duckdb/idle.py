"""Giving memory back when nothing is asked for a while."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager


class Idle:
    """Calls `relax` once nothing has run for `after` seconds; work that comes in between waits until it is done."""

    def __init__(self, relax: Callable[[], Awaitable[None]], after: float) -> None:
        self._relax = relax
        self._after = after
        self._running = 0
        self._closed = False
        self._timer: asyncio.TimerHandle | None = None
        self._relaxing: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def work(self) -> AsyncIterator[None]:
        """Hold while work runs."""
        self._stop_timer()
        while self._relaxing is not None:
            await asyncio.wait([self._relaxing])
        self._running += 1
        try:
            yield
        finally:
            self._running -= 1
            self._start_timer()

    async def close(self) -> None:
        """Stop waiting, and let what has begun come to its end."""
        self._closed = True
        self._stop_timer()
        if self._relaxing is not None:
            await asyncio.wait([self._relaxing])

    def _start_timer(self) -> None:
        self._stop_timer()
        if self._running == 0 and not self._closed:
            self._timer = asyncio.get_running_loop().call_later(self._after, self._begin)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _begin(self) -> None:
        if self._running == 0 and self._relaxing is None:
            self._relaxing = asyncio.get_running_loop().create_task(self._relax_once())

    async def _relax_once(self) -> None:
        try:
            await self._relax()
        finally:
            self._relaxing = None
