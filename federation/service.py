"""The federated question service of one node; adapter of `guotu.model.ports.FeatureQuery`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, suppress
from dataclasses import replace
from pathlib import Path

from federation.binning import with_edges
from federation.boundaries import Boundaries, told_by, told_plan
from federation.drawing import draw
from federation.ending import Ending
from federation.estimate import estimate_frames
from federation.execution.answering import Answering
from federation.execution.deadline import Deadline
from federation.execution.members import Members, Work, member_options
from federation.execution.overlays import about
from federation.execution.punctuality import Punctuality
from federation.execution.retained import lacking, sentence
from federation.notary import Notary
from federation.paging.pages import Opened, opened
from federation.planning.planner import Planner
from federation.quantiles import Ranking
from federation.validate import check_options, check_question
from federation.works import Works
from federation.zone_checks import check_zone_source
from guotu.model.answer import Frame, MemberOutcome, Trailer
from guotu.model.boundary import Boundary
from guotu.model.collection import Collection
from guotu.model.division import is_division
from guotu.model.errors import (
    GuotuError,
    IncompleteAnswer,
    Internal,
    InvalidQuestion,
    UnknownCollection,
    VersionGone,
)
from guotu.model.plan import Decision, Plan, PlanStep
from guotu.model.ports import Catalogue, FeatureStore, PeerClient
from guotu.model.question import (
    Aggregate,
    AggregateFunction,
    Bins,
    CompletenessMode,
    Cut,
    LayerOverlay,
    Options,
    Overlay,
    Quantiles,
    Query,
    Question,
    Stats,
)
from guotu.model.tracing import NoTracing, Tracing

Observer = Callable[[MemberOutcome], None]
"""Told of every member's outcome; for metrics."""


class Federation:
    """Plans questions, fans them out, merges the answers."""

    def __init__(
        self,
        planner: Planner,
        catalogue: Catalogue,
        store: FeatureStore,
        peers: PeerClient,
        request_id: Callable[[], str],
        observe: Observer,
        boundaries: Boundaries,
        nearest: bool = False,
        notary: Notary | None = None,
        tracing: Tracing | None = None,
        scratch: Path | None = None,
    ) -> None:
        """Take the parts.

        `nearest`: replicas that are nearer than the owner answer before it. `notary` gives receipts to who asks for
        one; without it there are none. `scratch` is for what does not fit into memory (None: with the system's
        temporary files).
        """
        self._boundaries = boundaries
        self._planner = planner
        self._catalogue = catalogue
        self._store = store
        self._peers = peers
        self._request_id = request_id
        self._observe = observe
        self._notary = notary
        self._tracing = tracing or NoTracing()
        self._punctuality = Punctuality()
        self._nearest = nearest
        self._works = Works(self._collection, planner.extent, self._ask, scratch)

    def _collection(self, collection: str) -> Collection:
        found = self._catalogue.get(collection)
        if found is None:
            raise UnknownCollection(collection=collection)
        return found

    def query(self, question: Query, timeout: float) -> AsyncIterator[Frame]:
        """Answer a retrieval within `timeout` seconds; see FeatureQuery."""
        return self._ask(question, timeout)

    def stats(self, question: Stats, timeout: float) -> AsyncIterator[Frame]:
        """Answer a grouping question within `timeout` seconds; see FeatureQuery."""
        return self._ask(question, timeout)

    def overlay(self, question: Overlay | LayerOverlay, timeout: float) -> AsyncIterator[Frame]:
        """Lay features over zones within `timeout` seconds; see FeatureQuery."""
        return self._ask(question, timeout)

    async def boundary(self, division: str, cut: Cut, timeout: float, closed: bool = False) -> Boundary:
        """Return the boundary of a division, by its code or name, within `timeout` seconds; of a closed cut alone.

        Raises:
            InvalidQuestion, UnknownBoundary, BoundaryMissing: as `Boundaries.resolve`.
        """
        return await self._boundaries.resolve(division, cut, timeout, self.query, closed)

    async def _ask(self, question: Question, timeout: float) -> AsyncGenerator[Frame, None]:
        deadline = Deadline.after(timeout)
        collection = await self._checked(question)
        page = self._opened(question, collection)
        ending = Ending(question, page, self._notary)
        asked, found = await self._located(question if page is None else page.query, deadline)
        try:
            frames, work = await self._begun(asked, collection, deadline)
            async with aclosing(frames):  # type: ignore[type-var]
                async for frame in frames:
                    yield await ending.of(told_by(frame, found), work)
        except IncompleteAnswer as failure:
            raise await self._with_all_gone(failure, asked, deadline) from failure

    async def _checked(self, question: Question) -> Collection:
        """Check a question; returns its collection."""
        collection = self._collection(question.collection)
        await draw(question, self._collection)
        check_question(question, collection)
        if is_division(question.selection.division) and not question.options.relayed:
            self._boundaries.require(question.selection.division)
        return collection

    def _opened(self, question: Question, collection: Collection) -> Opened | None:
        """Return the page that a client asks for; None for all rows, and between nodes."""
        if not isinstance(question, Query) or question.page is None or question.page.owners:
            return None
        page = opened(question, question.page, collection, self._planner.node)
        check_options(page.query.options, collection)
        return page

    async def _located(self, question: Question, deadline: Deadline) -> tuple[Question, Boundary | None]:
        """Return a question with the boundary of its division, which is returned too, in that one's place."""
        selection, options = question.selection, question.options
        if not selection.boundary:
            return question, None
        found = await self.boundary(selection.boundary, options.cut, deadline.remaining(), options.closed)
        return replace(question, selection=replace(selection, boundary="", within=found.wkb)), found

    async def _begun(
        self, question: Question, collection: Collection, deadline: Deadline
    ) -> tuple[AsyncIterator[Frame], Work | None]:
        """Return the answer to come, and the work that it takes if that is one."""
        match question:
            case Stats(quantiles=Quantiles() as wanted):
                return Ranking(question, wanted, collection, self._ask_stats, deadline).frames(), None
            case Stats(estimate=True):
                return self._estimate(question, deadline), None
            case Stats(bins=Bins(count=count) as bins) if count:
                question = await with_edges(question, bins, collection, self._ask_stats, deadline)
                check_question(question, collection)
        return self._planned(question, deadline)

    def _ask_stats(self, question: Stats, timeout: float) -> AsyncIterator[Frame]:
        return self._planned(question, Deadline.after(timeout))[0]

    def _planned(self, question: Question, deadline: Deadline) -> tuple[AsyncIterator[Frame], Work]:
        """Plan a question; returns the answer to come, and the work that it takes."""
        collection, question = self._collection(question.collection), self._pinned(question)
        with self._tracing.span("plan", collection=collection.id) as span:
            plan, selection = self._planner.plan(question, collection)
            span.tell(steps=len(plan.steps), stale_registry=plan.stale_registry)
        work = self._works.of(question, plan, selection, deadline)
        return self._answer(plan, question.options, deadline, work), work

    def _pinned(self, question: Question) -> Question:
        """Return a question whose zones, if they are another layer's, have their versions."""
        if not isinstance(question, LayerOverlay):
            return question
        check_zone_source(question.zones, self._collection(question.zones.collection))
        return replace(question, zones=self._planner.pinned(question.zones, question.options))

    def _estimate(self, question: Stats, deadline: Deadline) -> AsyncIterator[Frame]:
        """Begin to answer with an estimate: nobody is asked."""
        collection, division = self._collection(question.collection), question.selection.division
        plan, selection = self._planner.plan(question, collection)
        answering = Answering(plan, question.options, self._request_id(), deadline)
        bounds = self._boundaries.bounds(division) if division else None
        return estimate_frames(answering, selection, collection, self._planner.advertised(collection.id), bounds)

    async def _with_all_gone(self, failure: IncompleteAnswer, question: Question, deadline: Deadline) -> GuotuError:
        """Return the failure to raise; where the cut names versions that are not retained, one that tells all of them.

        Answering stopped at the first; so all members are asked to count, which shows the others.
        """
        found = lacking(failure.completeness)
        if not (question.options.cut and found):
            return failure
        options = replace(question.options, completeness=CompletenessMode.ALLOW_PARTIAL, receipt=False)
        count = Aggregate(AggregateFunction.COUNT, "", "count")
        counted = Stats(question.collection, (count,), selection=question.selection, options=options)
        with suppress(GuotuError):
            _, trailer = await self.analyze(counted, deadline.remaining())
            found = lacking(trailer.completeness) or found
        told = VersionGone(gone=sentence(found))
        told.completeness = failure.completeness
        return told

    async def _answer(
        self, plan: Plan, options: Options, deadline: Deadline, work: Work
    ) -> AsyncGenerator[Frame, None]:
        answering = Answering(plan, options, self._request_id(), deadline)
        detour, nearest = self._planner.detour, self._nearest
        members = Members(self._store, self._peers, self._punctuality, work, answering, detour, self._tracing, nearest)
        try:
            answering.begin(members.open)
            yield answering.header(work.schema)
            for notice in answering.opening_notices():
                yield notice
            with self._tracing.span("merge", how=plan.merge) as span:
                async for frame in work.frames(answering):
                    yield frame
                span.tell(rows=answering.tally.rows, bytes=answering.tally.size_bytes)
            for notice in answering.notices():
                yield notice
            trailer = answering.trailer(work.segments(answering))
            for member in trailer.completeness.members:
                self._observe(member)
            yield trailer
            answering.check(trailer.completeness)
        finally:
            await answering.close()

    @property
    def punctuality(self) -> Punctuality:
        """Return how soon members usually answer: for metrics, and to forget those that left."""
        return self._punctuality

    async def explain(self, question: Question, timeout: float) -> Plan:
        """Return the plan, with the plans of the nodes that it would ask.

        Raises:
            UnknownCollection, UnknownDataset, InvalidQuestion, InvalidFilter, UnknownField: the question is not valid.
            UnknownBoundary, BoundaryMissing: the boundary of its division is not to be had.
        """
        await self._checked(question)
        if isinstance(question, Query) and question.page is not None:
            raise InvalidQuestion(part="page", detail="只能说明整个问题 a page is not explained, its whole question is")
        deadline = Deadline.after(timeout)
        question, found = await self._located(self._pinned(question), deadline)
        plan, _ = self._planner.plan(question, self._collection(question.collection))
        plan = plan if found is None else told_plan(plan, found)
        steps = await asyncio.gather(*[self._explain_step(step, question, deadline) for step in plan.steps])
        return replace(plan, steps=tuple(steps))

    async def _explain_step(self, step: PlanStep, question: Question, deadline: Deadline) -> PlanStep:
        if step.decision is not Decision.ASK:
            return step
        asked = about(question, step) if isinstance(question, Overlay) else question
        asked = replace(asked, options=member_options(question.options, step))
        step = replace(step, detour=tuple(part.node for part in self._planner.detour(step) if part.address))
        try:
            below = await self._peers.explain(step.address, asked, deadline.member_share())
        except GuotuError as failure:
            return replace(step, detail=f"{step.detail}; its own plan is not known: {failure.english}")
        return replace(step, plan=below)

    async def analyze(self, question: Question, timeout: float) -> tuple[Plan, Trailer]:
        """Answer a question, throw the rows away, return the plan with what became of its steps, and the trailer.

        Raises:
            as `query`, except that a partial answer is reported, not raised.
        """
        asked = replace(question, options=replace(question.options, analyze=True))
        frames = self._ask(asked, timeout)
        trailer: Trailer | None = None
        try:
            async for frame in frames:
                trailer = frame if isinstance(frame, Trailer) else trailer
        except GuotuError:
            if trailer is None:
                raise
        if trailer is None or trailer.plan is None:
            raise Internal(detail="the answer ended without a trailer")
        return trailer.plan, replace(trailer, plan=None)
