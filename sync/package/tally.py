"""Long work on files in a thread: counted, and given up when nobody waits for it any more."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import TypeVar

from sync.stages import to_the_end

Result = TypeVar("Result")
Progress = Callable[[str, int, int], None]
"""Told the stage, what is done in it and what there is to do; called from any thread."""


class Tally:
    """How far one stage is."""

    def __init__(self, progress: Progress, stage: str, total: int) -> None:
        self._progress, self._stage, self._total = progress, stage, total
        self._done = 0
        self._stopped = threading.Event()
        progress(stage, 0, total)

    def add(self, count: int) -> None:
        """Count what was done.

        Raises:
            InterruptedError: whoever waited for it has gone.
        """
        if self._stopped.is_set():
            raise InterruptedError(self._stage)
        self._done += count
        self._progress(self._stage, self._done, self._total)

    async def run(self, work: Callable[..., Result], *args: object) -> Result:
        """Run `work` in a thread; a caller who is cancelled still waits for its end, which the next `add` brings."""
        return await to_the_end(asyncio.to_thread(work, *args), self._stopped.set)
