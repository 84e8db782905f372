"""Stages: long work off the event loop, timed, told of, and stopped when nobody waits for it any more."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from guotu.model.ports import Clock
from sync.datafile import Advance

Progress = Callable[[str, int, int], None]
"""Told the stage, the rows done in it and the rows to do; always called in the event loop's thread."""
Result = TypeVar("Result")


class Stages:
    """The stages of one publish."""

    def __init__(self, clock: Clock, progress: Progress) -> None:
        self.seconds: dict[str, float] = {}
        """Time of each stage so far."""
        self._clock = clock
        self._progress = progress
        self._stopped = threading.Event()

    async def compute(self, stage: str, total: int, work: Callable[[Advance], Result]) -> Result:
        """Run `work` in a thread. If the caller is cancelled, `work` stops when it next tells of progress."""
        loop, done = asyncio.get_running_loop(), 0

        def advance(rows: int) -> None:
            nonlocal done
            if self._stopped.is_set():
                raise InterruptedError(stage)
            done += rows
            loop.call_soon_threadsafe(self._progress, stage, done, total)

        thread = asyncio.to_thread(work, advance)
        return await self.wait(stage, total, to_the_end(thread, self._stopped.set))

    async def follow(self, stage: str, total: int, work: Callable[[Advance], Awaitable[Result]]) -> Result:
        """Await `work` as a stage; it tells how far it is, in any thread, and ends even if the caller is cancelled."""
        loop, done = asyncio.get_running_loop(), 0

        def advance(rows: int) -> None:
            nonlocal done
            done += rows
            loop.call_soon_threadsafe(self._progress, stage, min(done, total), total)

        return await self.wait(stage, total, to_the_end(work(advance)))

    async def off(self, work: Callable[..., Result], *words: object) -> Result:
        """Run `work` in a thread; it ends even if the caller is cancelled."""
        return await to_the_end(asyncio.to_thread(work, *words))

    @asynccontextmanager
    async def told(self, stage: str, total: int) -> AsyncIterator[Callable[[int], None]]:
        """Account for what is done inside as a stage, which tells the rows done so far."""
        start = self._clock.monotonic()
        self._progress(stage, 0, total)
        try:
            yield lambda rows: self._progress(stage, rows, total)
        finally:
            self._account(stage, start)
        self._progress(stage, total, total)

    async def wait(self, stage: str, total: int, work: Awaitable[Result]) -> Result:
        """Await `work` as a stage."""
        self._progress(stage, 0, total)
        result = await self.timed(stage, work)
        self._progress(stage, total, total)
        return result

    async def timed(self, stage: str, work: Awaitable[Result]) -> Result:
        """Await `work` on a stage's account."""
        start = self._clock.monotonic()
        try:
            return await work
        finally:
            self._account(stage, start)

    def _account(self, stage: str, start: float) -> None:
        self.seconds[stage] = self.seconds.get(stage, 0.0) + self._clock.monotonic() - start


@asynccontextmanager
async def closed_after(stream: AsyncIterator[Result]) -> AsyncIterator[None]:
    """Close a stream afterwards, so that what feeds it does not go on."""
    try:
        yield
    finally:
        if isinstance(stream, AsyncGenerator):
            await stream.aclose()


async def to_the_end(work: Awaitable[Result], on_cancel: Callable[[], None] = lambda: None) -> Result:
    """Await `work`; if the caller is cancelled, however often, `work` still ends before the cancellation goes on."""
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:
            cancelled = error
            on_cancel()
    if cancelled is None:
        return task.result()
    if not task.cancelled():
        task.exception()
    raise cancelled
