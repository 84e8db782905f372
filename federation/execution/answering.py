"""One answer under way: its members, its outcomes, its end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace

import pyarrow as pa

from federation.execution.course import Course, bounded
from federation.execution.deadline import Deadline
from federation.execution.member import MemberStream
from federation.execution.outcomes import StepResult, sorted_outcomes
from federation.execution.retained import retained_by
from federation.execution.tally import Tally
from guotu.model.answer import Completeness, Frame, Header, MemberOutcome, Notice, Outcome, Segment, Trailer
from guotu.model.digest import result_digest
from guotu.model.errors import GuotuError, IncompleteAnswer, NobodyAnswered, UnknownVersion
from guotu.model.plan import Decision, Plan, PlanStep
from guotu.model.question import CompletenessMode, Options

STALE_REGISTRY = "STALE_REGISTRY"
_STALE_MESSAGE = (
    "注册中心不可达，依据最近一次完好的目录作答 the registry is out of reach; answered from the last good directory"
)

NO_DATASET = "NO_DATASET"

OpenStep = Callable[[PlanStep], AsyncIterator[Frame]]
"""Begins a step that is answered here, by a member, or by its standbys."""


@dataclass(slots=True)
class Answering:
    """The state of one answer."""

    plan: Plan
    options: Options
    request_id: str
    deadline: Deadline
    streams: list[MemberStream] = field(default_factory=list)
    tally: Tally = field(default_factory=Tally)
    started: float = field(default_factory=time.perf_counter)
    courses: dict[tuple[str, str], Course] = field(default_factory=dict)
    """By the node of the step and its first dataset; empty unless the question is analysed."""

    def begin(self, open_step: OpenStep) -> None:
        """Start all members side by side; none where the answer is bound to fail."""
        if self.waived:
            return
        for step in self.plan.steps:
            if step.decision in (Decision.LOCAL, Decision.ASK) or step.standbys:
                self.streams.append(MemberStream(step, open_step(step), self.deadline))

    def watched(self, step: PlanStep, frames: AsyncIterator[Frame], standby: bool = False) -> AsyncIterator[Frame]:
        """Return frames as they are, and note when they come if the question is analysed; see `Course.watch`."""
        if not self.options.analyze:
            return frames
        return self.courses.setdefault(_place(step), Course(self.started)).watch(frames, standby)

    @property
    def strict(self) -> bool:
        """Tell whether every member is required."""
        return self.options.completeness is CompletenessMode.REQUIRE_ALL

    @property
    def waived(self) -> bool:
        """Tell whether nobody is asked because a required member is known to be missing."""
        return self.strict and any(step.decision is Decision.MISSING and not step.covered for step in self.plan.steps)

    @property
    def involved(self) -> bool:
        """Tell whether anybody but pruned members is expected to contribute."""
        return any(step.decision is not Decision.PRUNE for step in self.plan.steps)

    @property
    def doomed(self) -> bool:
        """Tell whether a required member is known to be lost."""
        return self.strict and any(stream.failed for stream in self.streams)

    async def all_begin(self) -> bool:
        """Wait until each member has begun to answer, or failed; tells whether all begin."""
        await asyncio.gather(*[stream.begun.wait() for stream in self.streams])
        return not any(stream.failed for stream in self.streams)

    async def settle(self) -> None:
        """Learn, when an answer is full before its members have ended, whether its rows are those of all of them."""
        await asyncio.gather(*[stream.settle() for stream in self.streams])

    def header(self, schema: pa.Schema) -> Header:
        """Return the first frame."""
        return Header(self.request_id, self.plan.node, self.plan, self.plan.cut, schema)

    def opening_notices(self) -> list[Notice]:
        """Return what is known to be worth a warning before any row."""
        notices = []
        if self.plan.stale_registry:
            notices.append(Notice(STALE_REGISTRY, _STALE_MESSAGE, self.plan.node))
        if not self.plan.steps:
            told = f"所知范围内尚无人发布 {self.plan.collection} nobody in scope is known to have published it"
            notices.append(Notice(NO_DATASET, told, self.plan.node))
        return notices

    def notices(self) -> list[Notice]:
        """Return what members said that the caller should know."""
        return [notice for stream in self.streams for notice in stream.notices]

    def results(self) -> list[StepResult]:
        """Return what became of each step."""
        opened = {id(stream.step): stream.result() for stream in self.streams}
        return [opened.get(id(step)) or self._unopened(step) for step in self.plan.steps]

    def _unopened(self, step: PlanStep) -> StepResult:
        return StepResult(step, needed=step.decision is Decision.MISSING or not self.waived)

    def completeness(self) -> Completeness:
        """Return the outcomes of all members expected."""
        outcomes = sorted_outcomes(self.results(), self.plan)
        return Completeness(self.options.completeness, outcomes, self.plan.stale_registry, self.plan.directory_as_of_ms)

    def trailer(self, segments: tuple[Segment, ...]) -> Trailer:
        """Return the last frame."""
        return Trailer(
            completeness=self.completeness(),
            rows=self.tally.rows,
            size_bytes=self.tally.size_bytes,
            digest=result_digest(segments),
            segments=segments,
            elapsed_ms=(time.perf_counter() - self.started) * 1000,
            plan=self._happened() if self.options.analyze else None,
        )

    def _happened(self) -> Plan:
        """Return the plan with what became of each step."""
        steps = []
        for result in self.results():
            course = self.courses.get(_place(result.step))
            steps.append(result.step if course is None else course.told(result))
        return replace(self.plan, steps=bounded(steps))

    def check(self, completeness: Completeness) -> None:
        """Fail where the answer must not pass for one.

        Raises:
            NobodyAnswered: members were needed and not one answered.
            IncompleteAnswer: REQUIRE_ALL and one is missing.
            UnknownVersion: one dataset alone was asked, at a version that is not held.
        """
        failure = self._verdict(completeness)
        if failure is not None:
            failure.completeness = completeness
            raise failure

    def _verdict(self, completeness: Completeness) -> GuotuError | None:
        if completeness.complete:
            return None
        for member in completeness.members:
            if member.dataset == self.options.dataset and member.reason == UnknownVersion.reason:
                return UnknownVersion(dataset=member.dataset, version=member.version, retained=retained_by(member))
        if self.strict:
            return IncompleteAnswer(missing=completeness.missing_sentence())
        if not any(_answered(member) for member in completeness.members):
            return NobodyAnswered(missing=completeness.missing_sentence())
        return None

    async def close(self) -> None:
        """Stop all members."""
        await asyncio.gather(*[stream.cancel() for stream in self.streams], return_exceptions=True)


def _place(step: PlanStep) -> tuple[str, str]:
    """Return what tells a step from the others of its plan."""
    return step.node, step.expected[0].dataset


def _answered(member: MemberOutcome) -> bool:
    return member.outcome in (Outcome.ANSWERED, Outcome.REPLICA)
