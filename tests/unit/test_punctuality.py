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


def test_a_member_is_late_after_its_usual_time_and_plainly_late_after_twice_that() -> None:
    made = Punctuality(Clock())
    assert (made.sign_wait(ONE), made.sign_wait(ONE, plainly=True)) == (0.25, 0.25)
    for _ in range(95):
        made.sign(ONE, 0.1)
    assert (made.sign_wait(ONE), made.sign_wait(ONE, plainly=True)) == (0.1, 0.2)
    for _ in range(4):
        made.sign(ONE, 5.0)
    assert (made.sign_wait(ONE), made.sign_wait(ONE, plainly=True)) == (1.0, 1.0)
    for _ in range(64):
        made.sign(ONE, 0.001)
    assert (made.sign_wait(ONE), made.sign_wait(ONE, plainly=True)) == (0.05, 0.05)
    assert made.sign_wait(OTHER) == 0.25


def test_rows_may_take_longer_than_a_sign_of_life() -> None:
    made = Punctuality(Clock())
    assert made.begin_wait(ONE) == 1.0
    for seconds in (2.0, 3.0, 2.5):
        made.begin(ONE, seconds)
    assert (made.begin_wait(ONE), made.begin_wait(ONE, plainly=True)) == (3.0, 6.0)
    made.begin(ONE, 60.0)
    assert made.begin_wait(ONE) == 10.0


def usual(made: Punctuality, seconds: float) -> Punctuality:
    """Have a member known for its signs of life."""
    for _ in range(64):
        made.sign(ONE, seconds)
    return made


def test_who_is_overtaken_when_plainly_late_is_in_doubt() -> None:
    made = usual(Punctuality(Clock()), 0.1)
    made.overtaken(ONE, signed=False, seconds=0.2)
    told = made.doubt(ONE)
    assert told is not None
    assert (told.reason, told.detail) == ("LATE", "no answer after 0.20 s")


def test_who_is_overtaken_sooner_is_in_doubt_only_if_it_said_nothing_the_last_time_either() -> None:
    made = usual(Punctuality(Clock()), 0.1)
    made.overtaken(ONE, signed=False, seconds=0.15)
    assert made.doubt(ONE) is None
    made.sign(ONE, 0.1)
    made.overtaken(ONE, signed=False, seconds=0.15)
    assert made.doubt(ONE) is None
    made.overtaken(ONE, signed=True, seconds=0.15)
    assert made.doubt(ONE) is None
    made.overtaken(ONE, signed=False, seconds=0.15)
    assert made.doubt(ONE) is not None


def test_those_who_were_overtaken_are_among_what_is_usual() -> None:
    """One sign in twenty comes late, and is never seen since others are faster: the wait does not shrink with that."""
    made = Punctuality(Clock())
    for number in range(2000):
        if number % 20 == 0:
            made.silent(ONE, max(made.sign_wait(ONE), 0.4))
        else:
            made.sign(ONE, 0.1 + 0.01 * (number % 20))
    assert made.sign_wait(ONE) >= 0.29
    made.begin(ONE, 2.0)
    made.overtaken(ONE, signed=True, seconds=1.5)
    assert made.begin_wait(ONE) == 2.0, "it was not late with its rows"
    made.overtaken(ONE, signed=True, seconds=2.5)
    assert made.begin_wait(ONE) == 2.5


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
    assert sum(made.may_ask_more(ONE, plainly=True) for _ in range(100)) == 3
    twice = 0
    for _ in range(1000):
        made.asked(ONE)
        twice += made.may_ask_more(ONE, plainly=True)
    assert 99 <= twice <= 101
    made.failed(ONE, AWAY)
    assert all(made.may_ask_more(ONE) for _ in range(100)), "who failed is replaced whatever it costs"


def test_the_last_of_them_is_kept_for_when_the_member_is_plainly_late() -> None:
    made = Punctuality(Clock())
    assert sum(made.may_ask_more(ONE) for _ in range(100)) == 2
    assert made.may_ask_more(ONE, plainly=True)
    assert not made.may_ask_more(ONE, plainly=True)


def test_members_that_are_often_late_use_up_nothing_of_another() -> None:
    made = Punctuality(Clock())
    assert not all(made.may_ask_more(OTHER, plainly=True) for _ in range(100))
    assert made.may_ask_more(ONE)


def test_who_is_at_an_address_no_longer_is_forgotten() -> None:
    made = Punctuality(Clock())
    for address in (ONE, OTHER):
        made.sign(address, 0.1)
        made.breaker(address[:6], address)
    made.forget_others({OTHER, "530000:1"})
    assert [breaker.node for breaker in made.breakers()] == ["520000"]
    assert (made.distance(ONE), made.distance(OTHER)) == (0.0, 0.1)
    assert made.sign_wait(ONE) == 0.25
