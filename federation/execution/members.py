"""The members of an answer under way: how each step of its plan is opened."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby
from operator import attrgetter
from typing import Protocol, Self

import pyarrow as pa

from federation.execution.answering import Answering
from federation.execution.cause import Cause
from federation.execution.contact import Contact
from federation.execution.deadline import Deadline
from federation.execution.outcomes import STANDBY
from federation.execution.punctuality import Punctuality
from federation.execution.relief import Relief, StandIn, is_covered
from federation.execution.retained import telling_retained
from guotu.model.answer import Frame, Header, Segment, Trailer
from guotu.model.errors import Internal
from guotu.model.plan import Decision, Plan, PlanStep
from guotu.model.ports import FeatureStore, PeerClient
from guotu.model.question import CompletenessMode, Options, Scope
from guotu.model.tracing import Tracing


class Work(Protocol):
    """What a question asks of its members, and how their answers become the answer."""

    @property
    def schema(self) -> pa.Schema:
        """Return the schema of the answer."""

    @property
    def member_schema(self) -> pa.Schema:
        """Return the schema of what members send."""

    def here(self, store: FeatureStore, step: PlanStep) -> AsyncIterator[Frame]:
        """Begin to answer from a dataset that is held here."""

    def ask(self, peers: PeerClient, step: PlanStep, options: Options, seconds: float) -> AsyncIterator[Frame]:
        """Begin to ask a member for its part."""

    def relay(self, options: Options, step: PlanStep) -> Self:
        """Return the work of a node that is asked as the member of a step."""

    def segments(self, answering: Answering) -> tuple[Segment, ...]:
        """Return the runs of rows sent."""

    def frames(self, answering: Answering) -> AsyncIterator[Frame]:
        """Yield the rows of the answer."""


Detour = Callable[[PlanStep, frozenset[str]], tuple[PlanStep, ...]]
"""Returns the steps by which what lies behind a member is asked without it, and without others."""


@dataclass(frozen=True, slots=True)
class Members:
    """Opens the steps of one plan."""

    store: FeatureStore
    peers: PeerClient
    punctuality: Punctuality
    work: Work
    answering: Answering
    detour: Detour
    tracing: Tracing
    nearest: bool = False
    """Standbys that are nearer are asked before the owner."""
    avoided: frozenset[str] = frozenset()
    """Members that were found not to answer; nobody is asked through them."""

    def open(self, step: PlanStep) -> AsyncIterator[Frame]:
        """Begin a step; whoever is asked answers for all of it, or others do in its place."""
        if not step.relieved:
            return self._own(step)()
        if self.nearest:
            step = replace(step, standbys=self.punctuality.nearest_first(step.standbys))
        own, stand_in = self._own(step), partial(self._standing_in, step)
        around = partial(self.detour, step, self.avoided)
        plan, gives_way = self.answering.plan, self._gives_way(step)
        return Relief(step, own, stand_in, around, self.punctuality, plan, gives_way).frames()

    def _gives_way(self, step: PlanStep) -> Cause | None:
        """Return why the standbys of a step, which must cover all of it, are asked before its member; None if not."""
        if step.decision is not Decision.ASK or not step.covered:
            return None
        if step.draining:
            return Cause.draining()
        return self.punctuality.farther(step) if self.nearest else None

    def _own(self, step: PlanStep) -> Callable[[], AsyncIterator[Frame]]:
        if step.decision is Decision.LOCAL:
            return lambda: self.answering.watched(step, telling_retained(self._here(step), self.store))
        return lambda: self._asked(step)

    async def _here(self, step: PlanStep) -> AsyncIterator[Frame]:
        """Answer from a dataset that is held here."""
        (expected,) = step.expected
        with self.tracing.span("store", dataset=expected.dataset, version=expected.version) as span:
            async with aclosing(self.work.here(self.store, step)) as frames:  # type: ignore[type-var]
                async for frame in frames:
                    if isinstance(frame, Trailer):
                        span.tell(rows=frame.rows, bytes=frame.size_bytes, store_ms=frame.store_ms)
                    yield frame

    async def _asked(self, step: PlanStep) -> AsyncIterator[Frame]:
        """Ask a member and pass its frames on if its schema is ours; asking belongs to the member's own part."""
        deadline = self.answering.deadline

        def ask() -> AsyncIterator[Frame]:
            options = member_options(self.answering.options, step)
            asked = self.work.ask(self.peers, step, options, deadline.member_share())
            return self.answering.watched(step, asked)

        def alone() -> bool:
            return not is_covered(step, self.detour(step, self.avoided))

        contact = Contact(step, ask, deadline, self.punctuality, alone)
        async with aclosing(contact.frames()) as frames:  # type: ignore[type-var]
            async for frame in frames:
                if isinstance(frame, Header) and not frame.schema.equals(self.work.member_schema):
                    raise Internal(detail="the member's schema differs; its catalogue may be of another edition")
                yield frame

    def _standing_in(self, step: PlanStep, detour: tuple[PlanStep, ...]) -> StandIn:
        """Answer a member's part as it would: from those on the detour, and the standbys of the other datasets."""
        outer = self.answering
        options = replace(outer.options, completeness=CompletenessMode.ALLOW_PARTIAL, dataset="")
        plan = stand_in_plan(outer.plan, step, detour)
        inner = Answering(plan, options, outer.request_id, Deadline.after(outer.deadline.member_share()))
        work, avoided = self.work.relay(options, step), self.avoided | {step.node}
        frames = replace(self, work=work, answering=inner, avoided=avoided)._all()
        return StandIn(outer.watched(step, frames, standby=True), inner.all_begin)

    async def _all(self) -> AsyncIterator[Frame]:
        """Answer by the plan, as a member does."""
        inner, work = self.answering, self.work
        try:
            inner.begin(self.open)
            yield inner.header(work.schema)
            async for frame in work.frames(inner):
                yield frame
            for notice in inner.notices():
                yield notice
            yield inner.trailer(work.segments(inner))
        finally:
            await inner.close()


def member_options(options: Options, step: PlanStep) -> Options:
    """Return how a member is asked: with the scope of its step, at the versions known here; a standby for one dataset.

    It reports its outcomes, and what they mean is decided here. It answers for what is expected of it and nothing else:
    what it learns of since is not in the cut, and no dataset is counted twice where its directory shows more behind it
    than ours.
    """
    return replace(
        options,
        scope=step.scope,
        completeness=CompletenessMode.ALLOW_PARTIAL,
        cut=dict(step.versions),
        dataset=step.stands_for or options.dataset,
        closed=True,
        receipt=False,
        relayed=True,
    )


def stand_in_plan(plan: Plan, step: PlanStep, detour: tuple[PlanStep, ...] = ()) -> Plan:
    """Return the plan by which others answer: one step a dataset that has standbys, then those of the detour."""
    kept = {item.dataset: item for item in step.expected if item.keep}
    passed = {name for part in detour for name in part.versions}
    steps = []
    for dataset, group in groupby(step.standbys, key=attrgetter("dataset")):
        if dataset in passed:
            continue
        first, *rest = group
        steps.append(
            PlanStep(
                node=first.node,
                decision=Decision.ASK if first.address else Decision.LOCAL,
                reason=STANDBY,
                detail=f"in place of {step.node}",
                address=first.address,
                scope=Scope.SELF,
                expected=(kept[dataset],),
                standbys=tuple(rest),
            )
        )
    return replace(plan, steps=(*steps, *detour))
