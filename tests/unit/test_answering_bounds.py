"""Answers under a deadline, under a limit, or cut off: members end when the answer does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace

import pytest

from guotu.model import errors
from guotu.model.answer import Frame, Header, Outcome
from guotu.model.question import Options, Question
from tests.support.eventually import eventually
from tests.support.idle_time import IdleTime
from tests.support.scripted_mesh import (
    ANY_QUESTION,
    PARTIAL,
    Make,
    Mesh,
    rows_of,
    sorted_rows,
    three,
)
from tests.support.scripted_peers import Member, parcels

pytestmark = pytest.mark.usefixtures("idle_time")


@ANY_QUESTION
@pytest.mark.parametrize("options", [PARTIAL, Options()], ids=["partial", "strict"])
async def test_a_silent_member_costs_its_own_part_within_the_deadline(
    make: Make, options: Options, idle_time: IdleTime
) -> None:
    began = idle_time()
    heard = await Mesh(*three(silent=True)).ask(make(options), timeout=1.0)
    assert idle_time() - began < 1.0
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


async def test_a_member_that_falls_silent_is_late_and_truncated(idle_time: IdleTime) -> None:
    began = idle_time()
    heard = await Mesh(*three(silent_after=2)).ask(rows_of(PARTIAL), timeout=1.0)
    assert idle_time() - began < 1.0
    late = heard.outcomes["510100"]
    assert (late.outcome, late.reason, late.truncated) == (Outcome.TIMED_OUT, "DEADLINE_EXCEEDED", True)


async def test_all_members_silent() -> None:
    members = [replace(member, silent=True) for member in three()[1:]]
    heard = await Mesh(*members).ask(rows_of(PARTIAL), timeout=0.5)
    assert isinstance(heard.failure, errors.NobodyAnswered)


async def test_members_work_side_by_side() -> None:
    everybody = asyncio.Barrier(8)

    class Waits(Member):
        """A member that answers once all are asked."""

        async def _frames(self, question: Question) -> AsyncIterator[Frame]:
            await everybody.wait()
            async for frame in super()._frames(question):
                yield frame

    members = [Waits(f"51{number:02d}00", parcels(f"51{number:02d}00", 20)) for number in range(1, 9)]
    heard = await Mesh(*members).ask(rows_of(Options()))
    assert heard.failure is None
    assert len(heard.rows) == 8 * 20


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


@ANY_QUESTION
async def test_who_stops_reading_stops_the_members(make: Make) -> None:
    mesh = Mesh(*[replace(member, rows=parcels(member.node, 5000), batch_rows=5) for member in three(silent_after=300)])
    async with aclosing(mesh.frames(make(Options()), 30)) as frames:  # type: ignore[type-var]
        async for frame in frames:
            assert isinstance(frame, Header)
            await eventually(lambda: mesh.members["510100"].opened)
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
    await eventually(lambda: mesh.members["510100"].opened)
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
