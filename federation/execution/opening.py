"""A stream of frames that was begun, and of which one waits for the first that tells something."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from federation.execution.contact import begins
from guotu.model.answer import Frame
from guotu.model.errors import DeadlineExceeded


class Opening:
    """Reads a stream up to its first rows or its trailer, in a task of its own; then it can be read on."""

    def __init__(self, frames: AsyncIterator[Frame]) -> None:
        self._frames = frames
        self._read: list[Frame] = []
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
                return frame
        return None

    async def signs(self, seconds: float, node: str) -> None:
        """Wait for a sign of life.

        Raises:
            DeadlineExceeded: there was none within `seconds`.
        """
        sign = asyncio.create_task(self.signed.wait())
        try:
            await asyncio.wait((sign, self.begun), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            sign.cancel()
        if not self.signed.is_set() and not self.begun.done():
            raise DeadlineExceeded(node=node, seconds=round(seconds, 3))

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
