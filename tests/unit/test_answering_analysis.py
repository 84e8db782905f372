"""An analysed question: what became of each step, at every level, and what a trailer does not grow beyond."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from federation.execution.course import bounded
from guotu.model import errors
from guotu.model.answer import Completeness, Frame, Trailer
from guotu.model.attempt import Attempt, Ending
from guotu.model.plan import Decision, Plan, PlanStep
from guotu.model.question import CompletenessMode, Options, Quantiles, Query, Question, Scope
from guotu.v1 import query_pb2
from guotu.wire.answers import trailer_from_proto, trailer_to_proto
from tests.support.scripted_mesh import ANY_QUESTION, FIELDS, LOST, PARTIAL, TOTALS, Make, Mesh, rows_of, three
from tests.support.scripted_peers import Member, parcels

pytestmark = pytest.mark.usefixtures("idle_time")


async def analysed(mesh: Mesh, question: Question, timeout: float = 20.0) -> tuple[dict[str, PlanStep], Trailer]:
    plan, trailer = await mesh.federation.analyze(question, timeout)
    mesh.all_closed()
    return {step.node: step for step in plan.steps}, trailer


@ANY_QUESTION
async def test_each_step_tells_when_its_frames_came(make: Make) -> None:
    steps, trailer = await analysed(Mesh(*three(seconds_a_batch=0.01)), make(Options()))
    assert trailer.completeness.complete
    assert set(steps) == {"510000", "510100", "510200"}
    for name, step in steps.items():
        (attempt,) = step.attempts
        assert (attempt.node, attempt.ending, attempt.reason, attempt.cause) == (name, Ending.ANSWERED, "", "")
        assert attempt.sign_ms is not None
        assert attempt.rows_ms is not None
        assert 0 <= attempt.sign_ms <= attempt.rows_ms <= attempt.ended_ms <= trailer.elapsed_ms
        assert attempt.rows > 0
        assert attempt.size_bytes > 0
    assert steps["510000"].attempts[0].store_ms > 0
    assert steps["510100"].attempts[0].store_ms == 0
    if make is rows_of:
        assert sum(step.attempts[0].rows for step in steps.values()) == trailer.rows


@ANY_QUESTION
async def test_nothing_is_told_where_nobody_asked_for_it(make: Make) -> None:
    heard = await Mesh(*three()).ask(make(Options()))
    assert heard.trailer.plan is None
    assert not any(step.attempts for step in heard.header.plan.steps)
    plain = trailer_to_proto(heard.trailer)
    assert not plain.HasField("plan")
    analysed_as_well = await Mesh(*three()).ask(make(Options(analyze=True)))
    assert trailer_to_proto(analysed_as_well.trailer).ByteSize() > plain.ByteSize()
    assert analysed_as_well.trailer.digest == heard.trailer.digest


@ANY_QUESTION
async def test_a_replica_in_the_place_of_a_lost_member_is_a_second_attempt(make: Make) -> None:
    province, city, other = three(failure=LOST)
    copy = Member(city.node, parcels(city.node, 35), city.version)
    steps, trailer = await analysed(Mesh(province, city, replace(other, holds=(copy,))), make(Options()))
    assert trailer.completeness.complete
    lost, standby = steps["510100"].attempts
    assert (lost.node, lost.ending, lost.reason) == ("510100", Ending.FAILED, "NODE_UNAVAILABLE")
    assert (standby.node, standby.standby, standby.ending) == ("510200", True, Ending.ANSWERED)
    assert standby.cause == "NODE_UNAVAILABLE"
    assert standby.asked_ms >= lost.asked_ms
    assert standby.rows > lost.rows == 0
    inner = steps["510100"].plan
    assert inner is not None
    assert [(step.node, step.reason, step.attempts[0].ending) for step in inner.steps] == [
        ("510200", "STANDBY", Ending.ANSWERED)
    ]


@ANY_QUESTION
async def test_a_member_that_is_late_is_overtaken(make: Make) -> None:
    province, city, other = three(silent=True)
    copy = Member(city.node, parcels(city.node, 35), city.version)
    steps, _ = await analysed(Mesh(province, city, replace(other, holds=(copy,))), make(Options()))
    late, standby = steps["510100"].attempts
    assert (late.ending, late.sign_ms, late.rows) == (Ending.OVERTAKEN, None, 0)
    assert (standby.ending, standby.cause) == (Ending.ANSWERED, "LATE")


async def test_a_standby_that_is_beaten_is_overtaken() -> None:
    copy = Member("510100", parcels("510100", 35), 3, silent=True)
    province, city, other = three(after=copy.heard)
    steps, _ = await analysed(Mesh(province, city, replace(other, holds=(copy,))), rows_of(Options()))
    own, standby = steps["510100"].attempts
    assert (own.ending, standby.ending) == (Ending.ANSWERED, Ending.OVERTAKEN)


async def test_a_member_that_nobody_stands_in_for_failed() -> None:
    steps, trailer = await analysed(Mesh(*three(failure=LOST)), rows_of(PARTIAL))
    assert not trailer.completeness.complete
    (lost,) = steps["510100"].attempts
    assert (lost.ending, lost.reason, lost.rows_ms) == (Ending.FAILED, "NODE_UNAVAILABLE", None)
    steps, _ = await analysed(Mesh(*three(silent=True)), rows_of(PARTIAL), timeout=0.6)
    (silent,) = steps["510100"].attempts
    assert (silent.ending, silent.reason) == (Ending.FAILED, "DEADLINE_EXCEEDED")
    assert silent.ended_ms > 0


async def test_a_retry_is_an_attempt_of_its_own() -> None:
    province, city, other = three()
    once = LostOnce(city.node, city.rows, city.version)
    steps, trailer = await analysed(Mesh(province, once, other), rows_of(Options()))
    assert trailer.completeness.complete
    lost, again = steps["510100"].attempts
    assert (lost.ending, lost.reason) == (Ending.FAILED, "NODE_UNAVAILABLE")
    assert (again.ending, again.standby, again.rows) == (Ending.ANSWERED, False, 35)
    assert again.asked_ms >= lost.asked_ms


async def test_a_member_whose_circuit_is_open_is_not_asked_and_its_standby_tells_why() -> None:
    province, city, other = three()
    copy = Member(city.node, parcels(city.node, 35), city.version)
    mesh = Mesh(province, city, replace(other, holds=(copy,)))
    breaker = mesh.federation._punctuality.breaker("510100", "510100:1")
    breaker.failed(errors.DeadlineExceeded(node="510100", seconds=9), 9.0)
    breaker._probe_at += 1000.0
    steps, _ = await analysed(mesh, rows_of(Options()))
    (standby,) = steps["510100"].attempts
    assert (standby.standby, standby.node, standby.cause) == (True, "510200", "CIRCUIT_OPEN")


async def test_of_several_counts_the_last_is_told() -> None:
    question = replace(TOTALS, aggregates=(), group_by=(), quantiles=Quantiles("TBMJ", (0.5,)), options=Options())
    steps, trailer = await analysed(Mesh(Member("510000", parcels("510000", 25))), question)
    assert trailer.rows == 1
    assert steps["510000"].attempts[0].ending is Ending.ANSWERED


async def test_members_that_were_not_needed_were_stopped_or_not_asked() -> None:
    question = Query("dltb", fields=FIELDS, sort=(), limit=5, options=Options())
    steps, trailer = await analysed(Mesh(*three(seconds_a_batch=5.0)), question)
    assert trailer.rows == 5
    assert steps["510100"].attempts[0].ending is Ending.STOPPED
    gone, _ = await analysed(Mesh(*three(), gone=("510100",)), rows_of(PARTIAL))
    assert gone["510100"].attempts == ()
    assert gone["510100"].decision is Decision.MISSING


class LostOnce(Member):
    """A member to which the first connection is lost before anything came."""

    async def _frames(self, question: Question) -> AsyncIterator[Frame]:
        if len(self.asked) == 1:
            raise LOST
        async for frame in super()._frames(question):
            yield frame


class Analysing(Member):
    """A member that tells what became of its own steps, if asked."""

    async def _frames(self, question: Question) -> AsyncIterator[Frame]:
        async for frame in super()._frames(question):
            if isinstance(frame, Trailer) and question.options.analyze:
                attempt = Attempt(self.node, Ending.ANSWERED, store_ms=1.5, rows=7)
                step = PlanStep(self.node, Decision.LOCAL, "MAY_MATCH", attempts=(attempt,))
                plan = Plan(self.node, "dltb", Scope.SUBTREE, (step,))
                frame = replace(frame, plan=plan, queued_ms=3.25, elapsed_ms=8.5)
            yield frame


@ANY_QUESTION
async def test_what_a_member_tells_of_its_own_steps_is_handed_up(make: Make) -> None:
    province, city, other = three()
    below = Analysing(city.node, city.rows, city.version)
    steps, _ = await analysed(Mesh(province, below, other), make(Options()))
    assert below.asked[0].options.analyze
    (attempt,) = steps["510100"].attempts
    assert (attempt.queued_ms, attempt.node_ms) == (3.25, 8.5)
    plan = steps["510100"].plan
    assert plan is not None
    assert plan.steps[0].attempts[0].store_ms == 1.5
    silent_on_it = steps["510200"].plan
    assert silent_on_it is not None
    assert silent_on_it.steps == ()


def tree(width: int) -> PlanStep:
    leaves = tuple(PlanStep(f"{number:06d}", Decision.LOCAL, "") for number in range(width))
    return PlanStep("510000", Decision.ASK, "", plan=Plan("510000", "dltb", Scope.SUBTREE, leaves))


def test_of_too_many_steps_the_greatest_plans_are_left_out() -> None:
    steps = (tree(3), tree(90), tree(10))
    assert bounded(steps, most=200) == steps
    kept = bounded(steps, most=50)
    assert [step.plan is None for step in kept] == [False, True, False]
    assert [step.plan for step in bounded(steps, most=2)] == [None] * 3


@pytest.mark.parametrize("sign", [None, 0.0, 2.5])
def test_a_trailer_travels_with_all_that_it_tells(sign: float | None) -> None:
    attempt = Attempt("", Ending.OVERTAKEN, True, "LOST", "LATE", 1.0, sign, sign, 4.0, 0.5, 0.25, 3.0, 2.0, 9, 1024)
    step = replace(tree(2), attempts=(attempt, replace(attempt, ending=Ending.STOPPED)))
    plan = Plan("100000", "dltb", Scope.SUBTREE, (step,), planning_ms=1.25)
    trailer = Trailer(Completeness(CompletenessMode.ALLOW_PARTIAL, ()), 9, 1024, b"\1" * 32, plan=plan, queued_ms=0.75)
    read = trailer_from_proto(query_pb2.AnswerTrailer.FromString(trailer_to_proto(trailer).SerializeToString()))
    assert (read.plan, read.queued_ms) == (plan, 0.75)
