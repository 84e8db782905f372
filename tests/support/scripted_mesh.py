"""One node's federation over scripted members, and what it answers."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from decimal import Decimal

import pytest

from federation.boundaries import Boundaries
from federation.notary import Notary
from federation.planning.planner import Planner
from federation.service import Federation
from guotu.model import errors
from guotu.model.answer import Batch, Frame, Header, MemberOutcome, Notice, Trailer
from guotu.model.question import (
    Aggregate,
    AggregateFunction,
    CompletenessMode,
    LayerOverlay,
    Options,
    Overlay,
    Query,
    Question,
    SortKey,
    Stats,
)
from guotu.model.records import DatasetRecord, ReplicaRecord
from tests.support.federation_parts import PARCELS, FixedCatalogue, FixedDirectory, dataset, view
from tests.support.scripted_peers import Member, MemberStore, ScriptedPeers, parcels

PARTIAL = Options(completeness=CompletenessMode.ALLOW_PARTIAL)
FIELDS = ("BSM", "TBMJ")
COUNT, SUM = AggregateFunction.COUNT, AggregateFunction.SUM
TOTALS = Stats("dltb", (Aggregate(COUNT, "", "n"), Aggregate(SUM, "TBMJ", "area")), ("DLBM",))
LOST = errors.NodeUnavailable(address="510100:1", detail="connection reset")
Make = Callable[[Options], Question]


def rows_of(options: Options) -> Query:
    return Query("dltb", fields=FIELDS, options=options)


def sorted_rows(options: Options) -> Query:
    return Query("dltb", fields=FIELDS, sort=(SortKey("TBMJ"),), options=options)


def totals(options: Options) -> Stats:
    return replace(TOTALS, options=options)


ANY_QUESTION = pytest.mark.parametrize("make", [rows_of, sorted_rows, totals])


@dataclass
class Heard:
    """All that came of one question."""

    frames: list[Frame] = field(default_factory=list)
    failure: errors.GuotuError | None = None
    seconds: float = 0.0

    @property
    def trailer(self) -> Trailer:
        last = self.frames[-1]
        assert isinstance(last, Trailer)
        return last

    @property
    def header(self) -> Header:
        first = self.frames[0]
        assert isinstance(first, Header)
        return first

    @property
    def rows(self) -> list[dict[str, object]]:
        return [row for frame in self.frames if isinstance(frame, Batch) for row in frame.rows.to_pylist()]

    @property
    def notices(self) -> list[str]:
        return [frame.reason for frame in self.frames if isinstance(frame, Notice)]

    @property
    def outcomes(self) -> dict[str, MemberOutcome]:
        return {member.dataset.split("/")[0]: member for member in self.trailer.completeness.members}


class Mesh:
    """One node's federation over scripted members; the node's own rows are those of the member of its name.

    `replicas` are held whole by the node: their rows come from its store. What members hold the directory knows of.
    """

    def __init__(
        self,
        *members: Member,
        node: str = "510000",
        stale: bool = False,
        gone: tuple[str, ...] = (),
        replicas: tuple[Member, ...] = (),
        draining: tuple[str, ...] = (),
        nearest: bool = False,
        bypass: bool = True,
        notary: Notary | None = None,
    ) -> None:
        self.replicas = replicas
        self.members = {member.node: member for member in members}
        self.peers = ScriptedPeers(*members)
        records: list[DatasetRecord] = [dataset(member.node, member.version, len(member.rows)) for member in members]
        names = [node, *(member.node for member in members if member.node not in gone)]
        self.observed: list[MemberOutcome] = []
        own = self.members.get(node)
        held = {record.collection: record for record in records if record.node == node}
        copies = {item.dataset: dataset(item.node, item.version, len(item.rows)) for item in replicas}
        held_elsewhere = [
            ReplicaRecord(copy.dataset, item.node, copy.version, digest="00" * 32)
            for item in members
            for copy in item.holds
        ]
        directory = FixedDirectory(view(names, records, stale, held_elsewhere, draining))
        self.federation = Federation(
            planner=Planner(node, directory, lambda: held, lambda: copies, bypass),
            catalogue=FixedCatalogue(PARCELS),
            store=MemberStore(own or Member(node), *replicas),  # type: ignore[arg-type]
            peers=self.peers,
            request_id=lambda: "request-1",
            observe=self.observed.append,
            boundaries=Boundaries(directory, lambda wanted: ()),
            nearest=nearest,
            notary=notary,
        )

    def frames(self, question: Question, timeout: float) -> AsyncIterator[Frame]:
        if isinstance(question, Query):
            return self.federation.query(question, timeout)
        if isinstance(question, (Overlay, LayerOverlay)):
            return self.federation.overlay(question, timeout)
        return self.federation.stats(question, timeout)

    async def ask(self, question: Question, timeout: float = 20.0) -> Heard:
        heard, started = Heard(), time.perf_counter()
        try:
            async for frame in self.frames(question, timeout):
                heard.frames.append(frame)
        except errors.GuotuError as failure:
            heard.failure = failure
        heard.seconds = time.perf_counter() - started
        self.all_closed()
        return heard

    def all_closed(self) -> None:
        held = [copy for member in self.members.values() for copy in member.holds]
        for member in (*self.members.values(), *self.replicas, *held):
            assert member.opened == member.closed, member.node


def three(**second: object) -> tuple[Member, Member, Member]:
    """Return the province with 25 rows, and two cities with 35 and 45; the first city is as told."""
    return (
        Member("510000", parcels("510000", 25), version=2),
        replace(Member("510100", parcels("510100", 35), version=3), **second),  # type: ignore[arg-type]
        Member("510200", parcels("510200", 45), version=4),
    )


def expected_totals(*members: Member) -> list[dict[str, object]]:
    classes = sorted({row["DLBM"] for member in members for row in member.rows})
    rows = [row for member in members for row in member.rows]
    return [
        {
            "DLBM": name,
            "n": sum(row["DLBM"] == name for row in rows),
            "area": sum((Decimal(repr(row["TBMJ"])) for row in rows if row["DLBM"] == name), Decimal("0.00")),
        }
        for name in classes
    ]
