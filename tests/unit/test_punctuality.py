"""How long a member is waited for, and how often somebody else is asked beside it."""

from __future__ import annotations

from federation.execution.cause import Cause
from federation.execution.punctuality import Punctuality
from guotu.model.answer import Outcome

ONE, OTHER = "510000:1", "520000:1"
AWAY = Cause(Outcome.UNREACHABLE, "NODE_UNAVAILABLE", "it is away")


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_member_is_waited_for_as_long_as_it_usually_takes() -> None:
    made = Punctuality(Clock())
    assert made.sign_wait(ONE) == 0.25
    for _ in range(95):
        made.sign(ONE, 0.1)
    assert made.sign_wait(ONE) == 0.2
    for _ in range(4):
        made.sign(ONE, 5.0)
    assert made.sign_wait(ONE) == 1.0
    for _ in range(64):
        made.sign(ONE, 0.001)
    assert made.sign_wait(ONE) == 0.05
    assert made.sign_wait(OTHER) == 0.25


def test_rows_may_take_longer_than_a_sign_of_life() -> None:
    made = Punctuality(Clock())
    assert made.begin_wait(ONE) == 1.0
    for seconds in (2.0, 3.0, 2.5):
        made.begin(ONE, seconds)
    assert made.begin_wait(ONE) == 6.0
    made.begin(ONE, 60.0)
    assert made.begin_wait(ONE) == 10.0


def test_a_doubt_ends_by_itself_and_when_the_member_answers() -> None:
    clock = Clock()
    made = Punctuality(clock)
    made.failed(ONE, AWAY)
    assert (made.doubt(ONE), made.doubt(OTHER)) == (AWAY, None)
    clock.now += 4.9
    assert made.doubt(ONE) is AWAY
    clock.now += 0.2
    assert made.doubt(ONE) is None
    made.failed(ONE, AWAY)
    made.begin(ONE, 0.1)
    assert made.doubt(ONE) is None


def test_no_more_than_a_share_of_questions_is_asked_twice() -> None:
    made = Punctuality(Clock())
    assert sum(made.may_ask_more(ONE) for _ in range(100)) == 10
    twice = 0
    for _ in range(1000):
        made.asked()
        twice += made.may_ask_more(ONE)
    assert 99 <= twice <= 101
    made.failed(ONE, AWAY)
    assert all(made.may_ask_more(ONE) for _ in range(100)), "who failed is replaced whatever it costs"
