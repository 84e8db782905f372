"""Members whose rows all stand on earlier pages are not asked again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from guotu.model.division import split_dataset
from guotu.model.plan import Decision, ExpectedDataset, PlanStep
from guotu.model.question import Query, Question

BEFORE_PAGE = "BEFORE_PAGE"


def turned(steps: Sequence[PlanStep], question: Question) -> Sequence[PlanStep]:
    """Return the steps of a page: unsorted rows stand by owner, so that those before the last row's are done with."""
    if not isinstance(question, Query) or question.page is None or question.page.after is None or question.sort:
        return steps
    owner = question.page.after.owner
    return [_turned(step, owner) for step in steps]


def _turned(step: PlanStep, owner: str) -> PlanStep:
    expected = tuple(_without(item, owner) for item in step.expected)
    if expected == step.expected:
        return step
    if not any(item.keep for item in expected):
        reasons = sorted({item.reason for item in expected})
        return PlanStep(step.node, Decision.PRUNE, "+".join(reasons), expected=expected)
    left = {item.dataset for item in expected if item.keep}
    standbys = tuple(standby for standby in step.standbys if standby.dataset in left)
    return replace(step, expected=expected, standbys=standbys)


def _without(item: ExpectedDataset, owner: str) -> ExpectedDataset:
    done = item.keep and split_dataset(item.dataset)[0] < owner
    return replace(item, keep=False, reason=BEFORE_PAGE) if done else item
