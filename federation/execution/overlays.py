"""Overlays: partial groups by zone of the members, merged exactly; shares are made where the question began."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from federation.execution.answering import Answering
from federation.execution.groups import merge_groups
from federation.execution.local import overlay_frames
from federation.execution.owned import KeyRows
from federation.execution.statistics import merging, parts_of
from federation.selection import BoundSelection
from guotu.model.answer import Batch, Frame, Segment
from guotu.model.collection import Collection
from guotu.model.overlay import AREA, COUNT, overlay_schema, scanned_fields
from guotu.model.plan import PlanStep
from guotu.model.ports import FeatureStore, PeerClient, Scan
from guotu.model.question import Aggregate, AggregateFunction, Options, Overlay
from guotu.model.shares import with_shares
from guotu.model.zones import ZONE, Zones

MERGED = (Aggregate(AggregateFunction.COUNT, "", COUNT), Aggregate(AggregateFunction.SUM, AREA, AREA))
_ROWS = 16_384


class OverlayWork:
    """What an overlay asks of its members, and how their groups become the answer."""

    def __init__(self, overlay: Overlay, collection: Collection, selection: BoundSelection, key_rows: KeyRows) -> None:
        self.collection = collection
        self.overlay = overlay
        self._selection = selection
        self._key_rows = key_rows
        self.schema = overlay_schema(collection, overlay.group_by, overlay.shares)
        self.member_schema = overlay_schema(collection, overlay.group_by, shares=False)
        fields = scanned_fields(collection, overlay.group_by)
        self.scan = Scan(fields, selection.expression, near=overlay.zones.boxes)

    def here(self, store: FeatureStore, step: PlanStep) -> AsyncIterator[Frame]:
        """Begin to answer from a dataset that is held here."""
        return overlay_frames(store, step, self.collection, self.scan, self.overlay, self._key_rows)

    def ask(self, peers: PeerClient, step: PlanStep, options: Options, seconds: float) -> AsyncIterator[Frame]:
        """Begin to ask a member about the zones that it may have a part in."""
        return peers.overlay(step.address, self._member_overlay(options, step), seconds)

    def relay(self, options: Options, step: PlanStep) -> OverlayWork:
        """Return the work of a node that is asked as a member."""
        return OverlayWork(self._member_overlay(options, step), self.collection, self._selection, self._key_rows)

    def _member_overlay(self, options: Options, step: PlanStep) -> Overlay:
        return replace(about(self.overlay, step), shares=False, options=options)

    def segments(self, answering: Answering) -> tuple[Segment, ...]:
        """Return the one run of groups: they are always merged here."""
        return answering.tally.merged(self.schema)

    async def frames(self, answering: Answering) -> AsyncIterator[Frame]:
        """Yield the groups, by zone, then sorted; those of a member count only once its trailer has come."""
        parts = await parts_of(answering, self.member_schema)
        if answering.doomed or (answering.involved and not parts):
            return
        answer = await merging(parts, partial(self._merged, parts))
        if self.overlay.shares:
            every = not self.overlay.group_by
            answer = await asyncio.to_thread(with_shares, answer, self.overlay.zones, every, self.schema)
        for batch in in_batches(answer):
            answering.tally.digest(batch.rows)
            yield batch

    def _merged(self, parts: list[pa.Table]) -> pa.Table:
        keys = (ZONE, *self.overlay.group_by)
        return _ordered(merge_groups(parts, keys, MERGED, self.member_schema), self.overlay.zones)


def in_batches(groups: pa.Table) -> Iterator[Batch]:
    """Yield merged groups in batches."""
    for rows in groups.combine_chunks().to_batches(max_chunksize=_ROWS):
        yield Batch("", rows)


def about(overlay: Overlay, step: PlanStep) -> Overlay:
    """Return an overlay with what a step's member has to know of the zones alone."""
    return overlay if step.zones is None else replace(overlay, zones=overlay.zones.part(step.zones))


def _ordered(groups: pa.Table, zones: Zones) -> pa.Table:
    """Bring groups that are sorted into the order of the zones; those of a zone stay as they are."""
    places = pc.index_in(groups[ZONE], zones.names)
    return groups.take(pa.array(np.argsort(places.to_numpy(), kind="stable")))
