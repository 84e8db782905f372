"""Time that passes only while nobody has anything to do, and then at once: no machine is too busy for a deadline."""

from __future__ import annotations

import asyncio
import selectors
import time
from collections.abc import Callable
from typing import Any

import pytest

from federation.execution.punctuality import Punctuality

_LATE_S = 1e-4
"""How late timers are: a little, as anywhere, so that what is due after so long is not found a rounding too early."""


class IdleTime:
    """The clock of one event loop, and of the code that runs in it.

    It stands as long as something can go on, also in threads that the loop waits for; then it is put to when the next
    timer is due. So whoever needs no time is never late, however long the process stands still, and a silence of
    seconds takes none. What is done elsewhere, in another process or behind a socket, is not waited for: tests of that
    need a clock of another kind.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, patch: pytest.MonkeyPatch) -> None:
        """Take the place of the loop's time and of `time.monotonic`, until the patches are undone."""
        self._now = 1000.0
        self._selector: selectors.BaseSelector = loop._selector  # type: ignore[attr-defined]
        self._in_threads: set[asyncio.Future[Any]] = set()
        self._run_in_executor = loop.run_in_executor
        patch.setattr(loop, "_selector", self)
        patch.setattr(loop, "time", self)
        patch.setattr(loop, "run_in_executor", self._in_thread)
        patch.setattr(time, "monotonic", self)
        # A default is what the module found when it was read.
        patch.setattr(Punctuality.__init__, "__defaults__", (self,))

    def __call__(self) -> float:
        """Return the time, s."""
        return self._now

    def stand_still(self, seconds: float) -> None:
        """Let time pass though there is something to do, as where the process is held up."""
        self._now += seconds

    def select(self, timeout: float | None = None) -> Any:
        """Return what has come; if nothing has, and no thread is at work, let the time pass."""
        found = self._selector.select(0)
        if found or timeout == 0:
            return found
        if timeout is None or self._in_threads:
            return self._selector.select(None)
        self._now += timeout + _LATE_S
        return found

    def __getattr__(self, name: str) -> Any:
        return getattr(self._selector, name)

    def _in_thread(self, executor: Any, work: Callable[..., Any], *given: Any) -> asyncio.Future[Any]:
        future = self._run_in_executor(executor, work, *given)
        self._in_threads.add(future)
        future.add_done_callback(self._in_threads.discard)
        return future
