"""Times of several ways to do one thing, taken in turns so that what disturbs the machine disturbs all of them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

WARM_UP = 2
"""Rounds that are run first and not counted."""


@dataclass(frozen=True, slots=True)
class Timing:
    """Milliseconds that one side took, by round."""

    rounds_ms: tuple[float, ...]

    @property
    def median_ms(self) -> float:
        """Median of the rounds."""
        return statistics.median(self.rounds_ms)

    @property
    def best_ms(self) -> float:
        """Fastest round."""
        return min(self.rounds_ms)


def alternate(sides: Mapping[str, Callable[[], object]], rounds: int, warm_up: int = WARM_UP) -> dict[str, Timing]:
    """Call each side once a round, in an order that turns round by round; return the times by side.

    What a side returns is thrown away outside the measured time.
    """
    taken: dict[str, list[float]] = {name: [] for name in sides}
    order = list(sides)
    for _ in range(warm_up + rounds):
        for name in order:
            taken[name].append(elapsed_ms(sides[name]))
        order.reverse()
    return {name: Timing(tuple(times[warm_up:])) for name, times in taken.items()}


def elapsed_ms(work: Callable[[], object]) -> float:
    """Return how long a call takes, in milliseconds."""
    started = time.perf_counter()
    result = work()
    ended = time.perf_counter()
    del result
    return (ended - started) * 1000
