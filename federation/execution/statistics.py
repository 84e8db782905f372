"""Statistics: partial groups of the members, merged exactly."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pyarrow as pa

from federation.execution.answering import Answering
from federation.execution.groups import finish, lower, merge_groups
from federation.selection import BoundSelection
from guotu.model.answer import Batch, Frame, Segment
from guotu.model.collection import Collection
from guotu.model.grouping import grouping_schema
from guotu.model.ports import Grouping
from guotu.model.question import MAX_GROUPS, CompletenessMode, Options, Stats


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


class Statistics:
    """What a grouping question asks of its members, and how their groups become the answer."""

    def __init__(self, stats: Stats, collection: Collection, selection: BoundSelection) -> None:
        self.collection = collection
        self._stats = stats
        self._lowered = lower(stats.aggregates)
        self.schema = grouping_schema(collection, stats.group_by, stats.aggregates)
        self.member_schema = grouping_schema(collection, stats.group_by, self._lowered)
        self.grouping = Grouping(stats.group_by, self._lowered, selection.expression, MAX_GROUPS)

    def member_stats(self, options: Options) -> Stats:
        """Return the question for a member."""
        relaxed = replace(options, completeness=CompletenessMode.ALLOW_PARTIAL)
        return replace(self._stats, aggregates=self._lowered, options=relaxed)

    def segments(self, answering: Answering) -> tuple[Segment, ...]:
        """Return the one run of groups: they are always merged here."""
        return answering.tally.merged(self.schema)

    async def frames(self, answering: Answering) -> AsyncIterator[Frame]:
        """Yield the groups, sorted; those of a member count only once its trailer has come."""
        parts = await parts_of(answering, self.member_schema)
        if answering.doomed or (answering.involved and not parts):
            return
        merged = merge_groups(parts, self._stats.group_by, self._lowered, self.member_schema)
        answer = finish(merged, self._stats, self.collection).combine_chunks()
        for rows in answer.to_batches(max_chunksize=16_384):
            answering.tally.digest(rows)
            yield Batch("", rows)
