"""Answers where owners are late: when others are asked beside them, who is stopped, and what is remembered of it."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import replace

import pytest

from guotu.model.answer import Batch, Outcome
from guotu.model.question import Options
from tests.support.eventually import eventually
from tests.support.scripted_mesh import ANY_QUESTION, Make, Mesh, rows_of, three
from tests.support.scripted_peers import Member, parcels

pytestmark = pytest.mark.usefixtures("idle_time")

CITY = "510100:1"


def copy(**wrong: object) -> Member:
    """Return a replica of the first city."""
    return replace(Member("510100", parcels("510100", 35), 3), **wrong)  # type: ignore[arg-type]


def mesh(owner: dict[str, object], held: Member) -> Mesh:
    """Return three members, of which the last holds a replica of the second."""
    province, city, other = three(**owner)
    return Mesh(province, city, replace(other, holds=(held,)))


@ANY_QUESTION
@pytest.mark.parametrize("allowed", [3.0, 1.0])
async def test_the_last_hedge_is_kept_for_who_is_plainly_late(make: Make, allowed: float) -> None:
    healthy = await Mesh(*three()).ask(make(Options()))
    asked = mesh({"silent": True}, copy())
    asked.federation._punctuality._of(CITY).more = allowed
    heard = await asked.ask(make(Options()))
    assert heard.failure is None
    assert heard.trailer.digest == healthy.trailer.digest
    told = heard.outcomes["510100"]
    assert (told.outcome, told.reason) == (Outcome.REPLICA, "OWNER_LATE")


async def test_with_none_left_a_member_is_waited_for_as_where_there_are_no_replicas() -> None:
    asked = mesh({"silent": True}, copy())
    asked.federation._punctuality._of(CITY).more = 0.0
    heard = await asked.ask(rows_of(Options()), timeout=3.0)
    assert heard.failure is None
    told = heard.outcomes["510100"]
    assert (told.outcome, told.reason) == (Outcome.REPLICA, "OWNER_TIMED_OUT")


async def test_a_silent_member_is_in_doubt_before_its_hedges_are_used_up() -> None:
    asked = mesh({"silent": True}, copy())
    punctuality = asked.federation._punctuality
    punctuality._clock = lambda: 100.0
    for _ in range(64):
        punctuality.sign(CITY, 0.3)
    for _ in range(2):
        heard = await asked.ask(rows_of(Options()))
        assert heard.outcomes["510100"].reason == "OWNER_LATE"
    assert punctuality.doubt(CITY) is not None
    left = punctuality._of(CITY).more
    assert left > 0.0
    for _ in range(3):
        heard = await asked.ask(rows_of(Options()))
        assert heard.outcomes["510100"].outcome is Outcome.REPLICA
    assert punctuality._of(CITY).more >= left, "in doubt it is replaced without that"


async def test_a_member_that_is_silent_whenever_it_is_asked_is_replaced_each_time() -> None:
    """It is asked so seldom that it is in doubt no more, and does nothing that would make two answers of one."""
    asked, now = mesh({"silent": True}, copy()), [100.0]
    punctuality = asked.federation._punctuality
    punctuality._clock = lambda: now[0]
    for _ in range(64):
        punctuality.sign(CITY, 0.01)
    for _ in range(8):
        now[0] += 60.0
        heard = await asked.ask(rows_of(Options()))
        assert heard.outcomes["510100"].reason in ("OWNER_LATE", "OWNER_CIRCUIT_OPEN")


async def test_a_member_that_never_gave_a_sign_is_among_what_is_usual_and_one_that_did_so_later_once() -> None:
    for silent, after in ((True, None), (False, asyncio.Event())):
        asked = mesh({"silent": silent, "after": after}, copy(batch_rows=1))
        signs = asked.federation._punctuality._of(CITY).signs
        async with aclosing(asked.frames(rows_of(Options()), 20.0)) as frames:  # type: ignore[type-var]
            async for frame in frames:
                if isinstance(frame, Batch) and frame.dataset == "510100/dltb":
                    break
            assert list(signs) == []
            if after is not None:
                after.set()
                await eventually(lambda signs=signs: len(signs) == 1)
        assert len(signs) == 1
        asked.all_closed()


async def test_a_member_that_is_slow_with_its_rows_is_not_in_doubt() -> None:
    asked = mesh({"silent_after": 0}, copy())
    heard = await asked.ask(rows_of(Options()))
    assert heard.outcomes["510100"].reason == "OWNER_LATE"
    assert asked.federation._punctuality.doubt(CITY) is None


async def test_a_standby_that_loses_is_stopped_when_rows_begin() -> None:
    held = copy(silent_after=0)
    asked = mesh({"after": held.heard, "batch_rows": 1}, held)
    async with aclosing(asked.frames(rows_of(Options()), 20.0)) as frames:  # type: ignore[type-var]
        async for frame in frames:
            if isinstance(frame, Batch) and frame.dataset == "510100/dltb":
                break
        await eventually(lambda: (held.opened, held.closed) == (1, 1))
    asked.all_closed()
