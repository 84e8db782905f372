"""The federated question service of one node; adapter of `guotu.model.ports.FeatureQuery`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import replace

from federation.binning import with_edges
from federation.boundaries import Boundaries
from federation.estimate import ESTIMATE, MESSAGE, estimated, outcomes
from federation.execution.answering import Answering
from federation.execution.breaker import Breaker
from federation.execution.deadline import Deadline
from federation.execution.members import Members, Work, member_options
from federation.execution.neighbours import Neighbours
from federation.execution.overlays import OverlayWork, about
from federation.execution.punctuality import Punctuality
from federation.execution.retrieval import Retrieval
from federation.execution.statistics import Statistics
from federation.planning.planner import Planner
from federation.quantiles import Ranking
from federation.selection import BoundSelection
from federation.validate import check_question
from guotu.model.answer import Batch, Frame, Header, MemberOutcome, Notice, Trailer
from guotu.model.boundary import Boundary
from guotu.model.collection import Collection
from guotu.model.errors import GuotuError, Internal, UnknownCollection
from guotu.model.plan import Decision, Plan, PlanStep
from guotu.model.ports import Catalogue, FeatureStore, PeerClient
from guotu.model.question import Bins, Cut, Nearest, Options, Overlay, Quantiles, Query, Question, Stats

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
    ) -> None:
        """Take the parts; `nearest`: replicas that are nearer than the owner answer before it."""
        self._boundaries = boundaries
        self._planner = planner
        self._catalogue = catalogue
        self._store = store
        self._peers = peers
        self._request_id = request_id
        self._observe = observe
        self._punctuality = Punctuality()
        self._nearest = nearest

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

    def overlay(self, question: Overlay, timeout: float) -> AsyncIterator[Frame]:
        """Lay features over zones within `timeout` seconds; see FeatureQuery."""
        return self._ask(question, timeout)

    async def boundary(self, division: str, cut: Cut, timeout: float) -> Boundary:
        """Return the boundary of a division, by its code or name, within `timeout` seconds.

        Raises:
            InvalidQuestion, UnknownBoundary, IncompleteAnswer: as `Boundaries.resolve`.
        """
        return await self._boundaries.resolve(division, cut, timeout, self.query)

    async def _ask(self, question: Question, timeout: float) -> AsyncGenerator[Frame, None]:
        deadline = Deadline.after(timeout)
        question, found = await self._located(question, deadline)
        async with aclosing(self._frames(question, deadline)) as frames:
            async for frame in frames:
                if found is not None and isinstance(frame, Header):
                    plan = _located_plan(frame.plan, found)
                    frame = replace(frame, plan=plan, cut=plan.cut)
                yield frame

    async def _located(self, question: Question, deadline: Deadline) -> tuple[Question, Boundary | None]:
        """Check a question, and put the boundary of its division, which is returned too, in that one's place."""
        check_question(question, self._collection(question.collection))
        selection = question.selection
        if not selection.boundary:
            return question, None
        found = await self.boundary(selection.boundary, question.options.cut, deadline.remaining())
        return replace(question, selection=replace(selection, boundary="", within=found.wkb)), found

    async def _frames(self, question: Question, deadline: Deadline) -> AsyncGenerator[Frame, None]:
        match question:
            case Stats(quantiles=Quantiles() as wanted):
                ranking = Ranking(question, wanted, self._collection(question.collection), self._ask_stats, deadline)
                frames = ranking.frames()
            case Stats(estimate=True):
                frames = self._estimate(question, deadline)
            case Stats(bins=Bins(count=count) as bins) if count:
                collection = self._collection(question.collection)
                question = await with_edges(question, bins, collection, self._ask_stats, deadline)
                frames = self._planned(question, deadline)
            case _:
                frames = self._planned(question, deadline)
        async with aclosing(frames):  # type: ignore[type-var]
            async for frame in frames:
                yield frame

    def _ask_stats(self, question: Stats, timeout: float) -> AsyncIterator[Frame]:
        return self._planned(question, Deadline.after(timeout))

    async def _planned(self, question: Question, deadline: Deadline) -> AsyncGenerator[Frame, None]:
        """Plan a question and answer it."""
        collection = self._collection(question.collection)
        plan, selection = self._planner.plan(question, collection)
        work = _work(question, collection, selection)
        async with aclosing(self._answer(plan, question.options, deadline, work)) as frames:
            async for frame in frames:
                yield frame

    async def _estimate(self, question: Stats, deadline: Deadline) -> AsyncGenerator[Frame, None]:
        """Answer with an estimate: nobody is asked."""
        collection, division = self._collection(question.collection), question.selection.division
        plan, selection = self._planner.plan(question, collection)
        bounds = self._boundaries.bounds(division) if division else None
        advertised = self._planner.advertised(collection.id)
        rows = await asyncio.to_thread(estimated, plan, selection, collection, advertised, bounds)
        answering = Answering(plan, question.options, self._request_id(), deadline)
        yield answering.header(rows.schema)
        for notice in (*answering.opening_notices(), Notice(ESTIMATE, MESSAGE, plan.node)):
            yield notice
        answering.tally.digest(rows)
        yield Batch("", rows)
        told = replace(answering.completeness(), members=outcomes(plan))
        yield replace(answering.trailer(answering.tally.merged(rows.schema)), completeness=told)

    async def _answer(
        self, plan: Plan, options: Options, deadline: Deadline, work: Work
    ) -> AsyncGenerator[Frame, None]:
        answering = Answering(plan, options, self._request_id(), deadline)
        members = Members(self._store, self._peers, self._punctuality, work, answering, self._nearest)
        try:
            answering.begin(members.open)
            yield answering.header(work.schema)
            for notice in answering.opening_notices():
                yield notice
            async for frame in work.frames(answering):
                yield frame
            for stream in answering.streams:
                for notice in stream.notices:
                    yield notice
            trailer = answering.trailer(work.segments(answering))
            for member in trailer.completeness.members:
                self._observe(member)
            yield trailer
            answering.check(trailer.completeness)
        finally:
            await answering.close()

    def breakers(self) -> list[Breaker]:
        """Return the circuit breakers of all members that were asked; for metrics."""
        return self._punctuality.breakers()

    async def explain(self, question: Question, timeout: float) -> Plan:
        """Return the plan, with the plans of the nodes that it would ask.

        Raises:
            UnknownCollection, UnknownDataset, InvalidQuestion, InvalidFilter, UnknownField: the question is not valid.
            UnknownBoundary, IncompleteAnswer: the boundary of its division is not to be had.
        """
        deadline = Deadline.after(timeout)
        question, found = await self._located(question, deadline)
        plan, _ = self._planner.plan(question, self._collection(question.collection))
        plan = plan if found is None else _located_plan(plan, found)
        steps = await asyncio.gather(*[self._explain_step(step, question, deadline) for step in plan.steps])
        return replace(plan, steps=tuple(steps))

    async def _explain_step(self, step: PlanStep, question: Question, deadline: Deadline) -> PlanStep:
        if step.decision is not Decision.ASK:
            return step
        asked = about(question, step) if isinstance(question, Overlay) else question
        asked = replace(asked, options=member_options(question.options, step))
        try:
            below = await self._peers.explain(step.address, asked, deadline.member_share())
        except GuotuError as failure:
            return replace(step, detail=f"{step.detail}; its own plan is not known: {failure.english}")
        return replace(step, plan=below)

    async def analyze(self, question: Question, timeout: float) -> Trailer:
        """Answer a question, throw the rows away, return what happened.

        Raises:
            as `query`, except that a partial answer is reported, not raised.
        """
        frames = self._ask(question, timeout)
        trailer: Trailer | None = None
        try:
            async for frame in frames:
                trailer = frame if isinstance(frame, Trailer) else trailer
        except GuotuError:
            if trailer is None:
                raise
        if trailer is None:
            raise Internal(detail="the answer ended without a trailer")
        return trailer


def _located_plan(plan: Plan, found: Boundary) -> Plan:
    """Return a plan that tells of the boundary within which features are asked for."""
    source = ", ".join(f"{dataset}@{version}" for dataset, version in found.cut.items())
    phrase = f"within {found.code} {found.name} ({source})"
    return replace(plan, boundary=found.cut, pushed_down=(phrase, *plan.pushed_down))


def _work(question: Question, collection: Collection, selection: BoundSelection) -> Work:
    match question:
        case Query(nearest=Nearest()):
            return Neighbours(question, collection, selection)
        case Query():
            return Retrieval(question, collection, selection)
        case Stats():
            return Statistics(question, collection, selection)
        case Overlay():
            return OverlayWork(question, collection, selection)
