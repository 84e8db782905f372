"""Answers where members do not answer again and again, have too much to do, hand over, or are far."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace

import pytest

from federation.execution.breaker import State
from federation.execution.contact import Contact
from federation.execution.deadline import Deadline
from federation.execution.punctuality import Punctuality
from guotu.model import errors
from guotu.model.answer import Frame, Notice, Outcome
from guotu.model.plan import Decision, PlanStep
from guotu.model.question import Options, Question
from tests.support.eventually import eventually
from tests.support.idle_time import IdleTime
from tests.support.scripted_mesh import ANY_QUESTION, LOST, PARTIAL, Make, Mesh, rows_of, three
from tests.support.scripted_peers import Member, parcels

pytestmark = pytest.mark.usefixtures("idle_time")

BUSY = errors.Overloaded(node="510100", retry_s=30.0)
CITY = "510100:1"


def copy(**wrong: object) -> Member:
    """Return a replica of the first city."""
    return replace(Member("510100", parcels("510100", 35), 3), **wrong)  # type: ignore[arg-type]


def mesh(second: dict[str, object], *copies: Member, **more: object) -> Mesh:
    """Return three members, of which the last holds the replicas."""
    province, city, other = three(**second)
    return Mesh(province, city, replace(other, holds=copies), **more)  # type: ignore[arg-type]


def breaker_of(asked: Mesh, node: str = "510100") -> State:
    return asked.federation._punctuality.breaker(node, f"{node}:1").state


def opened(asked: Mesh) -> Mesh:
    """Open the city's circuit, with no probe due for a long time."""
    breaker = asked.federation._punctuality.breaker("510100", CITY)
    breaker.failed(errors.DeadlineExceeded(node="510100", seconds=9), 9.0)
    breaker._probe_at += 1000.0
    return asked


@ANY_QUESTION
async def test_a_member_that_is_lost_again_and_again_is_not_asked_any_more(make: Make) -> None:
    asked = mesh({"failure": LOST, "silent_header": True})
    told = [(await asked.ask(make(PARTIAL))).outcomes["510100"] for _ in range(4)]
    assert [member.reason for member in told] == ["NODE_UNAVAILABLE"] * 3 + ["CIRCUIT_OPEN"]
    assert {member.outcome for member in told} == {Outcome.UNREACHABLE}
    assert len(asked.members["510100"].asked) == 5, "three questions, two of which were put once more"
    strict = await asked.ask(make(Options()))
    assert isinstance(strict.failure, errors.IncompleteAnswer)


async def test_who_is_late_itself_does_not_take_a_member_for_silent(idle_time: IdleTime) -> None:
    """It waits for 0.4 s, which tells nothing of the member, and stands still for longer."""

    async def silent() -> AsyncIterator[Frame]:
        await asyncio.Event().wait()
        yield Notice("NEVER", "")

    punctuality = Punctuality()
    step = PlanStep("510100", Decision.ASK, "", address=CITY)
    contact = Contact(step, silent, Deadline.after(0.9), punctuality, lambda: True)
    asyncio.get_running_loop().call_soon(idle_time.stand_still, 0.7)
    with pytest.raises(errors.DeadlineExceeded):
        await anext(contact.frames())
    assert punctuality.breaker("510100", CITY).why is None


@ANY_QUESTION
async def test_with_a_standby_its_circuit_costs_nothing(make: Make) -> None:
    healthy = await Mesh(*three()).ask(make(Options()))
    asked = opened(mesh({"silent": True}, copy()))
    heard = await asked.ask(make(Options()))
    assert heard.failure is None
    assert heard.trailer.digest == healthy.trailer.digest
    assert (heard.outcomes["510100"].outcome, heard.outcomes["510100"].reason) == (
        Outcome.REPLICA, "OWNER_CIRCUIT_OPEN",
    )  # fmt: skip
    assert asked.members["510100"].asked == []


async def test_a_probe_finds_a_member_that_is_back() -> None:
    asked = opened(mesh({}))
    assert (await asked.ask(rows_of(PARTIAL))).outcomes["510100"].reason == "CIRCUIT_OPEN"
    asked.federation._punctuality.breaker("510100", CITY)._probe_at = 0.0
    heard = await asked.ask(rows_of(Options()))
    assert heard.outcomes["510100"].outcome is Outcome.ANSWERED
    assert breaker_of(asked) is State.CLOSED


async def test_a_probe_waits_a_second_whatever_the_deadline() -> None:
    asked = opened(mesh({"silent": True}))
    asked.federation._punctuality.breaker("510100", CITY)._probe_at = 0.0
    heard = await asked.ask(rows_of(PARTIAL), timeout=600.0)
    assert heard.outcomes["510100"].outcome is Outcome.TIMED_OUT
    assert breaker_of(asked) is State.OPEN


async def test_a_lost_connection_is_tried_once_more_without_anybody_noticing() -> None:
    asked = mesh({})
    city = asked.members["510100"]

    class Once(Member):
        async def _frames(self, question):  # type: ignore[no-untyped-def]
            if len(self.asked) == 1:
                raise LOST
            async for frame in super()._frames(question):
                yield frame

    asked.peers.members[CITY] = asked.members["510100"] = Once(city.node, city.rows, city.version)
    heard = await asked.ask(rows_of(Options()))
    assert heard.failure is None
    assert len(asked.members["510100"].asked) == 2
    (breaker,) = [item for item in asked.federation.punctuality.breakers() if item.node == "510100"]
    assert breaker.retried == 1


async def test_a_member_that_was_lost_after_its_first_frame_is_not_asked_again() -> None:
    asked = mesh({"failure": LOST, "fails_after": 2})
    await asked.ask(rows_of(PARTIAL))
    assert len(asked.members["510100"].asked) == 1


@ANY_QUESTION
async def test_an_overloaded_owner_is_replaced_and_left_in_peace(make: Make) -> None:
    healthy = await Mesh(*three()).ask(make(Options()))
    asked = mesh({"failure": BUSY, "silent_header": True}, copy())
    for _ in range(3):
        heard = await asked.ask(make(Options()))
        assert heard.failure is None
        assert (heard.rows, heard.trailer.digest) == (healthy.rows, healthy.trailer.digest)
        told = heard.outcomes["510100"]
        assert (told.outcome, told.replica, told.reason) == (Outcome.REPLICA, "510200", "OWNER_OVERLOADED")
    assert len(asked.members["510100"].asked) == 1


async def test_without_a_standby_an_overloaded_member_has_refused() -> None:
    asked = mesh({"failure": BUSY, "silent_header": True})
    for _ in range(2):
        told = (await asked.ask(rows_of(PARTIAL))).outcomes["510100"]
        assert (told.outcome, told.reason) == (Outcome.REFUSED, "OVERLOADED")
    assert len(asked.members["510100"].asked) == 1
    assert breaker_of(asked) is State.CLOSED


class BusyFirst(Member):
    """A member that has too much to do for the first `questions`, and tells a moment to come back."""

    questions = 1

    async def _frames(self, question: Question) -> AsyncIterator[Frame]:
        if len(self.asked) <= self.questions:
            raise errors.Overloaded(node=self.node, retry_s=0.05)
        async for frame in super()._frames(question):
            yield frame


def busy_first(*copies: Member, questions: int = 1) -> Mesh:
    """Return three members, of which the second is busy at first, and the last holds the replicas."""
    province, city, other = three()
    busy = BusyFirst(city.node, city.rows, city.version)
    busy.questions = questions
    return Mesh(province, busy, replace(other, holds=copies))


@ANY_QUESTION
async def test_a_busy_member_that_nobody_can_stand_in_for_is_asked_again_when_it_said(make: Make) -> None:
    healthy = await Mesh(*three()).ask(make(Options()))
    asked = busy_first()
    heard = await asked.ask(make(Options()))
    assert heard.failure is None
    assert (heard.rows, heard.trailer.digest) == (healthy.rows, healthy.trailer.digest)
    assert len(asked.members["510100"].asked) == 2


async def test_a_busy_member_is_asked_again_once_only_and_within_the_budget() -> None:
    asked = busy_first(questions=9)
    told = (await asked.ask(rows_of(PARTIAL))).outcomes["510100"]
    assert (told.outcome, told.reason) == (Outcome.REFUSED, "OVERLOADED")
    assert len(asked.members["510100"].asked) == 2
    spent = busy_first()
    spent.federation._punctuality.breaker("510100", CITY)._retries = 0.0
    assert (await spent.ask(rows_of(PARTIAL))).outcomes["510100"].reason == "OVERLOADED"
    assert len(spent.members["510100"].asked) == 1


async def test_a_question_that_comes_while_a_busy_member_rests_waits_for_it() -> None:
    asked = mesh({})
    breaker = asked.federation._punctuality.breaker("510100", CITY)
    breaker._clock = lambda: 0.0
    breaker.failed(errors.Overloaded(node="510100", retry_s=0.05), 0.0)
    heard = await asked.ask(rows_of(Options()))
    assert heard.failure is None
    assert (len(asked.members["510100"].asked), breaker.retried) == (1, 1)
    breaker.failed(errors.Overloaded(node="510100", retry_s=60.0), 0.0)
    assert (await asked.ask(rows_of(PARTIAL))).outcomes["510100"].reason == "OVERLOADED"
    assert len(asked.members["510100"].asked) == 1


async def test_a_busy_replica_is_asked_again_where_the_owner_is_lost() -> None:
    province, city, other = three(failure=LOST, silent_header=True)
    busy = BusyFirst(city.node, city.rows, city.version)
    asked = Mesh(province, city, replace(other, holds=(busy,)))
    heard = await asked.ask(rows_of(Options()))
    assert heard.failure is None
    assert (heard.outcomes["510100"].outcome, heard.outcomes["510100"].replica) == (Outcome.REPLICA, "510200")
    assert len(busy.asked) == 2


async def test_a_busy_member_is_not_waited_for_where_a_replica_answers() -> None:
    asked = busy_first(copy())
    heard = await asked.ask(rows_of(Options()))
    assert (heard.outcomes["510100"].outcome, heard.outcomes["510100"].reason) == (Outcome.REPLICA, "OWNER_OVERLOADED")
    assert len(asked.members["510100"].asked) == 1


async def test_who_gives_up_while_a_busy_member_is_waited_for_has_not_found_it_silent() -> None:
    """It took more than half a second to say so, which would count as a silence."""
    asked = mesh({"quiet_s": 0.6, "failure": errors.Overloaded(node="510100", retry_s=60.0), "silent_header": True})
    breaker = asked.federation._punctuality.breaker("510100", CITY)
    async with aclosing(asked.frames(rows_of(Options()), 600.0)) as frames:  # type: ignore[type-var]
        await anext(aiter(frames))
        await eventually(lambda: breaker.retried == 1)
    asked.all_closed()
    assert (breaker.why, breaker.state) == (None, State.CLOSED)


@ANY_QUESTION
async def test_a_draining_owner_is_spared_where_a_replica_covers_it(make: Make) -> None:
    healthy = await Mesh(*three()).ask(make(Options()))
    asked = mesh({}, copy(), draining=("510100",))
    heard = await asked.ask(make(Options()))
    assert (heard.rows, heard.trailer.digest) == (healthy.rows, healthy.trailer.digest)
    assert (heard.outcomes["510100"].outcome, heard.outcomes["510100"].reason) == (Outcome.REPLICA, "OWNER_DRAINING")
    assert asked.members["510100"].asked == []


@ANY_QUESTION
@pytest.mark.parametrize("copies", [(), (copy(failure=LOST),), (copy(silent=True),)], ids=["none", "lost", "silent"])
async def test_a_draining_owner_answers_where_no_replica_does(make: Make, copies: tuple[Member, ...]) -> None:
    asked = mesh({}, *map(replace, copies), draining=("510100",))
    heard = await asked.ask(make(Options()))
    assert heard.failure is None
    assert heard.outcomes["510100"].outcome is Outcome.ANSWERED
    assert [item.outcome for item in asked.observed] == [Outcome.ANSWERED] * 3


async def test_where_neither_a_draining_owner_nor_its_replica_answers_it_is_missing_once() -> None:
    asked = mesh({"failure": LOST}, copy(failure=LOST), draining=("510100",))
    heard = await asked.ask(rows_of(PARTIAL))
    told = heard.outcomes["510100"]
    assert (told.outcome, told.reason) == (Outcome.UNREACHABLE, "NODE_UNAVAILABLE")


async def test_of_two_replicas_the_one_that_is_not_draining_answers() -> None:
    province, city, other = three(failure=LOST)
    helper = Member("520000", parcels("520000", 5), holds=(copy(),))
    asked = Mesh(province, city, replace(other, holds=(copy(),)), helper, draining=("510200",))
    heard = await asked.ask(rows_of(Options()))
    assert heard.outcomes["510100"].replica == "520000"


@ANY_QUESTION
async def test_after_a_hedge_standbys_are_asked_once_only(make: Make) -> None:
    """The member is late, its standby fails, then the member fails too."""
    failing = copy(failure=errors.StoreFailure(detail="x"))
    asked = mesh({"after": failing.heard, "quiet_s": 0.1, "failure": LOST}, failing)
    heard = await asked.ask(make(PARTIAL))
    told = heard.outcomes["510100"]
    assert (told.outcome, told.reason) == (Outcome.UNREACHABLE, "NODE_UNAVAILABLE")
    (held,) = asked.members["510200"].holds
    assert len(held.asked) == 1


def measured(asked: Mesh, **seconds: float) -> Mesh:
    """Have members known by their distance; nobody is asked beside them for being late."""
    asked.federation._punctuality._of("510100:1").more = -100.0
    for node, each in seconds.items():
        for _ in range(3):
            asked.federation._punctuality.sign(f"{node[1:]}:1", each)
    return asked


@ANY_QUESTION
async def test_the_nearest_copy_answers_if_that_is_preferred(make: Make) -> None:
    healthy = await Mesh(*three()).ask(make(Options()))
    asked = measured(mesh({}, copy(), nearest=True), n510100=0.08, n510200=0.01)
    heard = await asked.ask(make(Options()))
    assert (heard.rows, heard.trailer.digest) == (healthy.rows, healthy.trailer.digest)
    told = heard.outcomes["510100"]
    assert (told.outcome, told.replica, told.reason) == (Outcome.REPLICA, "510200", "OWNER_FARTHER")
    assert asked.members["510100"].asked == []


@pytest.mark.parametrize("seconds", [{"n510100": 0.012, "n510200": 0.01}, {"n510100": 0.01, "n510200": 0.08}, {}])
async def test_the_owner_answers_unless_another_is_clearly_nearer(seconds: dict[str, float]) -> None:
    asked = measured(mesh({}, copy(), nearest=True), **seconds)
    assert (await asked.ask(rows_of(Options()))).outcomes["510100"].outcome is Outcome.ANSWERED


async def test_what_is_held_here_is_nearest_of_all() -> None:
    asked = measured(mesh({}, copy(), nearest=True, replicas=(copy(),)), n510200=0.001)
    told = (await asked.ask(rows_of(Options()))).outcomes["510100"]
    assert (told.outcome, told.replica) == (Outcome.REPLICA, "510000")
    assert told.detail == "a replica lies here"
    ordinary = mesh({}, replicas=(copy(),))
    assert (await ordinary.ask(rows_of(Options()))).outcomes["510100"].outcome is Outcome.ANSWERED
