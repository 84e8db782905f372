"""The circuit of one member: when it opens, how it is tried, what closes it, and how often one asks again."""

from __future__ import annotations

import pytest

from federation.execution.breaker import Breaker, State
from guotu.model import errors
from node.metrics import Metrics

AWAY = errors.NodeUnavailable(address="10.0.0.1:7083", detail="connection refused")


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    return Breaker("510100", clock)


def lose(breaker: Breaker, times: int = 3) -> None:
    for _ in range(times):
        assert breaker.enter() is False
        breaker.failed(AWAY, 0.0)


def is_open(breaker: Breaker) -> bool:
    try:
        breaker.enter()
    except errors.CircuitOpen:
        return True
    return False


def test_it_opens_after_three_failures_in_a_row(breaker: Breaker) -> None:
    lose(breaker, 2)
    breaker.enter()
    breaker.answered()
    lose(breaker, 2)
    assert breaker.state is State.CLOSED
    lose(breaker, 1)
    assert breaker.state is State.OPEN
    with pytest.raises(errors.CircuitOpen) as told:
        breaker.enter()
    assert told.value.facts["node"] == "510100"
    assert "10.0.0.1:7083" in told.value.english


@pytest.mark.parametrize(
    "answer",
    [
        errors.Refused(detail="not for you"),
        errors.InvalidFilter(where="1", detail="x"),
        errors.UnknownVersion(dataset="510100/dltb", version=1),
        errors.TooLarge(what="x", size=2, limit=1),
        errors.StoreFailure(detail="the engine failed"),
        errors.NodeNotReady(node="510100", state="starting"),
    ],
)
def test_refusals_and_faults_are_answers(breaker: Breaker, answer: errors.GuotuError) -> None:
    lose(breaker, 2)
    for _ in range(5):
        breaker.enter()
        breaker.failed(answer, 9.0)
    lose(breaker, 2)
    assert breaker.state is State.CLOSED


def test_one_probe_at_a_time_is_let_through_and_closes_it(breaker: Breaker, clock: Clock) -> None:
    lose(breaker)
    clock.now += 0.9
    assert is_open(breaker)
    clock.now += 0.2
    assert breaker.enter() is True
    assert breaker.state is State.HALF_OPEN
    assert is_open(breaker), "the probe is under way"
    breaker.answered()
    assert breaker.enter() is False
    lose(breaker, 2)
    assert breaker.state is State.CLOSED, "failures before it answered do not count"


def test_probes_that_fail_come_later_each_time_up_to_five_seconds(breaker: Breaker, clock: Clock) -> None:
    lose(breaker)
    waits = []
    for _ in range(5):
        began = clock.now
        while is_open(breaker):
            clock.now += 0.125
        waits.append(clock.now - began)
        breaker.failed(AWAY, 0.0)
    assert waits == [1.0, 2.0, 4.0, 5.0, 5.0]


def test_a_probe_that_was_given_up_is_repeated(breaker: Breaker, clock: Clock) -> None:
    lose(breaker)
    clock.now += 1.0
    assert breaker.enter() is True
    breaker.abandoned(0.01)
    assert is_open(breaker)
    clock.now += 1.0
    assert breaker.enter() is True


def test_silence_counts_only_once_it_tells_something(breaker: Breaker) -> None:
    for _ in range(10):
        breaker.enter()
        breaker.abandoned(0.4)
    assert breaker.state is State.CLOSED
    for _ in range(3):
        breaker.enter()
        breaker.abandoned(0.6)
    assert breaker.state is State.OPEN


def test_a_long_silence_opens_it_at_once(breaker: Breaker) -> None:
    breaker.enter()
    breaker.failed(errors.DeadlineExceeded(node="510100", seconds=7), 7.0)
    assert breaker.state is State.OPEN


def test_who_has_too_much_to_do_is_not_asked_before_the_time_it_told(breaker: Breaker, clock: Clock) -> None:
    breaker.enter()
    breaker.failed(errors.Overloaded(node="510100", retry_s=3.0), 0.0)
    assert breaker.state is State.CLOSED
    clock.now += 1.0
    with pytest.raises(errors.Overloaded) as told:
        breaker.enter()
    assert told.value.retry_s == 2.0
    clock.now += 2.0
    assert breaker.enter() is False


def test_questions_that_could_not_be_sent_are_repeated_for_a_tenth_at_most(breaker: Breaker) -> None:
    for _ in range(1000):
        breaker.enter()
        breaker.may_retry()
    assert 95 <= breaker.retried <= 105


def test_nobody_asks_again_while_it_is_open_or_tried(breaker: Breaker, clock: Clock) -> None:
    lose(breaker)
    assert not breaker.may_retry()
    clock.now += 1.0
    breaker.enter()
    assert not breaker.may_retry()


def test_metrics_tell_of_circuits_and_retries(breaker: Breaker, clock: Clock) -> None:
    metrics, fine = Metrics(), Breaker("510200", clock)
    fine.enter()
    assert fine.may_retry()
    metrics.watch_breakers(lambda: [breaker, fine])

    def told(name: str, member: str) -> float | None:
        return metrics.registry.get_sample_value(name, {"member": member})

    lose(breaker)
    assert (told("guotu_member_circuit", "510100"), told("guotu_member_circuit", "510200")) == (2.0, 0.0)
    clock.now += 1.0
    breaker.enter()
    assert told("guotu_member_circuit", "510100") == 1.0
    assert (told("guotu_member_retries_total", "510100"), told("guotu_member_retries_total", "510200")) == (0.0, 1.0)
