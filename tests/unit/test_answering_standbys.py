"""Answers where owners are lost or late and replicas are there: the same rows, said to be of whom they are."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from decimal import Decimal

import pytest

from federation.execution.cause import Cause
from federation.execution.opening import Opening
from guotu.model import errors
from guotu.model.answer import Completeness, Frame, Header, MemberOutcome, Notice, Outcome, Trailer
from guotu.model.plan import Plan
from guotu.model.question import CompletenessMode, Options, Query, Question, Scope, SortKey
from tests.support.eventually import eventually
from tests.support.scripted_mesh import (
    ANY_QUESTION,
    FIELDS,
    LOST,
    PARTIAL,
    Make,
    Mesh,
    expected_totals,
    rows_of,
    sorted_rows,
    three,
    totals,
)
from tests.support.scripted_peers import Member, parcels

pytestmark = pytest.mark.usefixtures("idle_time")

STORE = errors.StoreFailure(detail="the engine failed")
REFUSED = errors.Refused(detail="not for you")
WAYS: dict[str, dict[str, object]] = {
    "NODE_UNAVAILABLE": {"failure": LOST},
    "STORE_FAILURE": {"failure": STORE},
    "INTERNAL": {"failure": ValueError("no error of ours")},
    "LATE": {"quiet_s": 5.0},
    "silent": {"silent": True},
    "silent after its header": {"silent_after": 0},
}


def copy_of(city: Member, **wrong: object) -> Member:
    """Return a replica that is right, whatever is wrong with its owner."""
    return replace(Member(city.node, parcels(city.node, 35), city.version), **wrong)  # type: ignore[arg-type]


def mesh(second: dict[str, object], *copies: Member, **more: object) -> Mesh:
    """Return three members, of which the last holds the replicas."""
    province, city, other = three(**second)
    return Mesh(province, city, replace(other, holds=copies), **more)  # type: ignore[arg-type]


def city_of(members: dict[str, MemberOutcome]) -> MemberOutcome:
    return members["510100"]


def limited(options: Options) -> Query:
    return Query("dltb", fields=FIELDS, sort=(SortKey("TBMJ", descending=True),), limit=17, options=options)


HEALTHY = three()
COPY = copy_of(HEALTHY[1])


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("make", [rows_of, sorted_rows, totals, limited])
async def test_a_replica_answers_in_the_place_of_a_member_that_does_not(make: Make, way: str) -> None:
    healthy = await Mesh(*three()).ask(make(Options()))
    heard = await mesh(WAYS[way], copy_of(HEALTHY[1])).ask(make(Options()))
    assert heard.failure is None
    assert heard.rows == healthy.rows
    assert heard.trailer.digest == healthy.trailer.digest
    assert heard.trailer.completeness.complete
    told = city_of(heard.outcomes)
    assert (told.node, told.dataset, told.outcome, told.replica, told.version) == (
        "510100", "510100/dltb", Outcome.REPLICA, "510200", 3,
    )  # fmt: skip
    assert told.reason.startswith("OWNER_") or (make is limited and told.reason == "STOPPED_EARLY")
    assert told.detail
    assert heard.outcomes["510200"].outcome is Outcome.ANSWERED


@ANY_QUESTION
async def test_the_standby_is_asked_for_that_dataset_alone_at_that_version(make: Make) -> None:
    asked = mesh({"failure": LOST}, copy_of(HEALTHY[1]))
    await asked.ask(make(Options()))
    (copy,) = asked.members["510200"].holds
    (question,) = copy.asked
    options = question.options
    assert (options.dataset, options.cut, options.scope) == ("510100/dltb", {"510100/dltb": 3}, Scope.SELF)


@ANY_QUESTION
async def test_a_member_that_is_not_registered_is_replaced_too(make: Make) -> None:
    healthy = await Mesh(*three()).ask(make(Options()))
    heard = await mesh({}, copy_of(HEALTHY[1]), gone=("510100",)).ask(make(Options()))
    assert heard.failure is None
    assert heard.rows == healthy.rows
    assert heard.trailer.digest == healthy.trailer.digest
    assert (city_of(heard.outcomes).outcome, city_of(heard.outcomes).reason) == (
        Outcome.REPLICA, "OWNER_UNREACHABLE",
    )  # fmt: skip


@ANY_QUESTION
async def test_the_replica_held_here_is_the_first_choice(make: Make) -> None:
    healthy = await Mesh(*three()).ask(make(Options()))
    asked = mesh({"failure": LOST}, copy_of(HEALTHY[1]), replicas=(copy_of(HEALTHY[1]),))
    heard = await asked.ask(make(Options()))
    assert heard.trailer.digest == healthy.trailer.digest
    assert city_of(heard.outcomes).replica == "510000"
    assert asked.members["510200"].holds[0].asked == []


@ANY_QUESTION
async def test_where_one_standby_fails_the_next_answers(make: Make) -> None:
    healthy = await Mesh(*three()).ask(make(Options()))
    gone = errors.UnknownVersion(dataset="510100/dltb", version=3)
    for wrong in (LOST, gone):
        asked = mesh({"failure": LOST}, copy_of(HEALTHY[1]), replicas=(copy_of(HEALTHY[1], failure=wrong),))
        heard = await asked.ask(make(Options()))
        assert heard.failure is None
        assert heard.trailer.digest == healthy.trailer.digest
        assert city_of(heard.outcomes).replica == "510200"


@ANY_QUESTION
async def test_the_outcome_is_the_owners_where_no_standby_answers_either(make: Make) -> None:
    heard = await mesh({"failure": LOST}, copy_of(HEALTHY[1], failure=STORE)).ask(make(PARTIAL))
    alone = await Mesh(*three(failure=LOST)).ask(make(PARTIAL))
    assert heard.rows == alone.rows
    told = city_of(heard.outcomes)
    assert (told.outcome, told.reason, told.via) == (Outcome.UNREACHABLE, "NODE_UNAVAILABLE", "")
    strict = await mesh({"failure": LOST}, copy_of(HEALTHY[1], failure=STORE)).ask(make(Options()))
    assert isinstance(strict.failure, errors.IncompleteAnswer)


@pytest.mark.parametrize("wrong", [{"failure": REFUSED}, {"failure": errors.TooLarge(what="x", size=2, limit=1)}])
async def test_nobody_takes_the_place_of_a_member_that_refused(wrong: dict[str, object]) -> None:
    asked = mesh(wrong, copy_of(HEALTHY[1]))
    heard = await asked.ask(rows_of(PARTIAL))
    assert city_of(heard.outcomes).outcome in (Outcome.REFUSED, Outcome.FAILED)
    assert asked.members["510200"].holds[0].asked == []


@pytest.mark.parametrize("version", [1, 2])
async def test_a_replica_behind_the_pinned_version_does_not_answer(version: int) -> None:
    asked = mesh({"failure": LOST}, copy_of(HEALTHY[1], version=version))
    heard = await asked.ask(rows_of(PARTIAL))
    assert city_of(heard.outcomes).outcome is Outcome.UNREACHABLE
    assert asked.members["510200"].holds[0].asked == []


async def test_rows_of_two_copies_are_never_in_one_answer() -> None:
    """A member that is lost in the midst of its rows is missing, though a replica is there."""
    asked = mesh({"failure": LOST, "fails_after": 2}, copy_of(HEALTHY[1]))
    heard = await asked.ask(rows_of(PARTIAL))
    told = city_of(heard.outcomes)
    assert (told.outcome, told.truncated) == (Outcome.FAILED, True)
    assert asked.members["510200"].holds[0].asked == []


async def test_a_member_that_is_late_answers_if_it_is_first() -> None:
    copy = copy_of(HEALTHY[1], silent=True)
    asked = mesh({"after": copy.heard}, copy)
    heard = await asked.ask(rows_of(Options()))
    assert heard.failure is None
    assert city_of(heard.outcomes).outcome is Outcome.ANSWERED
    assert len(asked.members["510200"].holds[0].asked) == 1


async def test_a_late_member_is_waited_for_where_the_standby_fails() -> None:
    copy = copy_of(HEALTHY[1], failure=LOST)
    heard = await mesh({"after": copy.heard, "quiet_s": 0.1}, copy).ask(rows_of(Options()))
    assert heard.failure is None
    assert city_of(heard.outcomes).outcome is Outcome.ANSWERED


async def test_only_a_share_of_questions_is_asked_twice() -> None:
    asked = mesh({"quiet_s": 0.3, "silent_after": None}, copy_of(HEALTHY[1]))
    asked.federation._punctuality._of("510100:1").more = -100.0
    heard = await asked.ask(rows_of(Options()))
    assert city_of(heard.outcomes).outcome is Outcome.ANSWERED
    assert asked.members["510200"].holds[0].asked == []


async def test_a_member_that_failed_is_not_waited_for_the_next_time() -> None:
    asked = mesh({"silent": True}, copy_of(HEALTHY[1]))
    await asked.ask(rows_of(Options()))
    assert asked.federation._punctuality.doubt("510100:1") is not None
    heard = await asked.ask(rows_of(Options()))
    assert city_of(heard.outcomes).outcome is Outcome.REPLICA


async def test_a_member_that_lacks_a_version_is_not_in_doubt_for_other_questions() -> None:
    asked = mesh({"failure": errors.UnknownVersion(dataset="510100/dltb", version=3)}, copy_of(HEALTHY[1]))
    heard = await asked.ask(rows_of(Options()))
    assert (city_of(heard.outcomes).outcome, city_of(heard.outcomes).reason) == (Outcome.REPLICA, "OWNER_FAILED")
    assert asked.federation._punctuality.doubt("510100:1") is None


async def test_a_doubt_is_not_prolonged_by_questions_that_standbys_answer() -> None:
    asked = mesh({}, copy_of(HEALTHY[1]))
    punctuality = asked.federation._punctuality
    punctuality.failed("510100:1", Cause(Outcome.UNREACHABLE, "NODE_UNAVAILABLE", "it was away"))
    until = punctuality._of("510100:1").doubted_until
    for _ in range(5):
        heard = await asked.ask(rows_of(Options()))
        assert heard.failure is None
    assert punctuality._of("510100:1").doubted_until == until


class BrokenStore(Member):
    """A member that tells in its trailer that it could not read its dataset."""

    async def _frames(self, question: Question) -> AsyncIterator[Frame]:
        schema = self.table(question).schema
        yield Header("r", self.node, Plan(self.node, "dltb", Scope.SELF, ()), {self.dataset: self.version}, schema)
        failed = MemberOutcome(self.node, self.dataset, Outcome.FAILED, "STORE_FAILURE", version=self.version)
        yield Trailer(Completeness(CompletenessMode.ALLOW_PARTIAL, (failed,)), 0, 0, b"")


@ANY_QUESTION
async def test_a_member_that_tells_of_a_failed_store_is_replaced(make: Make) -> None:
    province, city, other = three()
    broken = BrokenStore(city.node, city.rows, city.version)
    healthy = await Mesh(*three()).ask(make(Options()))
    heard = await Mesh(province, broken, replace(other, holds=(copy_of(city),))).ask(make(Options()))
    assert heard.failure is None
    assert (heard.rows, heard.trailer.digest) == (healthy.rows, healthy.trailer.digest)
    assert (city_of(heard.outcomes).outcome, city_of(heard.outcomes).reason) == (Outcome.REPLICA, "OWNER_FAILED")


def nation(relay: dict[str, object], *held: Member) -> Mesh:
    """Return a nation that holds replicas, over a province through which alone it asks two cities."""
    province, city, other = three()
    relay = {"node": province.node, "rows": province.rows, "version": province.version} | relay
    return Mesh(
        Member("100000", parcels("100000", 3)),
        Member(**relay),
        city,
        other,
        node="100000",
        replicas=held,  # type: ignore[arg-type]
        bypass=False,
    )


@pytest.mark.parametrize("make", [rows_of, sorted_rows, totals])
async def test_all_that_lies_behind_a_lost_member_is_answered_by_replicas(make: Make) -> None:
    province, city, other = three()
    asked = nation({"failure": LOST}, replace(province), replace(city), replace(other))
    heard = await asked.ask(make(Options()))
    assert heard.failure is None
    whole = [*parcels("100000", 3), *province.rows, *city.rows, *other.rows]
    if make is totals:
        assert heard.rows == expected_totals(Member("100000", whole))
    else:
        found = [row["BSM"] for row in heard.rows]
        areas = [row["TBMJ"] for row in heard.rows]
        assert sorted(map(str, found)) == sorted(row["BSM"] for row in whole)
        assert make is not sorted_rows or areas == sorted(areas, key=Decimal)  # type: ignore[arg-type]
    told = heard.trailer.completeness.members
    assert [(item.dataset, item.outcome, item.replica, item.via) for item in told if item.node != "100000"] == [
        (f"{name}/dltb", Outcome.REPLICA, "100000", "100000") for name in ("510000", "510100", "510200")
    ]


@ANY_QUESTION
async def test_what_no_replica_covers_behind_a_lost_member_is_missing(make: Make) -> None:
    province, city, _ = three()
    heard = await nation({"failure": LOST}, replace(province), replace(city)).ask(make(PARTIAL))
    assert heard.failure is None
    assert not heard.trailer.completeness.complete
    lost = heard.outcomes["510200"]
    assert (lost.outcome, lost.reason, lost.via) == (Outcome.UNREACHABLE, "NODE_UNAVAILABLE", "510000")
    assert {heard.outcomes[name].outcome for name in ("510000", "510100")} == {Outcome.REPLICA}
    strict = await nation({"failure": LOST}, replace(province), replace(city)).ask(make(Options()))
    assert isinstance(strict.failure, errors.IncompleteAnswer)


async def test_a_dataset_asked_alone_is_answered_by_its_replica() -> None:
    heard = await mesh({"failure": LOST}, copy_of(HEALTHY[1])).ask(rows_of(Options(dataset="510100/dltb")))
    assert heard.failure is None
    assert city_of(heard.outcomes).outcome is Outcome.REPLICA
    assert len(heard.rows) == 35


@ANY_QUESTION
async def test_what_a_standby_has_to_say_is_passed_on(make: Make) -> None:
    said = Notice("OWNER_NOT_ASKED", "features count twice", "510200")
    heard = await mesh({"failure": LOST}, copy_of(HEALTHY[1], notices=(said,))).ask(make(Options()))
    assert heard.failure is None
    assert heard.notices == ["OWNER_NOT_ASKED"]


async def test_a_member_that_was_overtaken_is_let_go_while_the_answer_goes_on() -> None:
    """It holds a turn, and its store a scan, as long as it is not."""
    copy = replace(COPY, rows=parcels("510100", 200))
    asked = mesh({"silent_after": 0}, copy)
    frames = asked.frames(rows_of(Options()), 20.0)
    async with aclosing(frames):  # type: ignore[type-var]
        await anext(frames)
        await eventually(lambda: asked.members["510100"].closed == 1)
        (standby,) = asked.members["510200"].holds
        assert (standby.opened, standby.closed) == (1, 0)


async def test_whoever_closes_a_stream_can_be_stopped_himself() -> None:
    """Else a member's task would go on, and wait for somebody to take its rows."""
    begun, let = asyncio.Event(), asyncio.Event()

    async def reluctant() -> AsyncIterator[Frame]:
        try:
            begun.set()
            await asyncio.Event().wait()
            yield Notice("NEVER", "")
        finally:
            await let.wait()

    opening = Opening(reluctant())
    await begun.wait()
    closing = asyncio.create_task(opening.close())
    await asyncio.sleep(0)
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    let.set()
    await asyncio.wait((opening.begun,))
    assert opening.begun.cancelled()
