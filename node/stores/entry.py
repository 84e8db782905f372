"""A version as a store's catalogue has it; the same in every store."""

from __future__ import annotations

from dataclasses import dataclass

Key = tuple[str, int]
"""Dataset and version."""
UNORDERED = -1
"""Stands for the base of a table whose rows lie in no order."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A version, staged or readable."""

    dataset: str
    version: int
    rows: int
    generation: str = ""
    """Empty for a staged change."""
    change: str = ""
    """What a staged change is found by, in the store's own way; empty otherwise."""
    readable: bool = False
    base: int = UNORDERED
    """See `guotu.model.ports.FeatureStore`."""
    changes: int = 0
    """Of rows, since its base."""

    @property
    def key(self) -> Key:
        """Return what it is found by."""
        return self.dataset, self.version
