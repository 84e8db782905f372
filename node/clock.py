"""The machine's clock; adapter of `guotu.model.ports.Clock`."""

from __future__ import annotations

import time


class SystemClock:
    """Time as the machine has it."""

    def now_ms(self) -> int:
        """Milliseconds since 1970-01-01 UTC."""
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        """Seconds that only go forward."""
        return time.monotonic()
