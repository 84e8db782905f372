"""Bandwidth: a token bucket that all fetches draw from."""

from __future__ import annotations

import asyncio

from guotu.model.ports import Clock

_BURST_S = 0.25


class Bandwidth:
    """Lets bytes pass at a rate; who takes more than there is waits until it is paid back."""

    def __init__(self, clock: Clock, bytes_per_s: float) -> None:
        """Set the rate; 0 for no limit."""
        self._clock = clock
        self._rate = bytes_per_s
        self._tokens = self._most = bytes_per_s * _BURST_S
        self._as_of = clock.monotonic()

    @property
    def is_limited(self) -> bool:
        """Tell whether there is a limit."""
        return self._rate > 0

    async def take(self, count: int) -> None:
        """Take `count` bytes, and wait as long as the rate asks for."""
        wait = self.charge(count)
        if wait > 0:
            await asyncio.sleep(wait)

    def charge(self, count: int) -> float:
        """Take `count` bytes; return the seconds to wait."""
        if not self._rate:
            return 0.0
        now = self._clock.monotonic()
        self._tokens = min(self._most, self._tokens + (now - self._as_of) * self._rate) - count
        self._as_of = now
        return max(0.0, -self._tokens / self._rate)
