"""Why a member does not answer, and what that makes of the datasets behind it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from federation.execution.outcomes import outcome_of, untold
from guotu.model import errors
from guotu.model.answer import Completeness, MemberOutcome, Outcome, Trailer
from guotu.model.plan import ExpectedDataset, PlanStep
from guotu.model.question import Scope

LATE = "LATE"
BYPASSED = "BYPASSED"
"""Why a member was asked by another node than its parent: the parent did not answer."""
DRAINING = "DRAINING"
FARTHER = "FARTHER"
_TOLD = (LATE, DRAINING, FARTHER, errors.Overloaded.reason, errors.CircuitOpen.reason)
"""Reasons that say more than the outcome does."""
OWNER = "OWNER_"
"""How the reason of a replica's outcome begins: then comes what was wrong with the owner."""
_RELIEVED = (
    errors.Unavailable,
    errors.DeadlineExceeded,
    errors.Internal,
    errors.Overloaded,
    errors.UnknownDataset,
    errors.UnknownVersion,
)
"""Errors after which a standby may answer: not where the member may not answer, or where the question is at fault."""
_OF_DATA = (errors.UnknownDataset.reason, errors.UnknownVersion.reason)
_UNTOLD = (Outcome.TIMED_OUT, Outcome.UNREACHABLE, Outcome.FAILED, Outcome.STALE_REGISTRY)


@dataclass(frozen=True, slots=True)
class Cause:
    """Why somebody else is asked in a member's place."""

    outcome: Outcome
    reason: str
    detail: str

    @property
    def of_member(self) -> bool:
        """Tell whether other questions to the member may well end so, too; not if it lacks a dataset or a version."""
        return self.reason not in _OF_DATA

    @classmethod
    def of_error(cls, failure: errors.GuotuError, stale_registry: bool) -> Cause | None:
        """Return the cause that an error is; None if nobody may take the member's place."""
        if not isinstance(failure, _RELIEVED):
            return None
        return cls(outcome_of(failure, stale_registry), failure.reason, failure.english)

    @classmethod
    def of_trailer(cls, trailer: Trailer, step: PlanStep) -> Cause | None:
        """Return why a member that answers for one dataset says that it could not; None if it could, or refused."""
        if step.scope is not Scope.SELF or len(step.expected) != 1:
            return None
        for member in trailer.completeness.members:
            if member.dataset == step.expected[0].dataset and member.outcome in _UNTOLD:
                return cls(member.outcome, member.reason, member.detail)
        return None

    @classmethod
    def of_missing(cls, step: PlanStep, stale_registry: bool) -> Cause:
        """Return why a member that is not registered cannot be asked."""
        outcome = Outcome.STALE_REGISTRY if stale_registry else Outcome.UNREACHABLE
        return cls(outcome, step.reason, step.detail)

    @classmethod
    def lateness(cls, seconds: float) -> Cause:
        """Return that a member has not begun to answer after so many seconds, more than it usually takes."""
        return cls(Outcome.TIMED_OUT, LATE, f"no answer after {seconds:.2f} s")

    @classmethod
    def draining(cls) -> Cause:
        """Return that a member is being drained."""
        return cls(Outcome.UNREACHABLE, DRAINING, "it is being drained")

    @classmethod
    def farther(cls, seconds: float) -> Cause:
        """Return that a member, which takes so long to give a sign of life, is farther than a replica; 0: not known."""
        detail = f"a replica is nearer than {seconds * 1000:.1f} ms" if seconds else "a replica lies here"
        return cls(Outcome.UNREACHABLE, FARTHER, detail)

    def completeness(
        self, told: Completeness, step: PlanStep, asker: str, detour: tuple[PlanStep, ...] = ()
    ) -> Completeness:
        """Return the outcomes of a member's datasets after others were asked: replicas, and what is still missing.

        `detour` are the steps by which some were asked for without the member, not of standbys.
        """
        passed = {name for part in detour for name in part.versions}
        found = {member.dataset: member for member in told.members}
        kept = [item for item in step.expected if item.keep]
        outcomes = [
            self._bypassed(found[item.dataset], step, asker)
            if item.dataset in passed
            else self._outcome(item, found.get(item.dataset), step, asker)
            for item in kept
        ]
        return replace(told, members=tuple(outcomes))

    def _bypassed(self, member: MemberOutcome, step: PlanStep, asker: str) -> MemberOutcome:
        told = replace(member, via=member.via or asker)
        if member.outcome is not Outcome.ANSWERED:
            return told
        return replace(told, reason=BYPASSED, detail=f"asked without {step.node}, {self.outcome}: {self.detail}")

    def _outcome(
        self, item: ExpectedDataset, member: MemberOutcome | None, step: PlanStep, asker: str
    ) -> MemberOutcome:
        if member is not None and member.outcome.whole:
            why = self.reason if self.reason in _TOLD else self.outcome
            return replace(member, reason=f"{OWNER}{why}", detail=self.detail, via=member.replica)
        if member is not None and member.truncated:
            return member
        return untold(item, step, asker, (self.outcome, self.reason, self._with_standbys(member, asker)))

    def _with_standbys(self, member: MemberOutcome | None, asker: str) -> str:
        """Return the detail, and why no standby answered for a dataset either, if there is any."""
        if member is None or member.outcome is Outcome.PRUNED:
            return self.detail
        return f"{self.detail}; its replica at {member.via or asker}: {member.reason}, {member.detail}"
