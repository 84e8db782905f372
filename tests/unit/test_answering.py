"""Answers of scripted members: completeness, failure, deadlines, limits, digests, cancellation."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from decimal import Decimal

import pyarrow as pa
import pytest

from federation.planning.planner import Planner
from federation.service import Federation
from guotu.model import errors
from guotu.model.answer import Batch, Frame, Header, MemberOutcome, Notice, Outcome, Trailer
from guotu.model.digest import SegmentDigest, result_digest
from guotu.model.plan import Decision, Plan
from guotu.model.question import (
    Aggregate,
    AggregateFunction,
    CompletenessMode,
    Options,
    Query,
    Question,
    Scope,
    Selection,
    SortKey,
    Stats,
)
from guotu.model.records import DatasetRecord, Extent
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
    """One node's federation over scripted members; the node's own rows are those of the member of its name."""

    def __init__(self, *members: Member, node: str = "510000", stale: bool = False, gone: tuple[str, ...] = ()) -> None:
        self.members = {member.node: member for member in members}
        self.peers = ScriptedPeers(*members)
        records: list[DatasetRecord] = [dataset(member.node, member.version, len(member.rows)) for member in members]
        names = [node, *(member.node for member in members if member.node not in gone)]
        self.observed: list[MemberOutcome] = []
        own = self.members.get(node)
        held = {record.collection: record for record in records if record.node == node}
        directory = FixedDirectory(view(names, records, stale))
        self.federation = Federation(
            planner=Planner(node, directory, lambda: held),
            catalogue=FixedCatalogue(PARCELS),
            store=MemberStore(own or Member(node)),  # type: ignore[arg-type]
            peers=self.peers,
            request_id=lambda: "request-1",
            observe=self.observed.append,
        )

    def frames(self, question: Question, timeout: float) -> AsyncIterator[Frame]:
        if isinstance(question, Query):
            return self.federation.query(question, timeout)
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
        for member in self.members.values():
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


# -------------------------------------------------------------------------------------------------- all answer


async def test_rows_come_in_member_order_with_header_and_trailer() -> None:
    members = three()
    mesh = Mesh(*members)
    heard = await mesh.ask(rows_of(Options()))
    assert heard.failure is None
    assert [row["BSM"] for row in heard.rows] == [row["BSM"] for member in members for row in member.rows]
    cut = {"510000/dltb": 2, "510100/dltb": 3, "510200/dltb": 4}
    assert (heard.header.request_id, heard.header.node, heard.header.cut) == ("request-1", "510000", cut)
    assert heard.header.schema.names == list(FIELDS)
    trailer = heard.trailer
    assert (trailer.rows, trailer.completeness.complete) == (105, True)
    assert [(part.dataset, part.version, part.rows) for part in trailer.segments] == [
        ("510000/dltb", 2, 25),
        ("510100/dltb", 3, 35),
        ("510200/dltb", 4, 45),
    ]
    assert trailer.digest == result_digest(trailer.segments)
    assert {name: member.outcome for name, member in heard.outcomes.items()} == dict.fromkeys(
        ("510000", "510100", "510200"), Outcome.ANSWERED
    )
    assert heard.outcomes["510200"].rows == 45
    assert mesh.observed == list(trailer.completeness.members)


async def test_members_are_asked_what_is_theirs() -> None:
    mesh = Mesh(*three(), Member("510104", parcels("510104", 5)))
    await mesh.ask(replace(rows_of(Options()), limit=7, selection=Selection("DLBM = '0101'")), timeout=10)
    (question,) = mesh.members["510100"].asked
    assert isinstance(question, Query)
    assert question.selection.filter == "DLBM = '0101'"
    assert question.limit == 7
    assert question.options.completeness is CompletenessMode.ALLOW_PARTIAL
    assert question.options.scope is Scope.SUBTREE
    assert question.options.cut == {"510100/dltb": 3, "510104/dltb": 1}
    assert mesh.members["510104"].asked == []
    (timeout,) = mesh.members["510100"].timeouts
    assert timeout is not None
    assert 8.0 < timeout < 10.0


async def test_sorted_rows_are_merged_with_ties_in_member_order() -> None:
    members = three(batch_rows=7)
    heard = await Mesh(*members).ask(replace(sorted_rows(Options()), sort=(SortKey("TBMJ", descending=True),)))
    rows = [(-row["TBMJ"], row["BSM"]) for member in members for row in member.rows]
    assert [(-row["TBMJ"], row["BSM"]) for row in heard.rows] == sorted(rows)  # type: ignore[operator]
    assert [(part.dataset, part.rows) for part in heard.trailer.segments] == [("", 105)]


async def test_a_sort_field_that_was_not_asked_for_does_not_come() -> None:
    heard = await Mesh(*three()).ask(Query("dltb", fields=("DLBM",), sort=(SortKey("TBMJ"),), limit=3))
    assert [list(row) for row in heard.rows] == [["DLBM"]] * 3


@pytest.mark.parametrize("by", [("DLBM",), ()])
async def test_groups_are_merged_exactly(by: tuple[str, ...]) -> None:
    members = three()
    heard = await Mesh(*members).ask(replace(TOTALS, group_by=by))
    expected = expected_totals(*members)
    if not by:
        expected = [{"n": 105, "area": sum((row["area"] for row in expected), Decimal(0))}]  # type: ignore[misc]
    assert heard.rows == expected
    assert heard.trailer.rows == len(expected)


async def test_averages_are_finished_here() -> None:
    members = three()
    heard = await Mesh(*members).ask(Stats("dltb", (Aggregate(AggregateFunction.AVG, "TBMJ", "mean"),)))
    areas = [row["TBMJ"] for member in members for row in member.rows]
    assert heard.rows == [{"mean": pytest.approx(sum(areas) / len(areas))}]


async def test_nobody_expected_is_an_empty_and_complete_answer() -> None:
    heard = await Mesh(*three()).ask(Query("dltb", Selection(bbox=Extent(80, 40, 81, 41)), FIELDS))
    assert heard.failure is None
    assert heard.rows == []
    assert {member.outcome for member in heard.outcomes.values()} == {Outcome.PRUNED}
    nowhere = Selection(bbox=Extent(80, 40, 81, 41))
    heard = await Mesh(*three()).ask(Stats("dltb", TOTALS.aggregates, selection=nowhere))
    assert heard.rows == [{"n": 0, "area": None}]


async def test_warnings_of_members_and_of_a_stale_directory_are_passed_on() -> None:
    notice = Notice("SLOW_DISK", "磁盘慢 slow", "510100")
    heard = await Mesh(*three(notices=(notice,)), stale=True).ask(rows_of(Options()))
    assert heard.notices == ["STALE_REGISTRY", "SLOW_DISK"]
    assert heard.trailer.completeness.stale_registry
    assert heard.failure is None


# ------------------------------------------------------------------------------------------------- some do not


@ANY_QUESTION
async def test_strict_questions_fail_and_say_who_is_missing(make: Make) -> None:
    heard = await Mesh(*three(failure=LOST)).ask(make(Options()))
    assert isinstance(heard.failure, errors.IncompleteAnswer)
    assert heard.failure.completeness == heard.trailer.completeness
    assert heard.outcomes["510100"].outcome is Outcome.UNREACHABLE
    assert "510100/dltb UNREACHABLE (NODE_UNAVAILABLE)" in str(heard.failure)


@ANY_QUESTION
async def test_partial_answers_hold_the_others_whole_and_are_marked(make: Make) -> None:
    province, lost, city = three(failure=LOST)
    heard = await Mesh(province, lost, city).ask(make(PARTIAL))
    alone = await Mesh(province, city).ask(make(PARTIAL))
    assert heard.failure is None
    assert heard.rows == alone.rows
    assert heard.trailer.digest == alone.trailer.digest
    assert not heard.trailer.completeness.complete
    assert heard.trailer.completeness.rows_share == pytest.approx(70 / 105)
    assert [member.dataset for member in heard.trailer.completeness.missing] == ["510100/dltb"]


@ANY_QUESTION
async def test_nobody_answering_is_an_error_in_either_mode(make: Make) -> None:
    members = [replace(member, failure=LOST) for member in three()]
    heard = await Mesh(*members).ask(make(PARTIAL))
    assert isinstance(heard.failure, errors.NobodyAnswered)
    assert heard.rows == []
    strict = await Mesh(*members).ask(make(Options()))
    assert isinstance(strict.failure, errors.IncompleteAnswer)


async def test_nobody_answering_is_an_error_if_all_others_are_pruned() -> None:
    members = three(failure=LOST)
    mesh = Mesh(members[1], replace(members[2], rows=[]))
    heard = await mesh.ask(rows_of(PARTIAL))
    assert isinstance(heard.failure, errors.NobodyAnswered)
    assert heard.outcomes["510200"].reason == "EMPTY"


@ANY_QUESTION
async def test_a_strict_question_with_a_missing_member_asks_nobody(make: Make) -> None:
    mesh = Mesh(*three(), gone=("510100",))
    heard = await mesh.ask(make(Options()))
    assert isinstance(heard.failure, errors.IncompleteAnswer)
    assert all(member.opened == 0 for member in mesh.members.values())
    assert heard.outcomes["510100"].reason == "NOT_REGISTERED"
    assert heard.outcomes["510200"].reason == "NOT_NEEDED"
    assert heard.rows == []


@pytest.mark.parametrize(("stale", "outcome"), [(False, Outcome.UNREACHABLE), (True, Outcome.STALE_REGISTRY)])
async def test_a_missing_member_of_a_partial_question(stale: bool, outcome: Outcome) -> None:
    heard = await Mesh(*three(), gone=("510100",), stale=stale).ask(rows_of(PARTIAL))
    assert heard.failure is None
    assert heard.outcomes["510100"].outcome is outcome
    assert len(heard.rows) == 70


async def test_a_member_out_of_reach_with_a_stale_directory() -> None:
    heard = await Mesh(*three(failure=LOST), stale=True).ask(rows_of(PARTIAL))
    assert heard.outcomes["510100"].outcome is Outcome.STALE_REGISTRY


@pytest.mark.parametrize(
    ("failure", "outcome", "reason"),
    [
        (errors.Refused(detail="no grant"), Outcome.REFUSED, "REFUSED"),
        (errors.UnknownVersion(dataset="510100/dltb", version=3), Outcome.FAILED, "UNKNOWN_VERSION"),
        (errors.StoreFailure(detail="disk"), Outcome.FAILED, "STORE_FAILURE"),
        (ValueError("a peer of another kind"), Outcome.FAILED, "INTERNAL"),
        (KeyError("decision"), Outcome.FAILED, "INTERNAL"),
        (MemoryError(), Outcome.FAILED, "INTERNAL"),
        (TimeoutError(), Outcome.TIMED_OUT, "DEADLINE_EXCEEDED"),
    ],
    ids=repr,
)
async def test_any_failure_costs_the_member_and_not_the_answer(
    failure: Exception, outcome: Outcome, reason: str
) -> None:
    heard = await Mesh(*three(failure=failure)).ask(rows_of(PARTIAL), timeout=10)
    member = heard.outcomes["510100"]
    assert (member.outcome, member.reason) == (outcome, reason)
    assert len(heard.rows) == 70
    assert heard.seconds < 5


async def test_the_own_store_may_fail_like_any_member() -> None:
    province, *cities = three()
    heard = await Mesh(replace(province, failure=errors.StoreFailure(detail="disk")), *cities).ask(rows_of(PARTIAL))
    assert heard.outcomes["510000"].reason == "STORE_FAILURE"
    assert len(heard.rows) == 80


async def test_rows_before_a_loss_go_out_marked_and_not_digested() -> None:
    heard = await Mesh(*three(failure=LOST, fails_after=2)).ask(rows_of(PARTIAL))
    lost = heard.outcomes["510100"]
    assert (lost.outcome, lost.reason, lost.truncated) == (Outcome.FAILED, "LOST_MID_STREAM", True)
    assert len(heard.rows) == 25 + 20 + 45
    assert heard.trailer.rows == 90
    assert [part.dataset for part in heard.trailer.segments] == ["510000/dltb", "510200/dltb"]


async def test_groups_of_a_member_lost_half_way_do_not_count() -> None:
    province, lost, city = three(failure=LOST, fails_after=1, batch_rows=1)
    heard = await Mesh(province, lost, city).ask(totals(PARTIAL))
    assert heard.rows == expected_totals(province, city)
    member = heard.outcomes["510100"]
    assert (member.outcome, member.truncated) == (Outcome.UNREACHABLE, False)


async def test_an_answer_without_trailer_is_a_failure() -> None:
    for make in (rows_of, totals):
        heard = await Mesh(*three(no_trailer=True)).ask(make(PARTIAL))
        assert heard.outcomes["510100"].outcome is Outcome.FAILED
        assert not heard.trailer.completeness.complete


@ANY_QUESTION
async def test_a_failure_after_the_trailer_changes_nothing(make: Make) -> None:
    """The trailer has told that all is there; a strict answer must neither fail nor lose the others' rows."""
    heard = await Mesh(*three(failure=LOST, fails_after=None)).ask(make(Options()))
    whole = await Mesh(*three()).ask(make(Options()))
    assert heard.failure is None
    assert heard.trailer.completeness.complete
    assert heard.rows == whole.rows
    assert heard.trailer.digest == whole.trailer.digest


async def test_a_member_with_another_schema_is_refused() -> None:
    heard = await Mesh(*three(schema=pa.schema([("BSM", pa.string())]))).ask(rows_of(PARTIAL))
    member = heard.outcomes["510100"]
    assert (member.outcome, member.reason) == (Outcome.FAILED, "INTERNAL")
    assert "schema" in member.detail


async def test_what_lies_behind_a_member_is_told_with_its_way() -> None:
    behind = (
        MemberOutcome("510104", "510104/dltb", Outcome.TIMED_OUT, "DEADLINE_EXCEEDED"),
        MemberOutcome("510104-ly", "510104-ly/dltb", Outcome.ANSWERED, via="510104", rows=3),
    )
    mesh = Mesh(*three(others=behind), Member("510104", parcels("510104", 5)))
    heard = await mesh.ask(rows_of(PARTIAL))
    assert {name: member.via for name, member in heard.outcomes.items()} == {
        "510000": "",
        "510100": "",
        "510104": "510100",
        "510104-ly": "510104",
        "510200": "",
    }
    assert [member.dataset for member in heard.trailer.completeness.missing] == ["510104/dltb"]
    assert heard.outcomes["510104"].advertised_rows == 5
    strict = await mesh.ask(rows_of(Options()))
    assert isinstance(strict.failure, errors.IncompleteAnswer)


async def test_a_member_that_tells_of_nothing_is_not_believed() -> None:
    heard = await Mesh(*three(untold=True)).ask(rows_of(Options()))
    assert isinstance(heard.failure, errors.IncompleteAnswer)
    assert heard.outcomes["510100"].reason == "NOT_ANSWERED"


# --------------------------------------------------------------------------------------------------- deadlines


@ANY_QUESTION
@pytest.mark.parametrize("options", [PARTIAL, Options()], ids=["partial", "strict"])
async def test_a_silent_member_costs_its_own_part_within_the_deadline(make: Make, options: Options) -> None:
    heard = await Mesh(*three(silent=True)).ask(make(options), timeout=1.0)
    assert heard.seconds < 3.0
    assert heard.outcomes["510100"].outcome is Outcome.TIMED_OUT
    if options is PARTIAL:
        assert heard.failure is None
        assert {name for name, member in heard.outcomes.items() if member.outcome.whole} == {"510000", "510200"}
    else:
        assert isinstance(heard.failure, errors.IncompleteAnswer)


async def test_members_behind_a_silent_one_have_time_left() -> None:
    """Rows go out in member order, so the last member's rows wait for the silent one; they must not be late for it."""
    province, silent, city = three(silent=True)
    city = replace(city, rows=parcels("510200", 1000), batch_rows=10)
    heard = await Mesh(province, silent, city).ask(rows_of(PARTIAL), timeout=2.0)
    assert {name: member.outcome for name, member in heard.outcomes.items()} == {
        "510000": Outcome.ANSWERED,
        "510100": Outcome.TIMED_OUT,
        "510200": Outcome.ANSWERED,
    }
    assert len(heard.rows) == 1025


async def test_a_member_that_falls_silent_is_late_and_truncated() -> None:
    heard = await Mesh(*three(silent_after=2)).ask(rows_of(PARTIAL), timeout=1.0)
    assert heard.seconds < 3.0
    late = heard.outcomes["510100"]
    assert (late.outcome, late.reason, late.truncated) == (Outcome.TIMED_OUT, "DEADLINE_EXCEEDED", True)


async def test_all_members_silent() -> None:
    members = [replace(member, silent=True) for member in three()[1:]]
    heard = await Mesh(*members).ask(rows_of(PARTIAL), timeout=0.5)
    assert isinstance(heard.failure, errors.NobodyAnswered)
    assert heard.seconds < 2.5


async def test_members_work_side_by_side() -> None:
    members = [
        Member(f"51{number:02d}00", parcels(f"51{number:02d}00", 20), seconds_a_batch=0.1) for number in range(1, 9)
    ]
    heard = await Mesh(*members).ask(rows_of(Options()))
    assert heard.failure is None
    assert heard.seconds < 8 * 0.3


# ------------------------------------------------------------------------------------------------------ limits


async def test_a_limit_ends_the_answer_and_the_members() -> None:
    members = [Member(f"51{number:02d}00", parcels(f"51{number:02d}00", 10_000)) for number in range(1, 5)]
    for member in members[1:]:
        member.seconds_a_batch = 0.05
    mesh = Mesh(*members)
    heard = await mesh.ask(replace(rows_of(Options()), limit=30))
    assert heard.failure is None
    assert [row["BSM"] for row in heard.rows] == [row["BSM"] for row in members[0].rows[:30]]
    assert heard.trailer.completeness.complete
    assert {member.reason for member in list(heard.outcomes.values())[1:]} == {"NOT_NEEDED"}
    assert sum(member.batches_sent for member in members[1:]) < 20


async def test_a_sorted_limit_marks_members_that_were_stopped() -> None:
    slow = [replace(member, seconds_a_batch=0.02, batch_rows=2) for member in three()]
    heard = await Mesh(*slow).ask(replace(sorted_rows(Options()), limit=10))
    rows = sorted((row["TBMJ"], row["BSM"]) for member in slow for row in member.rows)
    assert [(row["TBMJ"], row["BSM"]) for row in heard.rows] == rows[:10]
    assert heard.trailer.rows == 10
    assert heard.trailer.completeness.complete
    assert "STOPPED_EARLY" in {member.reason for member in heard.outcomes.values()}


@pytest.mark.parametrize("limit", [1, 24, 25, 26, 60, 105, 1000])
async def test_a_limit_is_exact(limit: int) -> None:
    members = three(batch_rows=7)
    heard = await Mesh(*members).ask(replace(rows_of(Options()), limit=limit))
    everything = [row["BSM"] for member in members for row in member.rows]
    assert [row["BSM"] for row in heard.rows] == everything[:limit]


# ----------------------------------------------------------------------------------------------------- digests


@ANY_QUESTION
@pytest.mark.parametrize("limit", [0, 40])
async def test_the_digest_does_not_depend_on_batches(make: Make, limit: int) -> None:
    question = make(Options())
    if isinstance(question, Query):
        question = replace(question, limit=limit)
    digests = set()
    for size in (1, 3, 10, 1000):
        heard = await Mesh(*[replace(member, batch_rows=size) for member in three()]).ask(question)
        digests.add(heard.trailer.digest)
    assert len(digests) == 1
    changed = three()
    changed[1].rows[0]["TBMJ"] += 0.01
    assert (await Mesh(*changed).ask(question)).trailer.digest not in digests


async def test_the_digest_is_that_of_the_rows_received() -> None:
    heard = await Mesh(*three()).ask(sorted_rows(Options()))
    digest = SegmentDigest(heard.header.schema)
    for frame in heard.frames:
        if isinstance(frame, Batch):
            digest.update(frame.rows)
    (segment,) = heard.trailer.segments
    assert (segment.digest, segment.rows) == (digest.digest(), 105)


@pytest.mark.parametrize(
    "question", [rows_of(Options()), sorted_rows(Options()), replace(rows_of(Options()), limit=20), TOTALS]
)
async def test_the_digest_does_not_depend_on_who_was_asked_in_vain(question: Question) -> None:
    """At one time a member without matching rows is pruned, at another (an older cut) it is asked."""
    full = Member("510100", parcels("510100", 35))
    empty = Member("510200", [])
    alone = await Mesh(full).ask(question)
    both = await Mesh(full, empty).ask(replace(question, options=Options(cut={"510200/dltb": 7})))
    assert len(empty.asked) == 1
    assert both.rows == alone.rows
    assert both.trailer.digest == alone.trailer.digest


# ------------------------------------------------------------------------------------------------ cancellation


@ANY_QUESTION
async def test_who_stops_reading_stops_the_members(make: Make) -> None:
    mesh = Mesh(*[replace(member, rows=parcels(member.node, 5000), batch_rows=5) for member in three(silent_after=300)])
    async with aclosing(mesh.frames(make(Options()), 30)) as frames:  # type: ignore[type-var]
        async for frame in frames:
            assert isinstance(frame, Header)
            await asyncio.sleep(0.05)
            break
    mesh.all_closed()
    assert mesh.members["510100"].opened == 1
    assert sum(member.batches_sent for member in mesh.members.values()) < 2000


@ANY_QUESTION
async def test_a_cancelled_question_closes_its_members(make: Make) -> None:
    mesh = Mesh(*three(silent=True))

    async def read() -> None:
        async for _ in mesh.frames(make(Options()), 30):
            pass

    task = asyncio.create_task(read())
    await asyncio.sleep(0.05)
    assert mesh.members["510100"].opened == 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    mesh.all_closed()
    assert not [other for other in asyncio.all_tasks() if other.get_name().startswith("member ")]


async def test_a_reader_that_stops_at_once_asks_nobody() -> None:
    mesh = Mesh(*three())
    frames = mesh.frames(rows_of(Options()), 30)
    assert isinstance(await anext(frames), Header)
    await frames.aclose()  # type: ignore[attr-defined]
    mesh.all_closed()


# ----------------------------------------------------------------------------------------------------- questions


@pytest.mark.parametrize(
    ("question", "failure"),
    [
        (Query("xzq"), errors.UnknownCollection),
        (Query("dltb", fields=("DLBN",)), errors.UnknownField),
        (Query("dltb", fields=("BSM", "BSM")), errors.InvalidQuestion),
        (Query("dltb", sort=(SortKey("nothing"),)), errors.UnknownField),
        (Query("dltb", sort=(SortKey("geometry"),)), errors.InvalidQuestion),
        (Query("dltb", limit=-1), errors.InvalidQuestion),
        (Query("dltb", crs="EPSG:999999"), errors.InvalidCrs),
        (Query("dltb", Selection("DLBM =")), errors.InvalidFilter),
        (Query("dltb", options=Options(cut={"dltb": 1})), errors.InvalidQuestion),
        (Query("dltb", options=Options(cut={"510100/dltb": 0})), errors.InvalidQuestion),
        (Stats("dltb", ()), errors.InvalidQuestion),
        (Stats("dltb", (Aggregate(SUM, "", "s"),)), errors.InvalidQuestion),
        (Stats("dltb", (Aggregate(SUM, "DLBM", "s"),)), errors.InvalidQuestion),
        (Stats("dltb", (Aggregate(SUM, "nothing", "s"),)), errors.UnknownField),
        (Stats("dltb", (Aggregate(COUNT, "", "DLBM"),), ("DLBM",)), errors.InvalidQuestion),
        (Stats("dltb", (Aggregate(COUNT, "", "1; DROP"),)), errors.InvalidQuestion),
        (Stats("dltb", (Aggregate(COUNT, "", "n"),), ("geometry",)), errors.UnknownField),
    ],
)
async def test_a_bad_question_is_refused_before_anybody_is_asked(
    question: Question, failure: type[errors.GuotuError]
) -> None:
    mesh = Mesh(*three())
    heard = await mesh.ask(question)
    assert type(heard.failure) is failure
    assert heard.frames == []
    assert all(member.opened == 0 for member in mesh.members.values())
    with pytest.raises(failure):
        await mesh.federation.explain(question, 5)
    with pytest.raises(failure):
        await mesh.federation.analyze(question, 5)


def averages(count: int, name: str = "mean_{}") -> tuple[Aggregate, ...]:
    return tuple(Aggregate(AggregateFunction.AVG, "TBMJ", name.format(number)) for number in range(count))


@pytest.mark.parametrize(
    "aggregates",
    [
        averages(17),
        averages(1, "m" * 60 + "{}"),
        (*averages(1), Aggregate(SUM, "TBMJ", "mean_0__sum")),
        (*averages(1), Aggregate(COUNT, "", "mean_0__count")),
    ],
)
async def test_averages_that_members_could_not_be_asked_for_are_refused_here(aggregates: tuple[Aggregate, ...]) -> None:
    """An average becomes a sum and a count for the members, which have the same bounds."""
    heard = await Mesh(*three()).ask(Stats("dltb", aggregates))
    assert isinstance(heard.failure, errors.InvalidQuestion)


async def test_the_most_averages_are_asked_for_as_the_members_take_them() -> None:
    mesh = Mesh(*three())
    heard = await mesh.ask(Stats("dltb", averages(16)))
    assert heard.failure is None
    (asked,) = mesh.members["510100"].asked
    assert (await Mesh(*three()).ask(asked)).failure is None


# -------------------------------------------------------------------------------------------- explain and analyze


async def test_explain_asks_for_the_plans_below_side_by_side() -> None:
    members = [Member(f"51{number:02d}00", parcels("x", 5)) for number in range(1, 21)]
    mesh = Mesh(*members)
    for member in members:
        mesh.peers.plans[f"{member.node}:1"] = Plan(member.node, "dltb", Scope.SELF, ())
    mesh.peers.plans["510300:1"] = errors.NodeUnavailable(address="510300:1", detail="refused")
    started = time.perf_counter()
    plan = await mesh.federation.explain(rows_of(Options()), 5)
    assert time.perf_counter() - started < 0.8
    below = {step.node: step for step in plan.steps}
    assert below["510100"].plan == Plan("510100", "dltb", Scope.SELF, ())
    assert below["510300"].plan is None
    assert "refused" in below["510300"].detail
    assert all(step.decision is Decision.ASK for step in plan.steps)


async def test_analyze_tells_what_happened_and_reports_a_partial_answer() -> None:
    trailer = await Mesh(*three()).federation.analyze(rows_of(Options()), 5)
    assert (trailer.rows, trailer.completeness.complete) == (105, True)
    trailer = await Mesh(*three(failure=LOST)).federation.analyze(totals(Options()), 5)
    assert not trailer.completeness.complete
