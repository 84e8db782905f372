"""Which steps of a plan that was analysed are worth a look: lost, replaced, slow, or the slowest of their level."""

from __future__ import annotations

import statistics

from guotu.model.attempt import Ending
from guotu.model.plan import Decision, Plan, PlanStep

_SLOW_TIMES = 2.0
"""An attempt is slow if it took more than so many times the median of its siblings …"""
_SLOW_MS = 50.0
"""… and more than so long."""


def slow_ones(plan: Plan) -> set[int]:
    """Return the identities of the attempts that took much longer than those of the other steps."""
    asked = [attempt for step in plan.steps for attempt in step.attempts]
    if len(asked) < 2:
        return set()
    usual = statistics.median_low([attempt.busy_ms for attempt in asked])
    return {id(attempt) for attempt in asked if attempt.busy_ms > max(usual * _SLOW_TIMES, _SLOW_MS)}


def remarkable(plan: Plan) -> tuple[PlanStep, ...]:
    """Return the steps of one level that are worth a look."""
    slow = slow_ones(plan)
    slowest = max(plan.steps, key=_took, default=None)
    return tuple(step for step in plan.steps if step is slowest or _stands_out(step, slow))


def _stands_out(step: PlanStep, slow: set[int]) -> bool:
    if step.decision is Decision.MISSING or len(step.attempts) > 1:
        return True
    if any(attempt.ending is not Ending.ANSWERED or id(attempt) in slow for attempt in step.attempts):
        return True
    if step.plan is None:
        return False
    below = slow_ones(step.plan)
    return any(_stands_out(inner, below) for inner in step.plan.steps)


def _took(step: PlanStep) -> float:
    return max((attempt.busy_ms for attempt in step.attempts), default=0.0)


def steps_of(plan: Plan) -> int:
    """Return the number of steps at all levels."""
    return sum(1 + (0 if step.plan is None else steps_of(step.plan)) for step in plan.steps)
