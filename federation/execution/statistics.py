"""Statistics: partial groups of the members, merged exactly."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from functools import partial

import pyarrow as pa

from federation.execution.answering import Answering
from federation.execution.groups import finish, lower, merge_groups, top
from federation.execution.local import group_frames
from federation.selection import BoundSelection
from guotu.model.answer import Batch, Frame, Segment
from guotu.model.bins import HIGH, LOW, binned_schema, with_bounds
from guotu.model.collection import Collection
from guotu.model.grouping import BIN, grouping_schema, require_field
from guotu.model.plan import PlanStep
from guotu.model.ports import FeatureStore, Grouping, PeerClient
from guotu.model.question import MAX_GROUPS, Aggregate, Options, Stats

_MANY = 16_384
"""Groups from which on to go to a thread costs little beside merging them."""


async def parts_of(answering: Answering, schema: pa.Schema) -> list[pa.Table]:
    """Return the groups of each member that answered to its end; of fewer, where the answer is doomed."""
    parts: list[pa.Table] = []
    for stream in answering.streams:
        batches = [batch.rows async for batch in stream.batches()]
        if answering.doomed:
            break
        if stream.result().trailer is None:
            stream.withhold()
        else:
            parts.append(pa.Table.from_batches(batches, schema))
    return parts


async def merging(parts: Sequence[pa.Table], merge: Callable[[], pa.Table]) -> pa.Table:
    """Return what members' groups are together; many are merged in a thread, so that other questions go on."""
    many = sum(part.num_rows for part in parts) >= _MANY
    return await asyncio.to_thread(merge) if many else merge()


class Statistics:
    """What a grouping question asks of its members, and how their groups become the answer."""

    def __init__(self, stats: Stats, collection: Collection, selection: BoundSelection) -> None:
        self.collection = collection
        self._stats = stats
        self._selection = selection
        self._lowered = lower(stats.aggregates)
        self.schema = self._schema_of(stats.aggregates)
        self.member_schema = self._schema_of(self._lowered)
        self.grouping = Grouping(stats.group_by, self._lowered, selection.expression, MAX_GROUPS, stats.bins)

    def _schema_of(self, aggregates: tuple[Aggregate, ...]) -> pa.Schema:
        bins = self._stats.bins
        schema = grouping_schema(self.collection, self._stats.group_by, aggregates, bins)
        return schema if bins is None else binned_schema(schema, require_field(self.collection, bins.field))

    def here(self, store: FeatureStore, step: PlanStep) -> AsyncIterator[Frame]:
        """Begin to answer from a dataset that is held here."""
        return group_frames(store, step, self.collection, self.grouping)

    def ask(self, peers: PeerClient, step: PlanStep, options: Options, seconds: float) -> AsyncIterator[Frame]:
        """Begin to ask a member for its part."""
        return peers.stats(step.address, self._member_stats(options), seconds)

    def relay(self, options: Options, _step: PlanStep) -> Statistics:
        """Return the work of a node that is asked as a member."""
        return Statistics(self._member_stats(options), self.collection, self._selection)

    def _member_stats(self, options: Options) -> Stats:
        return replace(self._stats, aggregates=self._lowered, options=options, top=0)

    def segments(self, answering: Answering) -> tuple[Segment, ...]:
        """Return the one run of groups: they are always merged here."""
        return answering.tally.merged(self.schema)

    async def frames(self, answering: Answering) -> AsyncIterator[Frame]:
        """Yield the groups, sorted; those of a member count only once its trailer has come."""
        parts = await parts_of(answering, self.member_schema)
        if answering.doomed or (answering.involved and not parts):
            return
        answer = await merging(parts, partial(self._answer, parts))
        for rows in answer.to_batches(max_chunksize=16_384):
            answering.tally.digest(rows)
            yield Batch("", rows)

    def _answer(self, parts: list[pa.Table]) -> pa.Table:
        return top(finish(self._merged(parts), self._stats.aggregates, self.schema), self._stats).combine_chunks()

    def _merged(self, parts: list[pa.Table]) -> pa.Table:
        bins = self._stats.bins
        if bins is None:
            return merge_groups(parts, self._stats.group_by, self._lowered, self.member_schema)
        groups = merge_groups(parts, (BIN, LOW, HIGH), self._lowered, self.member_schema).drop([LOW, HIGH])
        # Where nobody was asked there is no class yet.
        return with_bounds(groups, bins, require_field(self.collection, bins.field), self._lowered)
