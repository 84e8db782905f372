"""Long work behind a stream: progress frames while it runs, then its result."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Generic, TypeVar

from guotu.v1 import progress_pb2

Result = TypeVar("Result")
Report = Callable[[str, int, int], None]
"""Told a stage, what is done of it and what there is to do; from any thread."""


class Work(Generic[Result]):
    """One piece of work. Slow readers see fewer frames of progress, never stale ones."""

    def __init__(self, begin: Callable[[Report], Awaitable[Result]]) -> None:
        """Take what does the work, told how to report."""
        self._begin = begin
        self._loop = asyncio.get_running_loop()
        self._newest: dict[str, progress_pb2.WorkProgress] = {}
        self._changed = asyncio.Event()

    async def frames(self) -> AsyncIterator[progress_pb2.WorkProgress | Result]:
        """Do the work; yield what is new of each stage, and last the result. Closing the iterator cancels the work."""
        work = asyncio.ensure_future(self._begin(self._report))
        work.add_done_callback(lambda _: self._changed.set())
        try:
            while not work.done() or self._newest:
                await self._changed.wait()
                self._changed.clear()
                fresh, self._newest = self._newest, {}
                for frame in fresh.values():
                    yield frame
            yield await work
        finally:
            if not work.done():
                work.cancel()
                await asyncio.gather(work, return_exceptions=True)

    def _report(self, stage: str, done: int, total: int) -> None:
        frame = progress_pb2.WorkProgress(stage=stage, done=done, total=total)
        self._loop.call_soon_threadsafe(self._put, frame)

    def _put(self, frame: progress_pb2.WorkProgress) -> None:
        self._newest[frame.stage] = frame
        self._changed.set()
