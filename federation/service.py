"""The federated question service of one node; adapter of `guotu.model.ports.FeatureQuery`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from typing import TypeVar

import pyarrow as pa

from federation.boundaries import Boundaries
from federation.execution.answering import Answering
from federation.execution.breaker import Breaker
from federation.execution.deadline import Deadline
from federation.execution.layers import LayerWork
from federation.execution.members import Members, Work, member_options
from federation.execution.neighbours import Neighbours
from federation.execution.overlays import OverlayWork, about
from federation.execution.punctuality import Punctuality
from federation.execution.retrieval import Retrieval
from federation.execution.statistics import Statistics
from federation.planning.planner import Planner
from federation.selection import BoundSelection
from federation.validate import check_question, check_zone_source
from guotu.model.answer import Batch, Frame, MemberOutcome, Trailer
from guotu.model.boundary import Boundary
from guotu.model.collection import Collection
from guotu.model.errors import GuotuError, Internal, UnknownCollection
from guotu.model.ownership import left_to
from guotu.model.plan import Decision, Plan, PlanStep
from guotu.model.ports import Catalogue, FeatureStore, PeerClient
from guotu.model.question import (
    Cut,
    LayerOverlay,
    Nearest,
    Options,
    Overlay,
    Query,
    Question,
    Scope,
    Selection,
    Stats,
    ZoneSource,
)
from guotu.model.records import Extent

OverlayT = TypeVar("OverlayT", Overlay, LayerOverlay)
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

    def overlay(self, question: Overlay | LayerOverlay, timeout: float) -> AsyncIterator[Frame]:
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
        asked, plan, selection = await self._planned(question, deadline)
        work = self._work(asked, plan, selection, deadline)
        async with aclosing(self._answer(plan, asked.options, deadline, work)) as frames:
            async for frame in frames:
                yield frame

    async def _planned(self, question: Question, deadline: Deadline) -> tuple[Question, Plan, BoundSelection]:
        """Return a question with the boundary of its division in that one's place, its plan and its selection."""
        collection = self._collection(question.collection)
        check_question(question, collection)
        if isinstance(question, LayerOverlay):
            check_zone_source(question.zones, self._collection(question.zones.collection))
            question = replace(question, zones=self._planner.pinned(question.zones, question.options))
        if not question.selection.boundary:
            return question, *self._planner.plan(question, collection)
        found = await self.boundary(question.selection.boundary, question.options.cut, deadline.remaining())
        question = replace(question, selection=replace(question.selection, boundary="", within=found.wkb))
        plan, selection = self._planner.plan(question, collection)
        source = ", ".join(f"{dataset}@{version}" for dataset, version in found.cut.items())
        phrase = f"within {found.code} {found.name} ({source})"
        return question, replace(plan, boundary=found.cut, pushed_down=(phrase, *plan.pushed_down)), selection

    def _work(self, question: Question, plan: Plan, selection: BoundSelection, deadline: Deadline) -> Work:
        collection = self._collection(question.collection)
        match question:
            case Query(nearest=Nearest()):
                return Neighbours(question, collection, selection)
            case Query():
                return Retrieval(question, collection, selection)
            case Stats():
                return Statistics(question, collection, selection)
            case Overlay():
                key_rows = partial(self._key_rows, collection, deadline)
                return OverlayWork(_shared_out(question, plan), collection, selection, key_rows)
            case LayerOverlay():
                zones = self._collection(question.zones.collection)
                zone_rows = partial(self._zone_rows, question.zones, deadline)
                key_rows = partial(self._key_rows, collection, deadline)
                question = _shared_out(question, plan)
                return LayerWork(question, collection, zones, selection, self._planner.extent, zone_rows, key_rows)

    def _zone_rows(
        self,
        source: ZoneSource,
        deadline: Deadline,
        dataset: str,
        version: int,
        names: tuple[str, ...],
        window: Extent | None,
    ) -> AsyncIterator[pa.RecordBatch]:
        """Read columns of the zones of a dataset that meet a window; see `federation.execution.layers.ZoneRows`."""
        selection = Selection(filter=source.filter, bbox=window)
        options = Options(cut={dataset: version}, dataset=dataset)
        return self._rows(Query(source.collection, selection, names, options=options), deadline)

    def _key_rows(
        self, collection: Collection, deadline: Deadline, dataset: str, version: int
    ) -> AsyncIterator[pa.RecordBatch]:
        """Read the keys of a dataset; see `federation.execution.owned.KeyRows`."""
        options = Options(cut={dataset: version}, dataset=dataset)
        return self._rows(Query(collection.id, fields=(collection.key,), options=options), deadline)

    async def _rows(self, question: Query, deadline: Deadline) -> AsyncIterator[pa.RecordBatch]:
        """Yield the rows of a retrieval, from here or from whoever has them.

        Raises:
            IncompleteAnswer: not all of them came.
        """
        async with aclosing(self._ask(question, deadline.member_share())) as frames:
            async for frame in frames:
                if isinstance(frame, Batch):
                    yield frame.rows

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
        question, plan, _ = await self._planned(question, deadline)
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


def _shared_out(question: OverlayT, plan: Plan) -> OverlayT:
    """Return an overlay that tells whose features are whose, as far as its members' datasets may overlap.

    One dataset alone is asked for what it holds; a member was told by who asks it.
    """
    if question.left_to or question.options.dataset or question.options.scope is Scope.SELF:
        return question
    return replace(
        question, left_to=left_to({name: version for step in plan.steps for name, version in step.versions.items()})
    )
