"""How soon members usually answer, and for how long one waits before somebody else is asked."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass, field

from federation.execution.breaker import Breaker, State
from federation.execution.cause import Cause
from guotu.model.plan import PlanStep, Standby

_REMEMBERED = 64
_PLAINLY = 2.0
"""Times its usual time (95 of 100) after which a member is plainly late, and not one of the other five."""
_SIGN_S = (0.05, 0.25, 1.0)
"""Least, unknown and greatest wait for a sign of life, which takes a member no work, s."""
_BEGIN_S = (1.0, 1.0, 10.0)
"""Least, unknown and greatest wait for the first rows, s."""
_DOUBT_S = 5.0
"""How long a member that failed is in doubt: others are then asked beside it at once."""
_UNSIGNED = 2
"""Races in a row that a member lost without a sign of life, after which it is in doubt."""
_NEARER = 0.5
"""Of the owner's distance that of a replica must be at most, so that equals do not take turns."""
_SHARE, _BURST, _KEPT = 0.1, 3.0, 1.0
"""Of the questions to a member, how many may also be put to others because it is late; how many at once; and how many
of these are kept for when it is plainly late."""


@dataclass(slots=True)
class _Record:
    breaker: Breaker
    signs: deque[float] = field(default_factory=lambda: deque(maxlen=_REMEMBERED))
    begins: deque[float] = field(default_factory=lambda: deque(maxlen=_REMEMBERED))
    doubt: Cause | None = None
    doubted_until: float = -math.inf
    unsigned: int = 0
    more: float = _BURST


class Punctuality:
    """Remembers the members that were asked, by address."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._records: dict[str, _Record] = {}

    def forget_others(self, addresses: Set[str]) -> None:
        """Remember members at these addresses alone."""
        for address in self._records.keys() - addresses:
            del self._records[address]

    def asked(self, address: str) -> None:
        """Note that a member is asked before others, which allows for a share of a question to them."""
        record = self._of(address)
        record.more = min(record.more + _SHARE, _BURST)

    def sign(self, address: str, seconds: float) -> None:
        """Note when a member gave a sign of life."""
        record = self._of(address)
        record.signs.append(seconds)
        record.unsigned = 0

    def begin(self, address: str, seconds: float) -> None:
        """Note when a member's first rows came, which ends any doubt."""
        record = self._of(address)
        record.begins.append(seconds)
        record.doubt = None

    def failed(self, address: str, cause: Cause) -> None:
        """Note that a member did not answer, and why."""
        record = self._of(address)
        record.doubt, record.doubted_until = cause, self._clock() + _DOUBT_S

    def overtaken(self, address: str, signed: bool, seconds: float) -> None:
        """Note that others had rows before a member, which was late, and has been waited for so long.

        One without a sign of life is in doubt if it is plainly late, or if that was so the last time.
        """
        record = self._of(address)
        if not signed:
            record.unsigned += 1
            if record.unsigned >= _UNSIGNED or seconds >= self.sign_wait(address, plainly=True):
                self.failed(address, Cause.lateness(seconds))
        elif seconds >= self.begin_wait(address):
            record.begins.append(seconds)

    def silent(self, address: str, seconds: float) -> None:
        """Note that a member that was overtaken after so many seconds gave no sign of life to the end of the answer.

        It takes so long at least. Without that what is usual would be that of the punctual, and shorter each time. The
        question has been answered once, by others, so it is none of those that were asked twice.
        """
        record = self._of(address)
        record.signs.append(seconds)
        record.more = min(record.more + 1.0, _BURST)

    def doubt(self, address: str) -> Cause | None:
        """Return why a member failed a moment ago; None if it did not."""
        record = self._of(address)
        if record.breaker.state is not State.CLOSED:
            return Cause.of_error(record.breaker.refusal(), False)
        return record.doubt if self._clock() < record.doubted_until else None

    def breaker(self, node: str, address: str) -> Breaker:
        """Return the circuit breaker of a member."""
        breaker = self._of(address).breaker
        breaker.node = node
        return breaker

    def breakers(self) -> list[Breaker]:
        """Return the breakers of all members that were asked."""
        return [record.breaker for record in self._records.values() if record.breaker.node]

    def distance(self, address: str) -> float:
        """Return the usual time of a member's sign of life, s; none for this node itself, nor while it is unknown."""
        signs = self._of(address).signs if address else ()
        return sorted(signs)[len(signs) // 2] if signs else 0.0

    def nearest_first(self, standbys: Sequence[Standby]) -> tuple[Standby, ...]:
        """Return standbys with the nearest of each dataset first; equals, and unknown ones, as they came."""
        datasets = {standby.dataset: number for number, standby in reversed(list(enumerate(standbys)))}
        return tuple(sorted(standbys, key=lambda one: (datasets[one.dataset], self.distance(one.address))))

    def farther(self, step: PlanStep) -> Cause | None:
        """Return that a member is farther than the first standby of each of its datasets; None if it is not.

        A standby that was never asked is tried, so that its distance becomes known.
        """
        first = {standby.dataset: standby.address for standby in reversed(step.standbys)}
        owner = self.distance(step.address)
        nearer = owner > 0.0 and all(self.distance(address) <= owner * _NEARER for address in first.values())
        return Cause.farther(owner) if nearer or (step.covered and not any(first.values())) else None

    def sign_wait(self, address: str, plainly: bool = False) -> float:
        """Return after how long without a sign of life a member is late, or plainly late, s."""
        return _wait(self._of(address).signs, _SIGN_S, plainly)

    def begin_wait(self, address: str, plainly: bool = False) -> float:
        """Return after how long without rows a member is late, or plainly late, s."""
        return _wait(self._of(address).begins, _BEGIN_S, plainly)

    def may_ask_more(self, address: str, plainly: bool = False) -> bool:
        """Tell, and take note, whether others may be asked beside a member that is late, or plainly late."""
        if self.doubt(address) is not None:
            return True
        record = self._of(address)
        left = record.more - 1.0
        if left < (0.0 if plainly else _KEPT):
            return False
        record.more = left
        return True

    def _of(self, address: str) -> _Record:
        found = self._records.get(address)
        if found is None:
            found = self._records[address] = _Record(Breaker("", self._clock))
        return found


def _wait(seen: deque[float], bounds: tuple[float, float, float], plainly: bool) -> float:
    least, unknown, greatest = bounds
    if not seen:
        return unknown
    usual = sorted(seen)[math.ceil(0.95 * len(seen)) - 1]
    return min(max(usual * _PLAINLY if plainly else usual, least), greatest)
