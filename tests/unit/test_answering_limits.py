"""Answers that are full before all members have ended: what lies behind a relay and was lost is told all the same."""

from __future__ import annotations

from dataclasses import replace

import pytest

from guotu.model.answer import MemberOutcome, Outcome
from guotu.model.errors import IncompleteAnswer
from guotu.model.question import Options, Query
from tests.support.scripted_mesh import LOST, PARTIAL, Make, Mesh, rows_of, sorted_rows
from tests.support.scripted_peers import Member, parcels

pytestmark = pytest.mark.usefixtures("idle_time")

LIMIT = 12
LOST_COUNTY = MemberOutcome("510104", "510104/dltb", Outcome.UNREACHABLE, "NODE_UNAVAILABLE", version=1)
LIMITED = pytest.mark.parametrize("make", [rows_of, sorted_rows])


def limited(make: Make, options: Options) -> Query:
    question = make(options)
    assert isinstance(question, Query)
    return replace(question, limit=LIMIT)


def city_without_its_county() -> Mesh:
    """Return a province whose only city has rows enough for the limit in small batches, and lost a county."""
    city = Member("510100", parcels("510100", 35), batch_rows=3, others=(LOST_COUNTY,), seconds_a_batch=0.01)
    return Mesh(Member("510000", parcels("510000", 3)), city, Member("510104", parcels("510104", 20)))


@LIMITED
async def test_a_loss_behind_a_relay_is_told_though_the_answer_was_full_before(make: Make) -> None:
    heard = await city_without_its_county().ask(limited(make, PARTIAL))
    assert heard.failure is None
    assert len(heard.rows) == LIMIT
    assert heard.outcomes["510104"].outcome is Outcome.UNREACHABLE
    assert not heard.trailer.completeness.complete


@LIMITED
async def test_a_strict_question_fails_then(make: Make) -> None:
    heard = await city_without_its_county().ask(limited(make, Options()))
    assert isinstance(heard.failure, IncompleteAnswer)


@LIMITED
async def test_standbys_that_cover_a_part_do_not_pass_for_the_whole(make: Make) -> None:
    city = Member("510100", parcels("510100", 35), failure=LOST)
    copy = Member("510100", parcels("510100", 35), batch_rows=3, seconds_a_batch=0.01)
    holder = Member("510200", parcels("510200", 2), holds=(copy,))
    members = Member("510000", parcels("510000", 3)), city, holder, Member("510104", parcels("510104", 20))
    heard = await Mesh(*members, bypass=False).ask(limited(make, PARTIAL))
    assert heard.failure is None
    assert len(heard.rows) == LIMIT
    assert heard.outcomes["510104"].outcome is Outcome.UNREACHABLE
    assert heard.outcomes["510100"].outcome is Outcome.REPLICA


async def test_members_that_gave_no_rows_are_not_waited_for() -> None:
    city = Member("510100", parcels("510100", 35))
    late = Member("510200", parcels("510200", 20), silent=True)
    heard = await Mesh(city, late, Member("510201", parcels("510201", 20))).ask(limited(rows_of, Options()))
    assert heard.failure is None
    assert heard.trailer.completeness.complete
    assert heard.outcomes["510200"].reason == "NOT_NEEDED"
