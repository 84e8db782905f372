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
from federation.paging.after import both, rows_after
from federation.paging.order import page_order, total_order
from federation.selection import BoundSelection
from guotu.model.answer import Batch, Frame, Segment
from guotu.model.collection import Collection
from guotu.model.division import split_dataset
from guotu.model.plan import PlanStep
from guotu.model.ports import FeatureStore, PeerClient, Scan
from guotu.model.question import Options, Page, Position, Query
from guotu.model.schema import OWNER, arrow_schema, columns_of


class Retrieval:
    """What a query asks of its members, and how their rows become the answer."""

    def __init__(self, query: Query, collection: Collection, selection: BoundSelection) -> None:
        self.collection = collection
        self._query = query
        self._selection = selection
        self._keys = total_order(query.sort, collection)
        self._page = query.page
        order = self._keys if query.page is None else page_order(query, collection)
        fields = columns_of(collection, query.fields)
        extra = tuple(key.field for key in order if key.field not in fields)
        self.schema = _told(arrow_schema(collection, fields, query.crs), query.page is not None and query.page.owners)
        self.member_schema = _told(arrow_schema(collection, fields + extra, query.crs), query.page is not None)
        self.scan = Scan(fields + extra, selection.expression, order, query.limit, query.crs)
        self._last: pa.RecordBatch | None = None

    def here(self, store: FeatureStore, step: PlanStep) -> AsyncIterator[Frame]:
        """Begin to answer from a dataset that is held here."""
        (expected,) = step.expected
        owner, after = split_dataset(expected.dataset)[0], None if self._page is None else self._page.after
        scan = self.scan
        if after is not None:
            beyond = rows_after(after, self._query, scan.sort, self.collection, owner)
            scan = replace(scan, filter=both(scan.filter, beyond))
        return scan_frames(store, step, self.collection, scan, self.member_schema)

    def ask(self, peers: PeerClient, step: PlanStep, options: Options, seconds: float) -> AsyncIterator[Frame]:
        """Begin to ask a member for its part."""
        return peers.query(step.address, self._member_query(options), seconds)

    def relay(self, options: Options, _step: PlanStep) -> Self:
        """Return the work of a node that is asked as a member."""
        return type(self)(self._member_query(options), self.collection, self._selection)

    def _member_query(self, options: Options) -> Query:
        page = None if self._page is None else Page(owners=True, after=self._page.after)
        return replace(self._query, fields=self.scan.fields, options=options, page=page)

    @property
    def last(self) -> Position | None:
        """Where the last row of a page stands; None if no row was yielded."""
        if self._last is None:
            return None
        (row,) = self._last.to_pylist()
        return Position(row[OWNER], tuple(row[key.field] for key in self.scan.sort))

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
            if rows.num_rows and self._page is not None:
                self._last = rows.slice(rows.num_rows - 1)
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


def _told(schema: pa.Schema, owners: bool) -> pa.Schema:
    """Return a schema with the owners of rows, if they are told."""
    return schema.append(pa.field(OWNER, pa.string(), nullable=False)) if owners else schema
