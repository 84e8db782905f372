"""Attempts: what became of one step of a plan, as the node that asked saw it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Ending(StrEnum):
    """How an attempt ended."""

    ANSWERED = "ANSWERED"
    FAILED = "FAILED"
    OVERTAKEN = "OVERTAKEN"
    """Another one answered first."""
    STOPPED = "STOPPED"
    """The answer was full, or had failed, without it."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try to have a step answered: by the member itself, or by those who stand in for it.

    See Attempt in proto/guotu/v1/query.proto; times in milliseconds since it was asked, unless something else is said.
    """

    node: str
    """Empty for standbys at several nodes, which the step's plan names."""
    ending: Ending
    standby: bool = False
    reason: str = ""
    """Why it failed."""
    cause: str = ""
    """Why standbys were asked."""
    asked_ms: float = 0.0
    """Since the asking node began to answer."""
    sign_ms: float | None = None
    """First sign of life."""
    rows_ms: float | None = None
    """First rows."""
    ended_ms: float = 0.0
    """Last frame, or when it failed or was stopped."""
    held_ms: float = 0.0
    """Of that, how long the asking node had not yet taken its rows."""
    queued_ms: float = 0.0
    """How long it waited for its turn at the node asked."""
    node_ms: float = 0.0
    """What the node asked took by its own clock, once it was its turn."""
    store_ms: float = 0.0
    """What the store took, where rows lie at the asking node itself."""
    rows: int = 0
    size_bytes: int = 0

    @property
    def busy_ms(self) -> float:
        """What the asking node waited for it."""
        return self.ended_ms - self.held_ms
