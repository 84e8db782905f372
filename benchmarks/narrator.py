"""What a long benchmark is at, on standard error."""

from __future__ import annotations

import time

from rich.console import Console


class Narrator:
    """Writes one line a step, with the seconds since the beginning."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False, markup=False, emoji=False, soft_wrap=True)
        self._started = time.perf_counter()

    def say(self, text: str) -> None:
        """Write a line."""
        self._console.print(f"[{time.perf_counter() - self._started:6.1f} s] {text}")
