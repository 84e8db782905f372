"""Times of several ways to do one thing, taken in turns so that what disturbs the machine disturbs all of them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

WARM_UP = 2
"""Rounds that are run first and not counted."""


@dataclass(frozen=True, slots=True)
class Side:
    """One way to do it."""

    work: Callable[[], object]
    cpu_ms: Callable[[], float]
    """Processor time that everybody who takes part in the work has used so far, milliseconds."""


@dataclass(slots=True)
class Timing:
    """What one side took, by round."""

    rounds_ms: list[float] = field(default_factory=list)
    rounds_cpu_ms: list[float] = field(default_factory=list)

    @property
    def median_ms(self) -> float:
        """Median of the rounds."""
        return statistics.median(self.rounds_ms)

    @property
    def best_ms(self) -> float:
        """Fastest round."""
        return min(self.rounds_ms)

    @property
    def cpu_ms(self) -> float:
        """Mean processor time of a round, which a busy machine changes less than the time on the clock."""
        return statistics.fmean(self.rounds_cpu_ms)

    def take(self, side: Side) -> None:
        """Do it once; what it returns is thrown away outside the measured time."""
        used, started = side.cpu_ms(), time.perf_counter()
        result = side.work()
        self.rounds_ms.append((time.perf_counter() - started) * 1000)
        self.rounds_cpu_ms.append(side.cpu_ms() - used)
        del result


def alternate(sides: Mapping[str, Side], rounds: int, warm_up: int = WARM_UP) -> dict[str, Timing]:
    """Do each side once a round, in an order that turns round by round; return what they took."""
    order = list(sides)
    for _ in range(warm_up):
        for name in order:
            sides[name].work()
    times = {name: Timing() for name in order}
    for _ in range(rounds):
        for name in order:
            times[name].take(sides[name])
        order.reverse()
    return times
