"""A stream of frames that was begun, and of which one waits for the first that tells something."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from federation.execution.contact import begins
from guotu.model.answer import Frame, Trailer


class Opening:
    """Reads a stream up to its first rows or its trailer, in a task of its own; then it can be read on."""

    def __init__(self, frames: AsyncIterator[Frame], all_begin: Callable[[], Awaitable[bool]] | None = None) -> None:
        """Take a stream; of several at once, also what waits until all have begun or failed, and tells if all begin."""
        self._frames = frames
        self._all_begin = all_begin
        self.partial = False
        """Known once it has begun: some part is missing."""
        self._read: list[Frame] = []
        self._opened = time.monotonic()
        self._overtaken = False
        self.signed = asyncio.Event()
        """Set once there was any sign of life."""
        self.begun = asyncio.create_task(self._begin())
        """Ends with the first rows or the trailer (None: the stream ended without), or with what went wrong."""

    async def _begin(self) -> Frame | None:
        async for frame in self._frames:
            self.signed.set()
            if self._overtaken:
                await self._frames.aclose()  # type: ignore[attr-defined]
                return None
            self._read.append(frame)
            if begins(frame):
                self.partial = not await self._is_whole(frame)
                return frame
        return None

    async def _is_whole(self, first: Frame) -> bool:
        if isinstance(first, Trailer):
            return first.completeness.complete
        return self._all_begin is None or await self._all_begin()

    @property
    def waited_s(self) -> float:
        """Return how long ago it was opened, s."""
        return time.monotonic() - self._opened

    async def signs(self, seconds: float) -> bool:
        """Wait until so long after it was opened; tells whether there was a sign of life by then, or an end."""
        sign = asyncio.create_task(self.signed.wait())
        try:
            await self._by(seconds, sign, self.begun)
        finally:
            sign.cancel()
        return self.signed.is_set() or self.begun.done()

    async def begins(self, seconds: float) -> bool:
        """Wait until so long after it was opened; tells whether there were rows by then, or an end."""
        await self._by(seconds, self.begun)
        return self.begun.done()

    async def _by(self, seconds: float, *awaited: asyncio.Task[Any]) -> None:
        """Wait until one ends, or until so long after opening.

        If this node itself is late to notice that the time is over, what has come meanwhile is not read yet. So one
        waits for that long again, or a busy asker would take everybody for late.
        """
        until, first = max(seconds, self.waited_s), asyncio.FIRST_COMPLETED
        done, _ = await asyncio.wait(awaited, timeout=until - self.waited_s, return_when=first)
        if not done:
            await asyncio.wait(awaited, timeout=self.waited_s - until, return_when=first)

    async def frames(self) -> AsyncIterator[Frame]:
        """Yield all frames, from the first on.

        Raises:
            what the stream raises.
        """
        await self.begun
        for frame in self._read:
            yield frame
        async for frame in self._frames:
            yield frame

    def overtaken(self) -> None:
        """Stop reading, for somebody else answers; a sign of life is still waited for, since one learns from it."""
        self._overtaken = True
        if self.signed.is_set():
            self.begun.cancel()

    async def close(self) -> None:
        """Stop reading, which tells who sends."""
        self.begun.cancel()
        await asyncio.wait((self.begun,))
        if not self.begun.cancelled():
            self.begun.exception()  # nobody else may have asked for it
        await self._frames.aclose()  # type: ignore[attr-defined]
