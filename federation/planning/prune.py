"""Pruning rules: advertised facts only; each decision returns (keep, reason).

The rules are an ordered tuple of small functions; the first that has a reason to drop a dataset decides.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import shapely
from shapely.geometry.base import BaseGeometry

from federation.selection import BoundSelection
from guotu.model.division import contains, node_division
from guotu.model.records import DatasetRecord, Extent

MAY_MATCH = "MAY_MATCH"


@dataclass(frozen=True, slots=True)
class Prunable:
    """A selection made ready for many tests."""

    window: BaseGeometry | None
    extent: Extent | None
    division: str
    nothing: bool
    """True if the filter cannot match anything anywhere."""

    @classmethod
    def of(cls, selection: BoundSelection) -> Prunable:
        """Prepare a selection."""
        window = selection.window
        if window is None:
            return cls(None, None, selection.division, False)
        if window.is_empty:
            return cls(None, None, selection.division, True)
        shapely.prepare(window)
        return cls(window, Extent(*window.bounds), selection.division, False)


Rule = Callable[[Prunable, DatasetRecord], str]
"""Returns a stable reason to drop the dataset; empty to keep it."""


def nothing_can_match(selection: Prunable, record: DatasetRecord) -> str:
    """The filter is false everywhere."""
    return "FILTER_IS_FALSE" if selection.nothing else ""


def empty_version(selection: Prunable, record: DatasetRecord) -> str:
    """The dataset has no rows."""
    return "EMPTY" if record.rows == 0 else ""


def outside_division(selection: Prunable, record: DatasetRecord) -> str:
    """Owner's division and the division asked for have nothing in common."""
    if not selection.division:
        return ""
    owner = node_division(record.node)
    related = contains(owner, selection.division) or contains(selection.division, owner)
    return "" if related else "OUTSIDE_DIVISION"


def outside_extent(selection: Prunable, record: DatasetRecord) -> str:
    """The window does not meet the advertised extent."""
    if selection.extent is None or record.extent is None:
        return ""
    return "" if selection.extent.intersects(record.extent) else "OUTSIDE_WINDOW"


def outside_coverage(selection: Prunable, record: DatasetRecord) -> str:
    """The window does not meet the advertised coverage, which covers every feature."""
    if selection.window is None or not record.coverage_wkb:
        return ""
    meets = shapely.intersects(selection.window, shapely.from_wkb(record.coverage_wkb))
    return "" if meets else "OUTSIDE_COVERAGE"


RULES: tuple[Rule, ...] = (nothing_can_match, empty_version, outside_division, outside_extent, outside_coverage)


def decide(selection: Prunable, record: DatasetRecord) -> tuple[bool, str]:
    """Return (keep, reason) for one dataset."""
    for rule in RULES:
        reason = rule(selection, record)
        if reason:
            return False, reason
    return True, MAY_MATCH
