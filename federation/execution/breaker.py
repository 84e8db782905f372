"""The circuit breaker of one member: one that does not answer is left alone, and tried now and then."""

from __future__ import annotations

import time
from collections.abc import Callable
from enum import StrEnum

from guotu.model.errors import CircuitOpen, DeadlineExceeded, GuotuError, NodeUnavailable, Overloaded

_FAILURES = 3
"""In a row, after which the circuit opens."""
_CERTAIN_S = 6.0
"""A silence so long opens it at once: a question that waits for its turn is told so within 5 s."""
_LEAST_SILENCE_S = 0.5
"""A shorter one tells nothing of the member."""
_OPEN_S = (1.0, 5.0)
"""How long it is open before the first probe, and at most, s; twice as long after each that fails."""
_RETRY_SHARE, _RETRY_BURST = 0.1, 2.0
"""Of the questions to the member, how many may be put to it once more; and how many at once."""


class State(StrEnum):
    """What becomes of questions to a member."""

    CLOSED = "closed"
    """They are asked."""
    OPEN = "open"
    """They fail at once."""
    HALF_OPEN = "half-open"
    """One is asked, the probe; others fail at once."""


class Breaker:
    """Opens after failures in a row to connect, and after silences; refusals and faults of questions are answers.

    A member that said it has too much to do is not asked before the time that it told, whatever the state.
    """

    def __init__(self, node: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.node = node
        self.state = State.CLOSED
        self.why: GuotuError | None = None
        """The last failure of those in a row; None if the member answered since."""
        self.retried = 0
        """Since the start, how many questions were put to it once more."""
        self._clock = clock
        self._failures = 0
        self._open_s = _OPEN_S[0]
        self._probe_at = 0.0
        self._rest_until = 0.0
        self._retries = _RETRY_BURST

    def enter(self) -> bool:
        """Let a question through, if it may; tells whether it is the probe, which the breaker must be told the end of.

        Raises:
            CircuitOpen: the member did not answer lately.
            Overloaded: it is not to be asked yet.
        """
        now = self._clock()
        if now < self._rest_until:
            raise Overloaded(node=self.node, retry_s=round(self._rest_until - now, 2))
        if self.state is State.HALF_OPEN or (self.state is State.OPEN and now < self._probe_at):
            raise self.refusal()
        self._retries = min(self._retries + _RETRY_SHARE, _RETRY_BURST)
        if self.state is State.CLOSED:
            return False
        self.state = State.HALF_OPEN
        return True

    def refusal(self) -> CircuitOpen:
        """Return the error that stands for a circuit that is not closed."""
        detail = "" if self.why is None else self.why.english
        return CircuitOpen(node=self.node, detail=detail.rstrip("."))

    def answered(self) -> None:
        """Note that the member gave a sign of life."""
        self.state, self.why, self._failures, self._open_s = State.CLOSED, None, 0, _OPEN_S[0]

    def failed(self, failure: GuotuError, waited_s: float) -> None:
        """Note how a question without an answer ended, `waited_s` after it was asked."""
        if isinstance(failure, Overloaded):
            self._rest_until = max(self._rest_until, self._clock() + failure.retry_s)
            self.answered()
        elif isinstance(failure, NodeUnavailable):
            self._count(failure, 1)
        elif isinstance(failure, DeadlineExceeded):
            self._silent(failure, waited_s)
        else:
            self.answered()

    def abandoned(self, waited_s: float) -> None:
        """Note that nobody waits any more for a question that had no answer after `waited_s`."""
        self._silent(DeadlineExceeded(node=self.node, seconds=round(waited_s, 3)), waited_s)

    def may_retry(self) -> bool:
        """Tell, and take note, whether a question that could not be sent may be put to the member once more."""
        if self.state is not State.CLOSED or self._retries < 1.0:
            return False
        self._retries -= 1.0
        self.retried += 1
        return True

    def _silent(self, failure: GuotuError, waited_s: float) -> None:
        if waited_s >= _LEAST_SILENCE_S:
            self._count(failure, _FAILURES if waited_s >= _CERTAIN_S else 1)
        elif self.state is State.HALF_OPEN:
            self._open()

    def _count(self, failure: GuotuError, weight: int) -> None:
        self.why = failure
        self._failures += weight
        if self.state is State.HALF_OPEN:
            self._open_s = min(self._open_s * 2, _OPEN_S[1])
        if self.state is State.HALF_OPEN or self._failures >= _FAILURES:
            self._open()

    def _open(self) -> None:
        self.state, self._probe_at = State.OPEN, self._clock() + self._open_s
