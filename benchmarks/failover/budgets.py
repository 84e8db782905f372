"""Budgets of the failover benchmark: what clients may notice of one member of six that does not answer."""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.failover.load import Answers

MOST_RATIO, MOST_ADDED_MS = 1.2, 250.0
"""With a replica: so many times the healthy median, and so much more, for 95 of 100 answers."""
MOST_OVER_MS = 50.0
"""Without one: how much later than the deadline the latest answer may come."""
HEALTHY = "healthy"


def relieved(healthy: Answers, troubled: Answers) -> bool:
    """Tell whether replicas answered as they have to: whole, and soon enough."""
    return troubled.whole and troubled.p95_ms <= MOST_RATIO * healthy.p50_ms + MOST_ADDED_MS


def bounded(troubled: Answers, deadline_s: float) -> bool:
    """Tell whether each question was answered, at least in part, by its deadline."""
    return troubled.worst_ms <= deadline_s * 1000 + MOST_OVER_MS


def verdicts(
    alone: Mapping[str, Answers], replicated: Mapping[str, Answers], deadline_s: float
) -> dict[str, dict[str, bool]]:
    """Tell by trouble whether the budget is held, without and with a replica of the member."""
    healthy = replicated[HEALTHY]
    return {
        "alone": {name: bounded(found, deadline_s) for name, found in alone.items() if name != HEALTHY},
        "replicated": {name: relieved(healthy, found) for name, found in replicated.items() if name != HEALTHY},
    }
