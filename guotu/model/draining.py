"""How far a node is that hands over to others."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DrainState:
    """One look at a node that is being drained."""

    running: int
    """Questions that are being answered."""
    waiting: int
    """Questions that wait for their turn."""
    told: bool
    """The registry has been told, so that peers know."""
    drained: bool = False
    """No question has been under way for a moment."""
    alone: tuple[str, ...] = ()
    """Own datasets that no other node holds at their head version; known once drained."""
