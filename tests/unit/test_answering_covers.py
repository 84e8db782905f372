"""Answers where those who stand in for a member of many datasets turn out to lack one of these."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from guotu.model.answer import MemberOutcome, Outcome
from guotu.model.question import Options
from tests.support.scripted_mesh import LOST, PARTIAL, Heard, Make, Mesh, rows_of, sorted_rows, three, totals
from tests.support.scripted_peers import Member, parcels

pytestmark = pytest.mark.usefixtures("idle_time")

PROVINCE, CITY, _ = three()
EVERY_QUESTION = pytest.mark.parametrize("make", [rows_of, sorted_rows, totals])


def fresh(member: Member, **wrong: object) -> Member:
    """Return a member with the same rows, or its replica, that nobody has asked yet."""
    return replace(Member(member.node, member.rows, member.version), **wrong)  # type: ignore[arg-type]


def told(city: Member) -> MemberOutcome:
    return MemberOutcome(city.node, city.dataset, Outcome.ANSWERED, version=city.version, rows=len(city.rows))


def nation(
    relay: dict[str, object],
    copy: Member,
    of_city: dict[str, object],
    alone: bool = True,
    draining: tuple[str, ...] = (),
) -> Mesh:
    """Return a nation over a province that has a city below it, and others that hold replicas of the two.

    Args:
        relay: what is wrong with the province.
        copy: the province's replica.
        of_city: what is wrong with the city's.
        alone: nobody asks the city but the province.
        draining: who is being drained.
    """
    province = Member(PROVINCE.node, [*PROVINCE.rows, *CITY.rows], PROVINCE.version, others=(told(CITY),))
    return Mesh(
        Member("100000"),
        replace(province, **relay),  # type: ignore[arg-type]
        fresh(CITY),
        Member("520000", parcels("520000", 5), holds=(copy,)),
        Member("530000", parcels("530000", 5), holds=(fresh(CITY, **of_city),)),
        node="100000",
        draining=draining,
        bypass=not alone,
    )


def outcomes(heard: Heard) -> dict[str, Outcome]:
    return {node: member.outcome for node, member in heard.outcomes.items() if node in ("510000", "510100")}


@EVERY_QUESTION
@pytest.mark.parametrize("wrong", [{"failure": LOST, "silent_header": True}, {"failure": LOST}])
async def test_a_late_member_is_waited_for_where_others_have_the_first_rows_and_not_all(
    make: Make, wrong: dict[str, object]
) -> None:
    """Else an answer would be partial because its member was late."""
    copy = fresh(PROVINCE)
    asked = nation({"after": copy.heard, "quiet_s": 0.2}, copy, wrong)
    heard = await asked.ask(make(PARTIAL))
    assert heard.trailer.completeness.complete
    assert outcomes(heard) == {"510000": Outcome.ANSWERED, "510100": Outcome.ANSWERED}
    assert len(copy.asked) == 1


@EVERY_QUESTION
async def test_others_answer_in_the_place_of_a_late_member_once_all_of_them_begin(make: Make) -> None:
    copy, never = fresh(PROVINCE), asyncio.Event()
    heard = await nation({"after": never}, copy, {"quiet_s": 0.1}).ask(make(Options()))
    assert heard.failure is None
    assert outcomes(heard) == {"510000": Outcome.REPLICA, "510100": Outcome.REPLICA}
    assert len(heard.rows) == (3 if make is totals else 70)


@EVERY_QUESTION
async def test_a_draining_member_answers_where_replicas_turn_out_to_lack_a_part(make: Make) -> None:
    asked = nation({}, fresh(PROVINCE), {"failure": LOST}, draining=("510000",))
    heard = await asked.ask(make(PARTIAL))
    assert heard.trailer.completeness.complete
    assert outcomes(heard) == {"510000": Outcome.ANSWERED, "510100": Outcome.ANSWERED}


@EVERY_QUESTION
async def test_what_lies_behind_a_lost_member_is_asked_for_once_more_where_its_replicas_fail(make: Make) -> None:
    """The member was late at first, so that nobody was asked without it; now its city is."""
    copy = fresh(PROVINCE)
    lost = {"after": copy.heard, "quiet_s": 0.1, "failure": LOST, "silent_header": True}
    heard = await nation(lost, copy, {"failure": LOST}, alone=False).ask(make(Options()))
    assert heard.failure is None
    assert outcomes(heard) == {"510000": Outcome.REPLICA, "510100": Outcome.ANSWERED}
    assert heard.outcomes["510100"].reason == "BYPASSED"


@EVERY_QUESTION
async def test_what_others_have_is_told_where_the_late_member_fails_and_why_the_rest_is_missing(make: Make) -> None:
    copy = fresh(PROVINCE)
    lost = {"after": copy.heard, "quiet_s": 0.1, "failure": LOST, "silent_header": True}
    heard = await nation(lost, copy, {"failure": LOST}).ask(make(PARTIAL))
    assert outcomes(heard) == {"510000": Outcome.REPLICA, "510100": Outcome.UNREACHABLE}
    assert len(copy.asked) == 1
    assert "; its replica at 530000: NODE_UNAVAILABLE, " in heard.outcomes["510100"].detail
