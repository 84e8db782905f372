"""Answers that are full before all members have ended: what lies behind a relay and was lost is told all the same."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from guotu.model.answer import Batch, Frame, MemberOutcome, Outcome, Trailer
from guotu.model.errors import IncompleteAnswer, UnknownVersion, VersionGone
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


def without_version(node: str, version: int, asked: asyncio.Event) -> Member:
    """Return a city that tells that it has no such version, once the event has come."""
    failure = UnknownVersion(dataset=f"{node}/dltb", version=version, retained=" [1]")
    return Member(node, parcels(node, 20), failure=failure, silent_header=True, after=asked)


async def heard_past_limit(mesh: Mesh, question: Query, filled: asyncio.Event) -> list[Frame]:
    """Return all frames; the event comes a while after the answer is full."""
    frames, rows = [], 0
    async for frame in mesh.frames(question, 20.0):
        frames.append(frame)
        rows += frame.rows.num_rows if isinstance(frame, Batch) else 0
        if rows == LIMIT:
            asyncio.get_running_loop().call_later(0.05, filled.set)
    return frames


@pytest.mark.parametrize("closed", [False, True])
async def test_a_version_that_never_was_is_told_though_others_filled_the_answer_before(closed: bool) -> None:
    filled = asyncio.Event()
    mesh = Mesh(Member("510100", parcels("510100", 35)), without_version("510200", 99, filled))
    cut = {"510100/dltb": 1, "510200/dltb": 99} if closed else {"510200/dltb": 99}
    with pytest.raises(VersionGone, match=r"510200/dltb@99 \[1\]"):
        await heard_past_limit(mesh, limited(rows_of, Options(cut=cut, closed=closed)), filled)


async def test_a_partial_answer_tells_of_it_too() -> None:
    filled = asyncio.Event()
    mesh = Mesh(Member("510100", parcels("510100", 35)), without_version("510200", 99, filled))
    question = limited(rows_of, replace(PARTIAL, cut={"510200/dltb": 99}))
    frames = await heard_past_limit(mesh, question, filled)
    told = frames[-1]
    assert isinstance(told, Trailer)
    assert sum(frame.rows.num_rows for frame in frames if isinstance(frame, Batch)) == LIMIT
    assert [item.reason for item in told.completeness.members] == ["", "UNKNOWN_VERSION"]
    assert not told.completeness.complete


async def test_a_version_that_was_is_not_waited_for() -> None:
    city = Member("510100", parcels("510100", 35), version=3)
    late = Member("510200", parcels("510200", 20), version=3, silent=True)
    heard = await Mesh(city, late).ask(limited(rows_of, Options(cut={"510100/dltb": 2, "510200/dltb": 2})))
    assert heard.failure is None
    assert heard.outcomes["510200"].reason == "NOT_NEEDED"
