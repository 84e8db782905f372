"""A steady load: questions fall due at a fixed rate, whether or not those before were answered."""

from __future__ import annotations

import itertools
import os
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from benchmarks.fdw.variant import Variant
from guotu.model.answer import MemberOutcome

AT_ONCE = 64
"""Questions under way, at most."""
_MOST_EXAMPLES = 5
WHOLE = "whole"


@dataclass(frozen=True, slots=True)
class Told:
    """What came of a question."""

    answer: str
    """WHOLE, or what the answer is instead."""
    missing: tuple[MemberOutcome, ...] = ()
    """Whose part a partial answer lacks."""


class System(Protocol):
    """A system that is asked."""

    def ask(self, number: int, variant: Variant) -> Told:
        """Answer a question."""


@dataclass(slots=True)
class Answers:
    """What became of the questions of one load; seconds since they fell due, by question."""

    seconds: dict[str, list[float]] = field(default_factory=dict)
    told: Counter[str] = field(default_factory=Counter)
    missing: Counter[str] = field(default_factory=Counter)
    """In how many answers somebody's part is missing, by who and why."""
    partial: list[str] = field(default_factory=list)
    """The first answers that were partial, with all that is told of it."""
    load: float = 0.0
    """Of the machine, at the end: processes that ran or waited to, on average over a minute."""

    @property
    def all_ms(self) -> list[float]:
        """Return what all took, milliseconds."""
        return [value * 1000 for values in self.seconds.values() for value in values]

    @property
    def p50_ms(self) -> float:
        """Median."""
        return float(np.percentile(self.all_ms, 50))

    @property
    def p95_ms(self) -> float:
        """95th percentile."""
        return float(np.percentile(self.all_ms, 95))

    @property
    def worst_ms(self) -> float:
        """The latest answer."""
        return max(self.all_ms)

    @property
    def whole(self) -> bool:
        """Tell whether each question got a whole answer."""
        return set(self.told) == {WHOLE}

    def add(self, question: str, seconds: float, told: Told) -> None:
        """Count an answer."""
        self.seconds.setdefault(question, []).append(seconds)
        self.told[told.answer] += 1
        self.missing.update(f"{item.node} {item.outcome} {item.reason}" for item in told.missing)
        if told.missing and len(self.partial) < _MOST_EXAMPLES:
            whose = "; ".join(f"{item.node} {item.outcome} {item.reason}, {item.detail}" for item in told.missing)
            self.partial.append(f"{question} after {seconds * 1000:.0f} ms: {whose}")

    def document(self) -> dict[str, Any]:
        """Return the numbers."""
        return {
            "p50_ms": round(self.p50_ms, 1),
            "p95_ms": round(self.p95_ms, 1),
            "worst_ms": round(self.worst_ms, 1),
            "p50_ms_by_question": {
                name: round(float(np.percentile(values, 50)) * 1000, 1) for name, values in sorted(self.seconds.items())
            },
            "answers": dict(self.told),
            "missing": dict(self.missing),
            "partial": self.partial,
            "load": round(self.load, 1),
        }


def steady(system: System, variants: Sequence[Variant], rate: float, seconds: float) -> Answers:
    """Ask a system `rate` questions a second, one variant after the other, for so long; wait for all answers.

    What a question took is counted from when it fell due, so that one that had to wait for others tells so.
    """
    answers, begins = Answers(), time.perf_counter()

    def one(number: int, variant: Variant) -> tuple[str, float, Told]:
        due = begins + number / rate
        told = system.ask(number, variant)
        return variant.question, time.perf_counter() - due, told

    with ThreadPoolExecutor(AT_ONCE) as pool:
        asked = []
        for number, variant in zip(range(round(rate * seconds)), itertools.cycle(variants)):
            time.sleep(max(0.0, begins + number / rate - time.perf_counter()))
            asked.append(pool.submit(one, number, variant))
        for item in asked:
            answers.add(*item.result())
    answers.load = os.getloadavg()[0]
    return answers
