"""A question's deadline, and the share of it that a member gets."""

from __future__ import annotations

import time
from dataclasses import dataclass

_RESERVE_SHARE = 0.1
_MOST_RESERVE_S = 0.25


@dataclass(frozen=True, slots=True)
class Deadline:
    """When a question must be over, on the monotonic clock, seconds."""

    ends: float
    seconds: float

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        """Return the deadline that many seconds from now."""
        return cls(time.monotonic() + seconds, seconds)

    def remaining(self) -> float:
        """Seconds left, never negative."""
        return max(self.ends - time.monotonic(), 0.0)

    def member_share(self) -> float:
        """Seconds that a member gets: a little less than what is left, so that its lateness can still be reported."""
        left = self.remaining()
        return left - min(left * _RESERVE_SHARE, _MOST_RESERVE_S)

    def patience(self) -> float:
        """Seconds that a member has to give a sign of life, which takes it no work: half of its share.

        Rows go out in member order, so others wait behind a silent member; this leaves them the other half.
        """
        return self.member_share() / 2
