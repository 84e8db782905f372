"""From what happened to a step to the outcomes of the datasets behind it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import structlog

from guotu.model import errors
from guotu.model.answer import MemberOutcome, Outcome, Trailer
from guotu.model.plan import Decision, ExpectedDataset, Plan, PlanStep

_log = structlog.get_logger(__name__)
NOT_NEEDED = "NOT_NEEDED"
LOST_MID_STREAM = "LOST_MID_STREAM"
STANDBY = "STANDBY"
"""Why a plan has a step at a node that does not own the dataset."""

_OUTCOME_OF: dict[type[errors.GuotuError], Outcome] = {
    errors.GuotuError: Outcome.FAILED,
    errors.DeadlineExceeded: Outcome.TIMED_OUT,
    errors.Unavailable: Outcome.UNREACHABLE,
    errors.Refused: Outcome.REFUSED,
    errors.Overloaded: Outcome.REFUSED,
}


@dataclass(frozen=True, slots=True)
class StepResult:
    """What became of one step."""

    step: PlanStep
    plan: Plan | None = None
    """By which whoever answers does so; None if nobody has begun."""
    elapsed_ms: float = 0.0
    trailer: Trailer | None = None
    failure: errors.GuotuError | None = None
    needed: bool = True
    """False if it was cancelled because the answer was complete, or had failed, without it."""
    delivered: frozenset[str] = frozenset()
    """Datasets of which rows were seen; an empty name if rows were merged from several."""

    def standby(self, dataset: str) -> str:
        """Return the node that answers for a dataset in its owner's place; empty if none does."""
        steps = () if self.plan is None else self.plan.steps
        return next((step.node for step in steps if step.reason == STANDBY and dataset in step.versions), "")

    @property
    def relieved(self) -> bool:
        """Tell whether others than the member answer."""
        return self.plan is not None and self.plan.node != self.step.node

    def saw(self, dataset: str) -> bool:
        """Tell whether rows of a dataset were, or may have been, seen."""
        return dataset in self.delivered or "" in self.delivered


def outcome_of(failure: errors.GuotuError, stale_registry: bool) -> Outcome:
    """Return the outcome that an error stands for."""
    outcome = next(_OUTCOME_OF[base] for base in type(failure).__mro__ if base in _OUTCOME_OF)
    if outcome is Outcome.UNREACHABLE and stale_registry:
        return Outcome.STALE_REGISTRY
    return outcome


def unreadable(node: str, failure: BaseException) -> errors.GuotuError:
    """Return the error that a fault of ours is, met while a member was read."""
    _log.error("member_failed", node=node, exc_info=failure)
    return errors.Internal(detail=f"the member could not be read: {type(failure).__name__}")


def outcomes_of(result: StepResult, plan: Plan) -> list[MemberOutcome]:
    """Return one outcome for each dataset expected through the step, and for those its node told of besides."""
    told = {member.dataset: member for member in result.trailer.completeness.members} if result.trailer else {}
    outcomes = []
    for expected in result.step.expected:
        reported = told.pop(expected.dataset, None)
        outcomes.append(_reported(reported, expected, result, plan) if reported else _assumed(expected, result, plan))
    return outcomes + [_via(member, result, plan) for member in told.values()]


def _reported(member: MemberOutcome, expected: ExpectedDataset, result: StepResult, plan: Plan) -> MemberOutcome:
    facts = replace(member, advertised_rows=expected.rows, advertised_territory_m2=expected.territory_m2)
    return _via(facts, result, plan)


def _via(member: MemberOutcome, result: StepResult, plan: Plan) -> MemberOutcome:
    """What we asked for ourselves is seen by our clock; what lies behind a member keeps what its parent saw."""
    if result.step.node in (member.node, plan.node):
        return replace(member, elapsed_ms=result.elapsed_ms)
    return replace(member, via=member.via or result.step.node)


def _assumed(expected: ExpectedDataset, result: StepResult, plan: Plan) -> MemberOutcome:
    outcome, reason, detail = _verdict(expected, result, plan)
    truncated = not outcome.whole and result.saw(expected.dataset)
    if truncated and result.failure is not None and outcome is not Outcome.TIMED_OUT:
        outcome, reason = Outcome.FAILED, LOST_MID_STREAM
    told = untold(expected, result.step, plan.node, (outcome, reason, detail))
    return replace(
        told,
        via=plan.node if outcome is Outcome.ANSWERED and result.relieved else told.via,
        elapsed_ms=result.elapsed_ms,
        truncated=truncated,
        replica=result.standby(expected.dataset) if outcome is Outcome.REPLICA else "",
    )


def untold(expected: ExpectedDataset, step: PlanStep, asker: str, verdict: tuple[Outcome, str, str]) -> MemberOutcome:
    """Return the outcome of a dataset that nobody told of; `verdict` is outcome, reason and detail."""
    owner = expected.dataset.split("/")[0]
    outcome, reason, detail = verdict
    return MemberOutcome(
        node=owner,
        dataset=expected.dataset,
        outcome=outcome,
        reason=reason,
        detail=detail,
        version=expected.version,
        advertised_rows=expected.rows,
        advertised_territory_m2=expected.territory_m2,
        via="" if step.node in (owner, asker) else step.node,
    )


def _verdict(expected: ExpectedDataset, result: StepResult, plan: Plan) -> tuple[Outcome, str, str]:
    if not expected.keep:
        return Outcome.PRUNED, expected.reason, ""
    if result.failure is not None:
        failure = result.failure
        return outcome_of(failure, plan.stale_registry), failure.reason, failure.english
    if not result.needed and result.saw(expected.dataset):
        outcome = Outcome.REPLICA if result.standby(expected.dataset) else Outcome.ANSWERED
        return outcome, "STOPPED_EARLY", "stopped when the answer was full"
    if not result.needed:
        return Outcome.PRUNED, NOT_NEEDED, "not asked for: the answer was decided without it"
    if result.step.decision is Decision.MISSING:
        outcome = Outcome.STALE_REGISTRY if plan.stale_registry else Outcome.UNREACHABLE
        return outcome, result.step.reason, result.step.detail
    return Outcome.FAILED, "NOT_ANSWERED", "the node that was asked did not tell of it"


def sorted_outcomes(results: Iterable[StepResult], plan: Plan) -> tuple[MemberOutcome, ...]:
    """Return the outcomes of all steps, sorted by dataset."""
    outcomes = [outcome for result in results for outcome in outcomes_of(result, plan)]
    return tuple(sorted(outcomes, key=lambda member: member.dataset))
