"""Work in two streams, while a processor is free for the second."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Generic, Self, TypeVar

T = TypeVar("T")


class Shared(Generic[T]):
    """An iterator that several draw from, one at a time; each item is for one of them."""

    def __init__(self, items: AsyncIterator[T]) -> None:
        self._items = items
        self._drawing = asyncio.Lock()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        async with self._drawing:
            return await anext(self._items)


class Streams:
    """Second streams of all questions at one node: as many as it has processors besides one."""

    def __init__(self, processors: int | None = None) -> None:
        """Take the number of processors (None: those that this process may use)."""
        self._spare = asyncio.Semaphore((processors or len(os.sched_getaffinity(0))) - 1)

    async def run(self, items: AsyncIterator[T], work: Callable[[AsyncIterator[T]], Awaitable[float]]) -> float:
        """Do work on items, in two streams if there is a processor to spare; returns the seconds of the longer one.

        `work` takes items as long as there are any, in their order, and returns the seconds that it counts.

        Raises:
            what the work raises; the other stream has ended then.
        """
        if self._spare.locked():
            return await work(items)
        async with self._spare:
            shared = Shared(items)
            streams = [asyncio.ensure_future(work(shared)) for _ in range(2)]
            try:
                return max(await asyncio.gather(*streams))
            finally:
                for stream in streams:
                    stream.cancel()
                await asyncio.wait(streams)
