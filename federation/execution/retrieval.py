"""Retrieval: members' rows concatenated in member order, or merged by sort keys, up to the limit."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Self

import pyarrow as pa

from federation.execution.answering import Answering
from federation.execution.local import scan_frames
from federation.execution.ordered import OrderedMerge
from federation.execution.tally import segments_of
from federation.selection import BoundSelection
from guotu.model.answer import Batch, Frame, Segment
from guotu.model.collection import Collection
from guotu.model.plan import PlanStep
from guotu.model.ports import FeatureStore, PeerClient, Scan
from guotu.model.question import Options, Query, SortKey
from guotu.model.schema import arrow_schema, columns_of


class Retrieval:
    """What a query asks of its members, and how their rows become the answer."""

    def __init__(self, query: Query, collection: Collection, selection: BoundSelection) -> None:
        self.collection = collection
        self._query = query
        self._selection = selection
        self._keys = _total_order(query.sort, collection)
        fields = columns_of(collection, query.fields)
        extra = tuple(key.field for key in self._keys if key.field not in fields)
        self.schema = arrow_schema(collection, fields, query.crs)
        self.member_schema = arrow_schema(collection, fields + extra, query.crs)
        self.scan = Scan(fields + extra, selection.expression, self._keys, query.limit, query.crs)

    def here(self, store: FeatureStore, step: PlanStep) -> AsyncIterator[Frame]:
        """Begin to answer from a dataset that is held here."""
        return scan_frames(store, step, self.collection, self.scan, self.member_schema)

    def ask(self, peers: PeerClient, step: PlanStep, options: Options, seconds: float) -> AsyncIterator[Frame]:
        """Begin to ask a member for its part."""
        return peers.query(step.address, self._member_query(options), seconds)

    def relay(self, options: Options, _step: PlanStep) -> Self:
        """Return the work of a node that is asked as a member."""
        return type(self)(self._member_query(options), self.collection, self._selection)

    def _member_query(self, options: Options) -> Query:
        return replace(self._query, fields=self.scan.fields, options=options)

    @property
    def _one_run(self) -> bool:
        """Tell whether the rows are one run without origin: sorted or limited, however many members it takes."""
        return bool(self._keys) or self._query.limit > 0

    def _passes_through(self, answering: Answering) -> bool:
        """Tell whether rows go out as members sent and digested them."""
        return self.schema == self.member_schema and not (self._one_run and len(answering.streams) > 1)

    def segments(self, answering: Answering) -> tuple[Segment, ...]:
        """Return the runs of rows sent; they depend on the question and its cut, not on who was asked."""
        if not self._passes_through(answering):
            return answering.tally.merged(self.schema)
        segments = segments_of(answering.streams)
        return tuple(replace(part, dataset="", version=0) for part in segments) if self._one_run else segments

    async def frames(self, answering: Answering) -> AsyncIterator[Frame]:
        """Yield the rows."""
        if self._passes_through(answering):
            async for batch in self._pass_through(answering):
                answering.tally.count(batch.rows)
                yield batch
            return
        left = self._query.limit or None
        async for rows in self._merged(answering):
            if left is not None:
                rows = rows.slice(0, left)
                left -= rows.num_rows
            rows = rows.select(self.schema.names)
            answering.tally.digest(rows)
            yield Batch("", rows)
            if left == 0:
                await answering.settle()
                return

    @staticmethod
    async def _pass_through(answering: Answering) -> AsyncIterator[Batch]:
        for stream in answering.streams:
            async for batch in stream.batches():
                if answering.doomed:
                    return
                yield batch
            if answering.doomed:
                return

    async def _merged(self, answering: Answering) -> AsyncIterator[pa.RecordBatch]:
        if not self._keys or len(answering.streams) == 1:
            async for batch in self._pass_through(answering):
                yield batch.rows
            return
        async for table in OrderedMerge(answering.streams, self._keys, self.member_schema).tables():
            if answering.doomed:
                return
            for rows in table.combine_chunks().to_batches():
                yield rows


def _total_order(sort: tuple[SortKey, ...], collection: Collection) -> tuple[SortKey, ...]:
    """Add the collection's key as the last sort key, so that the order is total within a dataset."""
    if not sort or any(key.field == collection.key for key in sort):
        return sort
    return (*sort, SortKey(collection.key))
