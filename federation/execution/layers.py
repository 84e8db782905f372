"""Layer overlays: the features of one collection as zones for those of another, joined where the latter lie."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Self

import numpy as np
import pyarrow as pa
import shapely

from federation.execution.answering import Answering
from federation.execution.groups import merge_groups
from federation.execution.local import member_trailer, tabulate
from federation.execution.overlays import MERGED
from federation.execution.owned import KeyRows, Owned
from federation.execution.streams import Streams
from federation.selection import BoundSelection
from guotu.model.answer import Batch, Frame, Segment
from guotu.model.collection import GEOMETRY, Collection
from guotu.model.overlay import layer_schema, scanned_fields, zone_column
from guotu.model.ownership import left_to
from guotu.model.plan import ExpectedDataset, PlanStep
from guotu.model.ports import FeatureStore, PeerClient, Scan
from guotu.model.question import LayerOverlay, Options
from guotu.model.records import Extent
from guotu.model.tabulation import Crossing, group_column
from guotu.model.zones import Zones
from guotu.overlays.blocks import Blocks
from guotu.overlays.gathering import Gathering, Run, merged

_MOST_ZONES = 20_000
_MOST_BYTES = 8 << 20
"""Zones, and bytes of their WKB, that are joined at a time."""
_PLACE = "叠加分组 groups of an overlay (scratch/)"

Extents = Callable[[ExpectedDataset], Extent | None]
"""Tells where a dataset's features lie at a version; None if that is not advertised."""
ZoneRows = Callable[[str, int, tuple[str, ...], Extent | None], AsyncIterator[pa.RecordBatch]]
"""Reads columns of the zones of a dataset at a version that meet an extent, from whoever has them.

Raises:
    GuotuError: not all of them came.
"""


@dataclass(frozen=True, slots=True)
class LayerWork:
    """What a layer overlay asks of its members, and how their groups become the answer."""

    overlay: LayerOverlay
    """Its zones have a cut."""
    collection: Collection
    zone_collection: Collection
    selection: BoundSelection
    extents: Extents
    zone_rows: ZoneRows
    key_rows: KeyRows
    scratch: Path | None
    """Where groups are put aside that do not fit into memory; None: with the system's temporary files."""
    streams: Streams

    @property
    def schema(self) -> pa.Schema:
        """Return the schema of the answer, as `guotu.model.overlay.layer_schema`."""
        zones = self.overlay.zones
        return layer_schema(self.zone_collection, zones.group_by, self.collection, self.overlay.group_by)

    @property
    def member_schema(self) -> pa.Schema:
        """Return the schema of what members send: the same."""
        return self.schema

    async def here(self, store: FeatureStore, step: PlanStep) -> AsyncIterator[Frame]:
        """Join what is held here with the zones near of it.

        Zones are read and joined some thousands at a time, and groups are put aside: nothing is in memory as a whole.
        Sums are exact, so that it does not matter in which order zones are joined.
        """
        (expected,) = step.expected
        started = time.perf_counter()
        owned = Owned(expected.dataset, self.collection, self.overlay.left_to, self.key_rows)
        fields = owned.columns(scanned_fields(self.collection, self.overlay.group_by))
        scan = Scan(fields, self.selection.expression)
        window = self.extents(expected) or await _extent(store, expected, self.collection)
        rows = size = 0
        with closing(Gathering(self.schema, self.scratch, _PLACE)) as groups:
            async with aclosing(self._zones(window)) as chunks:  # type: ignore[type-var]
                join = partial(self._join, store, expected, scan, owned, groups)
                store_s = await self.streams.run(chunks, join)
            for notice in owned.notices:
                yield notice
            async for batch in _Drawn(groups.batches()):
                rows, size = rows + batch.num_rows, size + batch.nbytes
                yield Batch(expected.dataset, batch)
        yield member_trailer(step.node, expected, rows, size, started, store_s)

    async def _join(
        self,
        store: FeatureStore,
        expected: ExpectedDataset,
        scan: Scan,
        owned: Owned,
        groups: Gathering,
        chunks: AsyncIterator[tuple[pa.Table, Zones]],
    ) -> float:
        """Join zones with the features near of them; returns the seconds that the store took."""
        store_s = 0.0
        async for labels, zones in chunks:
            if not len(zones):
                continue
            crossing = await asyncio.to_thread(Crossing, zones, self.collection, self.overlay.group_by)
            near = replace(scan, near=zones.boxes)
            found = _Labelling(crossing, labels, groups)
            store_s += await tabulate(store, expected, self.collection, near, found, owned)
        return store_s

    async def _zones(self, window: Extent | None) -> AsyncIterator[tuple[pa.Table, Zones]]:
        """Yield labels (the group columns) of zones that meet an extent, and these, a bounded number at a time."""
        gathered: list[pa.RecordBatch] = []
        source = self.overlay.zones
        others = left_to(source.cut)
        for dataset, version in sorted(source.cut.items()):
            owned = Owned(dataset, self.zone_collection, others, self._zone_keys)
            names = owned.columns(scanned_fields(self.zone_collection, source.group_by))
            async with aclosing(self.zone_rows(dataset, version, names, window)) as batches:  # type: ignore[type-var]
                async for batch in batches:
                    gathered.append(self._labelled(await owned.own(batch)))
                    if _enough(gathered):
                        yield _chunk(gathered)
                        gathered = []
        if gathered:
            yield _chunk(gathered)

    def _zone_keys(self, dataset: str, version: int) -> AsyncIterator[pa.RecordBatch]:
        return self.zone_rows(dataset, version, (self.zone_collection.key,), None)

    def _labelled(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        names = self.overlay.zones.group_by
        columns = [group_column(batch, self.zone_collection, name) for name in names]
        return pa.record_batch(
            [*columns, batch.column(GEOMETRY)], names=[*(zone_column(name) for name in names), GEOMETRY]
        )

    def ask(self, peers: PeerClient, step: PlanStep, options: Options, seconds: float) -> AsyncIterator[Frame]:
        """Begin to ask a member for its part."""
        return peers.overlay(step.address, replace(self.overlay, options=options), seconds)

    def relay(self, options: Options, _step: PlanStep) -> LayerWork:
        """Return the work of a node that is asked as a member."""
        return replace(self, overlay=replace(self.overlay, options=options))

    def segments(self, answering: Answering) -> tuple[Segment, ...]:
        """Return the one run of groups: they are always merged here."""
        return answering.tally.merged(self.schema)

    async def frames(self, answering: Answering) -> AsyncIterator[Frame]:
        """Yield the groups, sorted; those of a member count only once its trailer has come."""
        with closing(Blocks(self.schema, self.scratch, _PLACE)) as blocks:
            runs = [run async for run in self._runs(answering, blocks)]
            if answering.doomed or (answering.involved and not runs):
                return
            async for rows in _Drawn(self._merged(runs)):
                answering.tally.digest(rows)
                yield Batch("", rows)

    def _merged(self, runs: list[Run]) -> Iterator[pa.RecordBatch]:
        if self.schema.names[:-2]:
            return merged(runs, self.schema)
        # Without group columns there is one row, also over nothing.
        parts = [pa.Table.from_batches(list(run), self.schema) for run in runs]
        return iter(merge_groups(parts, (), MERGED, self.schema).to_batches())

    async def _runs(self, answering: Answering, blocks: Blocks) -> AsyncIterator[Run]:
        """Put the groups of each member that answers to its end aside; of fewer, where the answer is doomed."""
        for stream in answering.streams:
            run = Run(blocks)
            async for batch in stream.batches():
                await asyncio.to_thread(run.append, batch.rows)
            if answering.doomed:
                return
            if stream.result().trailer is None:
                stream.withhold()
            else:
                yield run


class _Labelling:
    """Lays features over zones, and gathers what they have in common by labels of the zones."""

    def __init__(self, crossing: Crossing, labels: pa.Table, groups: Gathering) -> None:
        self._crossing = crossing
        self._labels = labels
        self._groups = groups
        self._stopped = False

    def add(self, batch: pa.RecordBatch) -> None:
        for pairs in self._crossing.pairs(batch):
            if self._stopped:
                return
            labels = self._labels.take(pairs.column(0))
            names = [*labels.column_names, *pairs.column_names[1:]]
            self._groups.add(pa.Table.from_arrays([*labels.columns, *pairs.columns[1:]], names))

    def stop(self) -> None:
        self._stopped = True


class _Drawn:
    """Batches that are drawn in a thread."""

    def __init__(self, batches: Iterator[pa.RecordBatch]) -> None:
        self._batches = batches

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> pa.RecordBatch:
        batch = await asyncio.to_thread(next, self._batches, None)
        if batch is None:
            raise StopAsyncIteration
        return batch


def _enough(batches: list[pa.RecordBatch]) -> bool:
    rows, size = (sum(getattr(batch, name) for batch in batches) for name in ("num_rows", "nbytes"))
    return bool(rows >= _MOST_ZONES or size >= _MOST_BYTES)


def _chunk(batches: list[pa.RecordBatch]) -> tuple[pa.Table, Zones]:
    table = pa.Table.from_batches(batches)
    shapes = shapely.from_wkb(table[GEOMETRY].to_numpy())
    filled = ~(shapely.is_missing(shapes) | shapely.is_empty(shapes))
    labels, shapes = table.drop_columns([GEOMETRY]).filter(pa.array(filled)), shapes[filled]
    return labels, Zones(pa.nulls(len(shapes), pa.string()), shapes, np.arange(len(shapes)))


async def _extent(store: FeatureStore, expected: ExpectedDataset, collection: Collection) -> Extent | None:
    """Return where a dataset's features lie, by looking at all of them; None if there are none."""
    rows = store.scan(expected.dataset, expected.version, collection, Scan((GEOMETRY,)))
    async with aclosing(rows) as batches:  # type: ignore[type-var]
        corners = [await asyncio.to_thread(_bounds, batch) async for batch in batches]
    if not corners or np.isnan(corners).all():
        return None
    found = np.array(corners)
    low, high = np.nanmin(found[:, :2], axis=0), np.nanmax(found[:, 2:], axis=0)
    return Extent(*low.tolist(), *high.tolist())


def _bounds(batch: pa.RecordBatch) -> np.ndarray:
    return shapely.total_bounds(shapely.from_wkb(batch.column(GEOMETRY).to_numpy(zero_copy_only=False)))
