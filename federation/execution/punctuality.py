"""How soon members usually answer, and for how long one waits before somebody else is asked."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from federation.execution.cause import Cause

_REMEMBERED = 64
_PATIENCE = 2.0
"""Times its usual time (95 of 100) that a member is waited for."""
_SIGN_S = (0.05, 0.25, 1.0)
"""Least, unknown and greatest wait for a sign of life, which takes a member no work, s."""
_BEGIN_S = (1.0, 1.0, 10.0)
"""Least, unknown and greatest wait for the first rows, s."""
_DOUBT_S = 5.0
"""How long a member that failed is in doubt: others are then asked beside it at once."""
_SHARE, _BURST = 0.1, 10.0
"""Of the questions to members, how many may also be put to others because an answer is late; and how many at once."""


@dataclass(slots=True)
class _Record:
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
        return record.doubt if self._clock() < record.doubted_until else None

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
        return self._records.setdefault(address, _Record())


def _wait(seen: deque[float], bounds: tuple[float, float, float]) -> float:
    least, unknown, greatest = bounds
    if not seen:
        return unknown
    usual = sorted(seen)[math.ceil(0.95 * len(seen)) - 1]
    return min(max(usual * _PATIENCE, least), greatest)
