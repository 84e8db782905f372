"""One system under load while all is well, and while one member is silent, gone or slow."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial

from benchmarks.failover.budgets import HEALTHY
from benchmarks.failover.load import Answers, System, steady
from benchmarks.failover.relay import SlowRelay
from benchmarks.fdw.troubles import Member, refusing, silent
from benchmarks.fdw.variant import Variant
from benchmarks.narrator import Narrator
from demo.settling import wait_until

TROUBLES = ("silent", "killed", "slow")
SLOW_S = 3.0
"""How late everything is that a slow member sends."""
_RECOVERY_S = 120.0


@contextmanager
def slow(relay: SlowRelay) -> Iterator[None]:
    """All that it sends comes late."""
    relay.seconds = SLOW_S
    try:
        yield
    finally:
        relay.seconds = 0.0


def troubles(
    member: Member, relay: SlowRelay, only: Sequence[str] = TROUBLES
) -> dict[str, Callable[[], AbstractContextManager[None]]]:
    """Return what can be wrong with a member, by name."""
    known = {"silent": partial(silent, member), "killed": partial(refusing, member), "slow": partial(slow, relay)}
    return {name: known[name] for name in only}


@dataclass(frozen=True, slots=True)
class Load:
    """What is asked, how often, and for how long."""

    variants: Sequence[Variant]
    rate: float
    """Questions a second."""
    seconds: float


def trial(
    name: str,
    system: System,
    load: Load,
    wrong: dict[str, Callable[[], AbstractContextManager[None]]],
    recovered: Callable[[], bool],
    narrator: Narrator,
) -> dict[str, Answers]:
    """Return what was answered, by trouble; every trouble is over, and `recovered`, before the next begins."""

    def measure(trouble: str) -> Answers:
        answers = steady(system, load.variants, load.rate, load.seconds)
        narrator.say(f"{name}, {trouble}: {answers.document()}")
        return answers

    wait_until(recovered, f"{name}: all members", _RECOVERY_S)
    steady(system, load.variants, load.rate, min(load.seconds, 3.0))
    found = {HEALTHY: measure(HEALTHY)}
    for trouble, begin in wrong.items():
        with begin():
            found[trouble] = measure(trouble)
        wait_until(recovered, f"{name} after {trouble}", _RECOVERY_S)
    return found
