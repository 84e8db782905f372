"""A power switch: from the moment of a crash nothing that was not durable counts, and no clean-up runs either."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator
from typing import Any


class PowerCut(BaseException):
    """The machine has gone; nothing in it may catch this and go on."""


class PowerSwitch:
    """Cuts the power of one node at a chosen checkpoint; what it guards then refuses everything."""

    def __init__(self) -> None:
        self.off = False
        self.steps: list[str] = []
        """Checkpoints passed, in order."""
        self._cut_after: int | None = None

    def arm(self, checkpoints: int) -> None:
        """Cut the power at the checkpoint that comes after so many others."""
        self._cut_after = len(self.steps) + checkpoints

    def disarm(self) -> None:
        """Leave the power on."""
        self._cut_after = None

    def checkpoint(self, step: str) -> None:
        """Pass a checkpoint."""
        self.check()
        if self._cut_after is not None and len(self.steps) >= self._cut_after:
            self.off = True
        self.steps.append(step)
        self.check()

    def check(self) -> None:
        """Refuse, if the power is off."""
        if self.off:
            raise PowerCut

    def guard(self, part: Any) -> Any:
        """Return a store that works only as long as there is power."""
        return _Guarded(part, self)


class _Guarded:
    def __init__(self, part: Any, switch: PowerSwitch) -> None:
        self._part, self._switch = part, switch

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._part, name)
        if inspect.isasyncgenfunction(method):
            return lambda *words, **named: self._stream(method(*words, **named))
        if inspect.iscoroutinefunction(method):
            return lambda *words, **named: self._call(method, *words, **named)
        return method

    async def _call(self, method: Any, *words: Any, **named: Any) -> Any:
        self._switch.check()
        result = await method(*words, **named)
        self._switch.check()
        return result

    async def _stream(self, items: AsyncIterator[Any]) -> AsyncIterator[Any]:
        async for item in items:
            self._switch.check()
            yield item
