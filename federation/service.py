"""The federated question service of one node; adapter of `guotu.model.ports.FeatureQuery`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from typing import TypeVar

import pyarrow as pa

from federation.execution.answering import Answering
from federation.execution.deadline import Deadline
from federation.execution.layers import LayerWork
from federation.execution.members import Members, Work, member_options
from federation.execution.overlays import OverlayWork, about
from federation.execution.punctuality import Punctuality
from federation.execution.retrieval import Retrieval
from federation.execution.statistics import Statistics
from federation.planning.planner import Planner
from federation.validate import check_question, check_zone_source
from guotu.model.answer import Batch, Frame, MemberOutcome, Trailer
from guotu.model.collection import Collection
from guotu.model.errors import GuotuError, Internal, UnknownCollection
from guotu.model.ownership import left_to
from guotu.model.plan import Decision, Plan, PlanStep
from guotu.model.ports import Catalogue, FeatureStore, PeerClient
from guotu.model.question import (
    LayerOverlay,
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
    ) -> None:
        self._planner = planner
        self._catalogue = catalogue
        self._store = store
        self._peers = peers
        self._request_id = request_id
        self._observe = observe
        self._punctuality = Punctuality()

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

    async def _ask(self, question: Question, timeout: float) -> AsyncGenerator[Frame, None]:
        plan, work = self._prepared(question, timeout)
        async with aclosing(self._answer(plan, question.options, timeout, work)) as frames:
            async for frame in frames:
                yield frame

    def _prepared(self, question: Question, timeout: float) -> tuple[Plan, Work]:
        """Check and plan a question; return the plan and what is asked of its members.

        Raises: as `explain`.
        """
        collection = self._collection(question.collection)
        check_question(question, collection)
        if isinstance(question, LayerOverlay):
            question = self._pinned(question)
        plan, selection = self._planner.plan(question, collection)
        match question:
            case Query():
                return plan, Retrieval(question, collection, selection)
            case Stats():
                return plan, Statistics(question, collection, selection)
            case Overlay():
                key_rows = partial(self._key_rows, collection, Deadline.after(timeout))
                return plan, OverlayWork(_shared_out(question, plan), collection, selection, key_rows)
            case LayerOverlay():
                zones, deadline = self._collection(question.zones.collection), Deadline.after(timeout)
                zone_rows = partial(self._zone_rows, question.zones, deadline)
                key_rows = partial(self._key_rows, collection, deadline)
                question = _shared_out(question, plan)
                return plan, LayerWork(
                    question, collection, zones, selection, self._planner.extent, zone_rows, key_rows
                )

    def _pinned(self, question: LayerOverlay) -> LayerOverlay:
        zones = self._collection(question.zones.collection)
        check_zone_source(question.zones, zones)
        return replace(question, zones=self._planner.pinned(question.zones, question.options))

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

    async def _answer(self, plan: Plan, options: Options, timeout: float, work: Work) -> AsyncGenerator[Frame, None]:
        answering = Answering(plan, options, self._request_id(), Deadline.after(timeout))
        members = Members(self._store, self._peers, self._punctuality, work, answering)
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

    async def explain(self, question: Question, timeout: float) -> Plan:
        """Return the plan, with the plans of the nodes that it would ask.

        Raises:
            UnknownCollection, UnknownDataset, InvalidQuestion, InvalidFilter, UnknownField: the question is not valid.
        """
        if isinstance(question, LayerOverlay):
            question = self._pinned(question)
        plan, _ = self._prepared(question, timeout)
        deadline = Deadline.after(timeout)
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
