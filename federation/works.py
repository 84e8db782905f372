"""What each kind of question asks of its members, and what overlays read besides: zones and keys of others."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import pyarrow as pa

from federation.execution.deadline import Deadline
from federation.execution.layers import Extents, LayerWork
from federation.execution.members import Work
from federation.execution.neighbours import Neighbours
from federation.execution.overlays import OverlayWork
from federation.execution.retrieval import Retrieval
from federation.execution.statistics import Statistics
from federation.execution.streams import Streams
from federation.selection import BoundSelection
from guotu.model.answer import Batch, Frame
from guotu.model.collection import Collection
from guotu.model.ownership import left_to
from guotu.model.plan import Plan
from guotu.model.question import (
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
Ask = Callable[[Question, float], AsyncGenerator[Frame, None]]
"""Answers a question within so many seconds."""


@dataclass(frozen=True, slots=True)
class Works:
    """Makes the work of a question that was planned."""

    collection: Callable[[str], Collection]
    extents: Extents
    ask: Ask
    scratch: Path | None
    """For what does not fit into memory; None: with the system's temporary files."""
    streams: Streams = field(default_factory=Streams)

    def of(self, question: Question, plan: Plan, selection: BoundSelection, deadline: Deadline) -> Work:
        """Return what is asked of the members of a plan."""
        collection = self.collection(question.collection)
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
                zones = self.collection(question.zones.collection)
                zone_rows = partial(self._zone_rows, question.zones, deadline)
                key_rows = partial(self._key_rows, collection, deadline)
                question = _shared_out(question, plan)
                return LayerWork(
                    question,
                    collection,
                    zones,
                    selection,
                    self.extents,
                    zone_rows,
                    key_rows,
                    self.scratch,
                    self.streams,
                )

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
        options = Options(cut={dataset: version}, dataset=dataset, aside=True)
        return self._rows(Query(source.collection, selection, names, options=options), deadline)

    def _key_rows(
        self, collection: Collection, deadline: Deadline, dataset: str, version: int
    ) -> AsyncIterator[pa.RecordBatch]:
        """Read the keys of a dataset; see `federation.execution.owned.KeyRows`."""
        options = Options(cut={dataset: version}, dataset=dataset, aside=True)
        return self._rows(Query(collection.id, fields=(collection.key,), options=options), deadline)

    async def _rows(self, question: Query, deadline: Deadline) -> AsyncIterator[pa.RecordBatch]:
        """Yield the rows of a retrieval, from here or from whoever has them.

        Raises:
            IncompleteAnswer: not all of them came.
        """
        async with aclosing(self.ask(question, deadline.member_share())) as frames:
            async for frame in frames:
                if isinstance(frame, Batch):
                    yield frame.rows


def _shared_out(question: OverlayT, plan: Plan) -> OverlayT:
    """Return an overlay that tells whose features are whose, as far as its members' datasets may overlap.

    One dataset alone is asked for what it holds; a member was told by who asks it.
    """
    if question.left_to or question.options.dataset or question.options.scope is Scope.SELF:
        return question
    versions = {name: version for step in plan.steps for name, version in step.versions.items()}
    return replace(question, left_to=left_to(versions))
