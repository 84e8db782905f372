"""Members that answer from rows in memory, and fail in the ways that a test asks for."""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

import pyarrow as pa
import shapely

from federation.execution.nearest import with_distance
from guotu.model.answer import (
    Batch,
    Completeness,
    Frame,
    Header,
    MemberOutcome,
    Notice,
    Outcome,
    Segment,
    Trailer,
)
from guotu.model.bins import edges_of, with_bounds
from guotu.model.collection import Collection, Field
from guotu.model.digest import SegmentDigest, result_digest
from guotu.model.distance import Distances
from guotu.model.errors import NodeUnavailable
from guotu.model.grouping import BIN, grouping_schema, require_field
from guotu.model.overlay import layer_schema, scanned_fields
from guotu.model.plan import Plan
from guotu.model.ports import Grouping, Scan, StoredVersion
from guotu.model.question import (
    DISTANCE,
    Aggregate,
    AggregateFunction,
    Bins,
    CompletenessMode,
    LayerOverlay,
    Nearest,
    Overlay,
    Query,
    Question,
    Scope,
    SortKey,
    Stats,
)
from guotu.model.schema import arrow_schema
from guotu.model.tabulation import Tabulation
from tests.support.federation_parts import PARCELS

Row = dict[str, Any]


def parcels(owner: str, count: int, first: int = 0) -> list[Row]:
    """Return rows of a dataset; areas have two decimals, classes repeat."""
    return [
        {"BSM": f"{owner}{number:06d}", "DLBM": f"010{number % 3}", "TBMJ": (number * 7919 % 1000) / 100}
        for number in range(first, first + count)
    ]


def arranged(rows: list[Row], sort: tuple[SortKey, ...], limit: int) -> list[Row]:
    """Return rows as a store does: sorted (nulls last), cut at the limit."""
    for key in reversed(sort):
        some = [row for row in rows if row.get(key.field) is not None]
        some.sort(key=lambda row: row[key.field], reverse=key.descending)
        rows = some + [row for row in rows if row.get(key.field) is None]
    return rows[:limit] if limit else rows


def grouped(rows: list[Row], by: tuple[str, ...], aggregates: tuple[Aggregate, ...]) -> list[Row]:
    """Return groups with counts of rows and sums of two decimals."""
    parts: dict[tuple[Any, ...], list[Row]] = {} if by else {(): []}
    for row in rows:
        parts.setdefault(tuple(row.get(name) for name in by), []).append(row)
    return [
        dict(zip(by, key, strict=True)) | {item.alias: _aggregate(item, part) for item in aggregates}
        for key, part in parts.items()
    ]


def binned(rows: list[Row], field: Field, edges: Sequence[Any]) -> list[Row]:
    """Return rows with the number of the class that they are in."""
    return [{**row, BIN: bin_of(row.get(field.name), edges)} for row in rows]


def bin_of(value: Any, edges: Sequence[Any]) -> int | None:
    """Return the number of the class of a value."""
    if value is None:
        return None
    exact = Decimal(repr(value)) if isinstance(edges[0], Decimal) else value
    return len(edges) - 1 if exact == edges[-1] else bisect_right(edges, exact)


def _aggregate(item: Aggregate, rows: list[Row]) -> Any:
    values = [row[item.field] for row in rows if row.get(item.field) is not None] if item.field else rows
    if item.function is AggregateFunction.COUNT:
        return len(values)
    if item.function is not AggregateFunction.SUM:
        return {AggregateFunction.MIN: min, AggregateFunction.MAX: max}[item.function](values, default=None)
    return sum((Decimal(repr(value)).quantize(Decimal("0.01")) for value in values), Decimal(0)) if values else None


@dataclass
class Member:
    """One scripted node. What it shall do wrong is in the fields that are off by default."""

    node: str
    rows: list[Row] = field(default_factory=list)
    version: int = 1
    batch_rows: int = 10
    collection: Collection = PARCELS
    silent: bool = False
    """Never says anything."""
    silent_after: int | None = None
    """Says nothing more after so many batches."""
    failure: Exception | None = None
    silent_header: bool = False
    """Raises `failure` before its header."""
    fails_after: int | None = 0
    """Raises `failure` after so many batches; None: after its trailer."""
    no_trailer: bool = False
    seconds_a_batch: float = 0.0
    others: tuple[MemberOutcome, ...] = ()
    """Outcomes of members behind it."""
    untold: bool = False
    """Does not tell of its own dataset."""
    notices: tuple[Notice, ...] = ()
    schema: pa.Schema | None = None
    """A schema of its own instead of the right one."""
    holds: tuple[Member, ...] = ()
    """Replicas that it holds; each answers, and fails, as a member of its own does."""
    holder: str = ""
    """Who holds it, if it is a replica."""
    quiet_s: float = 0.0
    """Says nothing for so long."""
    after: asyncio.Event | None = None
    """Says nothing before that."""
    heard: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    """Set once it is asked."""
    asked: list[Question] = field(default_factory=list)
    timeouts: list[float | None] = field(default_factory=list)
    opened: int = 0
    closed: int = 0
    batches_sent: int = 0

    @property
    def dataset(self) -> str:
        """Its dataset."""
        return f"{self.node}/{self.collection.id}"

    async def answer(self, question: Question, timeout: float | None) -> AsyncIterator[Frame]:
        """Answer a question, in its way."""
        for copy in self.holds:
            if question.options.dataset == copy.dataset:
                copy.holder = self.node
                async with aclosing(copy.answer(question, timeout)) as frames:  # type: ignore[type-var]
                    async for frame in frames:
                        yield frame
                return
        self.asked.append(question)
        self.timeouts.append(timeout)
        self.opened += 1
        self.heard.set()
        try:
            async for frame in self._frames(question):
                yield frame
        finally:
            self.closed += 1

    async def _frames(self, question: Question) -> AsyncIterator[Frame]:
        if self.silent:
            await asyncio.Event().wait()
        if self.after is not None:
            await self.after.wait()
        await asyncio.sleep(self.quiet_s)
        if self.silent_header and self.failure is not None:
            raise self.failure
        table = self.table(question)
        plan = Plan(self.node, self.collection.id, Scope.SELF, ())
        yield Header("r", self.node, plan, {self.dataset: self.version}, self.schema or table.schema)
        for notice in self.notices:
            yield notice
        for number, batch in enumerate(table.to_batches(max_chunksize=self.batch_rows)):
            await self._stumble(number)
            self.batches_sent += 1
            yield Batch(self.dataset, batch)
        await self._stumble(-(-table.num_rows // self.batch_rows))
        if not self.no_trailer:
            yield self._trailer(table)
        if self.failure is not None and self.fails_after is None:
            raise self.failure

    async def _stumble(self, sent: int) -> None:
        if self.failure is not None and self.fails_after == sent:
            raise self.failure
        if self.silent_after == sent:
            await asyncio.Event().wait()
        await asyncio.sleep(self.seconds_a_batch)

    def table(self, question: Question) -> pa.Table:
        """Return the rows that it answers with."""
        if isinstance(question, Query) and question.nearest is not None:
            return self.neighbours(question.nearest, question)
        if isinstance(question, Query):
            scan = Scan(question.fields, None, question.sort, question.limit)
            return self.scanned(scan)
        if isinstance(question, Overlay):
            return self.overlaid(question)
        if isinstance(question, LayerOverlay):
            schema = layer_schema(self.collection, question.zones.group_by, self.collection, question.group_by)
            return schema.empty_table()
        groups = self.aggregated(Grouping(question.group_by, question.aggregates, bins=question.bins))
        if question.bins is None:
            return groups
        return with_bounds(groups, question.bins, self._field(question.bins), question.aggregates).combine_chunks()

    def neighbours(self, nearest: Nearest, query: Query) -> pa.Table:
        """Return the rows that are nearest; filters are not looked at."""
        every = self.scanned(Scan(tuple(dict.fromkeys((*query.fields, "geometry")))))
        metres = Distances(shapely.from_wkb(nearest.wkb)).of(shapely.from_wkb(every["geometry"].to_numpy()))
        found = every.select(query.fields).add_column(0, with_distance(pa.schema([])).field(0), pa.array(metres))
        order = found.sort_by([(DISTANCE, "ascending"), (self.collection.key, "ascending")])
        return order.slice(0, query.limit)

    def scanned(self, scan: Scan) -> pa.Table:
        """Return the rows of a scan; filters are not looked at."""
        rows = arranged(self.rows, scan.sort, scan.limit)
        return pa.Table.from_pylist(rows, arrow_schema(self.collection, scan.fields))

    def aggregated(self, grouping: Grouping) -> pa.Table:
        """Return the groups of a grouping; filters are not looked at."""
        schema = grouping_schema(self.collection, grouping.group_by, grouping.aggregates, grouping.bins)
        rows, by = self.rows, grouping.group_by
        if grouping.bins is not None:
            field = self._field(grouping.bins)
            rows, by = binned(rows, field, edges_of(grouping.bins, field)), (BIN,)
        return pa.Table.from_pylist(grouped(rows, by, grouping.aggregates), schema)

    def _field(self, bins: Bins) -> Field:
        return require_field(self.collection, bins.field)

    def overlaid(self, overlay: Overlay) -> pa.Table:
        """Return the groups of an overlay; filters are not looked at."""
        tabulation = Tabulation(overlay.zones, self.collection, overlay.group_by, 1_000_000)
        for batch in self.scanned(Scan(scanned_fields(self.collection, overlay.group_by))).to_batches():
            tabulation.add(batch)
        return tabulation.table()

    def _trailer(self, table: pa.Table) -> Trailer:
        own = MemberOutcome(
            self.node,
            self.dataset,
            Outcome.REPLICA if self.holder else Outcome.ANSWERED,
            version=self.version,
            rows=table.num_rows,
            replica=self.holder,
        )
        digest = SegmentDigest(table.schema)
        for batch in table.to_batches():
            digest.update(batch)
        segments = (Segment(self.dataset, self.version, digest.rows, digest.digest()),)
        members = self.others if self.untold else (own, *self.others)
        completeness = Completeness(CompletenessMode.ALLOW_PARTIAL, members)
        return Trailer(completeness, digest.rows, table.nbytes, result_digest(segments), segments)


class ScriptedPeers:
    """`guotu.model.ports.PeerClient` over scripted members, whose address is "NODE:1"."""

    def __init__(self, *members: Member) -> None:
        self.members = {f"{member.node}:1": member for member in members}
        self.plans: dict[str, Plan | Exception] = {}

    def query(self, address: str, question: Query, timeout: float | None) -> AsyncIterator[Frame]:
        return self._ask(address, question, timeout)

    def stats(self, address: str, question: Stats, timeout: float | None) -> AsyncIterator[Frame]:
        return self._ask(address, question, timeout)

    def overlay(self, address: str, question: Overlay | LayerOverlay, timeout: float | None) -> AsyncIterator[Frame]:
        return self._ask(address, question, timeout)

    def _ask(self, address: str, question: Question, timeout: float | None) -> AsyncIterator[Frame]:
        if address not in self.members:
            raise NodeUnavailable(address=address, detail="nobody listens there")
        return self.members[address].answer(question, timeout)

    async def explain(self, address: str, question: Question, timeout: float | None) -> Plan:
        plan = self.plans[address]
        if isinstance(plan, Exception):
            raise plan
        return replace(plan, scope=question.options.scope)


class MemberStore:
    """The part of `guotu.model.ports.FeatureStore` that answers, over the members whose rows lie here."""

    def __init__(self, *members: Member) -> None:
        self._members = {member.dataset: member for member in members}

    def hold(self, member: Member) -> None:
        """Have the rows of one more member."""
        self._members[member.dataset] = member

    async def scan(
        self, dataset: str, version: int, collection: Collection, scan: Scan
    ) -> AsyncIterator[pa.RecordBatch]:
        member = self._members[dataset]
        member.opened += 1
        try:
            if member.failure is not None:
                raise member.failure
            for batch in member.scanned(scan).to_batches(max_chunksize=member.batch_rows):
                await asyncio.sleep(0)
                yield batch
        finally:
            member.closed += 1

    async def versions(self) -> list[StoredVersion]:
        return [StoredVersion(item.dataset, item.version, len(item.rows)) for item in self._members.values()]

    async def aggregate(self, dataset: str, version: int, collection: Collection, grouping: Grouping) -> pa.Table:
        member = self._members[dataset]
        if member.failure is not None:
            raise member.failure
        return member.aggregated(grouping)
