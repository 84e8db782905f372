"""How soon members usually answer, and for how long one waits before somebody else is asked."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from federation.execution.breaker import Breaker, State
from federation.execution.cause import Cause
from guotu.model.plan import PlanStep, Standby

_REMEMBERED = 64
_PATIENCE = 2.0
"""Times its usual time (95 of 100) that a member is waited for."""
_SIGN_S = (0.05, 0.25, 1.0)
"""Least, unknown and greatest wait for a sign of life, which takes a member no work, s."""
_BEGIN_S = (1.0, 1.0, 10.0)
"""Least, unknown and greatest wait for the first rows, s."""
_DOUBT_S = 5.0
"""How long a member that failed is in doubt: others are then asked beside it at once."""
_NEARER = 0.5
"""Of the owner's distance that of a replica must be at most, so that equals do not take turns."""
_SHARE, _BURST = 0.1, 10.0
"""Of the questions to members, how many may also be put to others because an answer is late; and how many at once."""


@dataclass(slots=True)
class _Record:
    breaker: Breaker
    signs: deque[float] = field(default_factory=lambda: deque(maxlen=_REMEMBERED))
    begins: deque[float] = field(default_factory=lambda: deque(maxlen=_REMEMBERED))
    doubt: Cause | None = None
    doubted_until: float = -math.inf


class Punctuality:
    """Remembers the members that were asked, by address; bounded by their number in the mesh."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._records: dict[str, _Record] = {}
        self._tokens = _BURST

    def asked(self) -> None:
        """Note that a member is asked, which allows for a share of a question more."""
        self._tokens = min(self._tokens + _SHARE, _BURST)

    def sign(self, address: str, seconds: float) -> None:
        """Note when a member gave a sign of life."""
        self._of(address).signs.append(seconds)

    def begin(self, address: str, seconds: float) -> None:
        """Note when a member's first rows came, which ends any doubt."""
        record = self._of(address)
        record.begins.append(seconds)
        record.doubt = None

    def failed(self, address: str, cause: Cause) -> None:
        """Note that a member did not answer, and why."""
        record = self._of(address)
        record.doubt, record.doubted_until = cause, self._clock() + _DOUBT_S

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

    def sign_wait(self, address: str) -> float:
        """Return how long to wait for a sign of life before somebody else is asked, s."""
        return _wait(self._of(address).signs, _SIGN_S)

    def begin_wait(self, address: str) -> float:
        """Return how long to wait for the first rows before somebody else is asked, s."""
        return _wait(self._of(address).begins, _BEGIN_S)

    def may_ask_more(self, address: str) -> bool:
        """Tell, and take note, whether somebody else may be asked beside a member that is late."""
        if self.doubt(address) is not None:
            return True
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True

    def _of(self, address: str) -> _Record:
        found = self._records.get(address)
        if found is None:
            found = self._records[address] = _Record(Breaker("", self._clock))
        return found


def _wait(seen: deque[float], bounds: tuple[float, float, float]) -> float:
    least, unknown, greatest = bounds
    if not seen:
        return unknown
    usual = sorted(seen)[math.ceil(0.95 * len(seen)) - 1]
    return min(max(usual * _PATIENCE, least), greatest)
