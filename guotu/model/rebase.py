"""Rebase: when rows that changes brought are no longer told apart from those of a version's base."""

from __future__ import annotations

RECENT_SHARE = 0.05
"""Changes since a base, as part of a version's rows, above which the version is a base of its own."""


def is_own_base(changes: int, rows: int) -> bool:
    """Tell whether a version of so many rows is a base of its own by the number of changes since the one before.

    Every node must come to the same end, since the order of rows goes by it: see `guotu.model.ports.FeatureStore`.
    """
    return changes > rows * RECENT_SHARE
