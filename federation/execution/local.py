"""What the node answers from its own store, as a member stream like any other: batches, then a trailer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from typing import Protocol

import pyarrow as pa

from federation.execution.nearest import nearest_rows
from federation.execution.owned import KeyRows, Owned
from federation.execution.reading import Reading
from federation.execution.settling import settled
from guotu.model.answer import Batch, Completeness, Frame, MemberOutcome, Outcome, Segment, Trailer
from guotu.model.bins import with_bounds
from guotu.model.collection import Collection
from guotu.model.digest import SegmentDigest
from guotu.model.division import split_dataset
from guotu.model.grouping import require_field
from guotu.model.plan import ExpectedDataset, PlanStep
from guotu.model.ports import FeatureStore, Grouping, Scan
from guotu.model.question import MAX_GROUPS, CompletenessMode, Nearest, Overlay
from guotu.model.schema import OWNER
from guotu.model.tabulation import Tabulation

HELD_HERE = "HELD_HERE"
"""Why a replica answered: the node asked holds it."""
_LARGE_BYTES = 64 << 10
"""A batch from here on is digested in a thread; to go there costs as much as to digest some KiB."""
_GROUPS = 16_384
"""Groups, or nearest rows, of a batch, at most."""


async def scan_frames(
    store: FeatureStore, step: PlanStep, collection: Collection, scan: Scan, schema: pa.Schema
) -> AsyncIterator[Frame]:
    """Yield the rows of a dataset held here, the node's own or a replica, then a trailer with their digest.

    `schema` is that of the scan; if it has the column OWNER besides, rows are given their dataset's owner.
    """
    (expected,) = step.expected
    named = schema.names[-1] == OWNER
    started, size = time.perf_counter(), 0
    digest = SegmentDigest(schema)
    scan = replace(scan, filter=await settled(scan.filter, store, expected, collection))
    reading = Reading(store.scan(expected.dataset, expected.version, collection, scan))
    digesting: asyncio.Task[None] | None = None
    async with aclosing(reading):
        async for batch in reading:
            if named:
                batch = _owned(batch, split_dataset(expected.dataset)[0], schema)
            if digesting is not None:
                await digesting
            digesting = _digesting(digest, batch)
            size += batch.nbytes
            yield Batch(expected.dataset, batch)
    if digesting is not None:
        await digesting
    segment = Segment(expected.dataset, expected.version, digest.rows, digest.digest())
    yield member_trailer(step.node, expected, digest.rows, size, started, reading.seconds, (segment,))


def _owned(batch: pa.RecordBatch, owner: str, schema: pa.Schema) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([*batch.columns, pa.repeat(owner, batch.num_rows)], schema=schema)


async def nearest_frames(
    store: FeatureStore,
    step: PlanStep,
    collection: Collection,
    nearest: Nearest,
    count: int,
    scan: Scan,
    schema: pa.Schema,
) -> AsyncIterator[Frame]:
    """Yield the rows of a dataset held here that are nearest, then a trailer with their digest."""
    (expected,) = step.expected
    started = time.perf_counter()
    scan = replace(scan, filter=await settled(scan.filter, store, expected, collection))
    rows = await nearest_rows(store, expected, collection, nearest, count, scan)
    store_s = time.perf_counter() - started
    digest = SegmentDigest(schema)
    for batch in rows.to_batches(max_chunksize=_GROUPS):
        digest.update(batch)
        yield Batch(expected.dataset, batch)
    segment = Segment(expected.dataset, expected.version, digest.rows, digest.digest())
    yield member_trailer(step.node, expected, digest.rows, rows.nbytes, started, store_s, (segment,))


def _digesting(digest: SegmentDigest, batch: pa.RecordBatch) -> asyncio.Task[None] | None:
    """Digest a batch; a large one in a thread, while it is sent and the next one is read."""
    if batch.nbytes >= _LARGE_BYTES:
        return asyncio.create_task(asyncio.to_thread(digest.update, batch))
    digest.update(batch)
    return None


async def group_frames(
    store: FeatureStore, step: PlanStep, collection: Collection, grouping: Grouping
) -> AsyncIterator[Frame]:
    """Yield the groups of a dataset held here, the node's own or a replica, then a trailer.

    There is no segment: groups are digested once they have been merged.
    """
    (expected,) = step.expected
    started = time.perf_counter()
    grouping = replace(grouping, filter=await settled(grouping.filter, store, expected, collection))
    groups = await store.aggregate(expected.dataset, expected.version, collection, grouping)
    store_s = time.perf_counter() - started
    if grouping.bins is not None:
        field = require_field(collection, grouping.bins.field)
        groups = with_bounds(groups, grouping.bins, field, grouping.aggregates).combine_chunks()
    for batch in groups.to_batches():
        yield Batch(expected.dataset, batch)
    yield member_trailer(step.node, expected, groups.num_rows, groups.nbytes, started, store_s)


async def overlay_frames(
    store: FeatureStore, step: PlanStep, collection: Collection, scan: Scan, overlay: Overlay, key_rows: KeyRows
) -> AsyncIterator[Frame]:
    """Yield the groups by zone of a dataset held here, the node's own or a replica, then a trailer."""
    (expected,) = step.expected
    started = time.perf_counter()
    owned = Owned(expected.dataset, collection, overlay.left_to, key_rows)
    scan = replace(scan, fields=owned.columns(scan.fields))
    found = await asyncio.to_thread(Tabulation, overlay.zones, collection, overlay.group_by, MAX_GROUPS)
    store_s = await tabulate(store, expected, collection, scan, found, owned)
    for notice in owned.notices:
        yield notice
    groups = await asyncio.to_thread(found.table)
    for part in groups.to_batches(max_chunksize=_GROUPS):
        yield Batch(expected.dataset, part)
    yield member_trailer(step.node, expected, groups.num_rows, groups.nbytes, started, store_s)


class Tabulating(Protocol):
    """Takes features and lays them over zones, in a thread."""

    def add(self, batch: pa.RecordBatch) -> None:
        """Add features; `batch` has the columns `scanned_fields`, geometry as WKB."""

    def stop(self) -> None:
        """Let an `add` that is under way in another thread end soon."""


async def tabulate(
    store: FeatureStore,
    expected: ExpectedDataset,
    collection: Collection,
    scan: Scan,
    tabulation: Tabulating,
    owned: Owned,
) -> float:
    """Lay a dataset's own features over zones; returns the seconds that the store took for them.

    They are read and laid over side by side, a batch at a time.
    """
    scan = replace(scan, filter=await settled(scan.filter, store, expected, collection))
    reading = Reading(store.scan(expected.dataset, expected.version, collection, scan))
    try:
        async with aclosing(reading):
            async for batch in reading:
                await asyncio.to_thread(tabulation.add, await owned.own(batch))
    finally:
        tabulation.stop()  # the thread goes on where nobody waits for it any more
    return reading.seconds


def member_trailer(
    node: str,
    expected: ExpectedDataset,
    rows: int,
    size: int,
    started: float,
    store_s: float,
    segments: tuple[Segment, ...] = (),
) -> Trailer:
    """Return the last frame of a dataset that was held here; `started` as `time.perf_counter()`, `size` in bytes."""
    elapsed_ms = (time.perf_counter() - started) * 1000
    owner, _ = split_dataset(expected.dataset)
    replica = owner != node
    member = MemberOutcome(
        node=owner,
        dataset=expected.dataset,
        outcome=Outcome.REPLICA if replica else Outcome.ANSWERED,
        reason=HELD_HERE if replica else "",
        replica=node if replica else "",
        version=expected.version,
        rows=rows,
        size_bytes=size,
        elapsed_ms=elapsed_ms,
        advertised_rows=expected.rows,
        advertised_territory_m2=expected.territory_m2,
    )
    completeness = Completeness(CompletenessMode.ALLOW_PARTIAL, (member,))
    return Trailer(completeness, rows, size, b"", segments, elapsed_ms, store_ms=store_s * 1000)
