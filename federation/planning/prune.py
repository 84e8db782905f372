"""Pruning rules: advertised facts only; each decision is (keep, reason).

The rules are an ordered tuple of small functions over many datasets at a time; the first that drops a dataset decides.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from federation.planning.candidates import Candidates, division_range
from federation.planning.reach import Reach
from federation.selection import BoundSelection
from guotu.model.records import DatasetRecord

MAY_MATCH = "MAY_MATCH"
Indices = NDArray[np.intp]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Prunable:
    """A selection made ready for many tests."""

    window: BaseGeometry | None
    division: str
    nothing: bool
    """True if the filter cannot match anything anywhere."""
    zones: shapely.STRtree | None = None
    """Zones (EPSG:4490, lon/lat) of which every feature meets one; None if there is no such bound."""
    reach: Reach | None = None
    """How far the nearest features can be; None if that is not told, or not asked."""

    @classmethod
    def of(
        cls, selection: BoundSelection, zones: shapely.STRtree | None = None, reach: Reach | None = None
    ) -> Prunable:
        """Prepare a selection, the zones that features are laid over, and what they shall be near of."""
        window = selection.window
        if window is None:
            return cls(None, selection.division, False, zones, reach)
        if window.is_empty:
            return cls(None, selection.division, True, zones, reach)
        shapely.prepare(window)
        return cls(window, selection.division, False, zones, reach)


Rule = Callable[[Prunable, Candidates, Indices], Mask]
"""Tells which of the candidates with the given indices, shape (m,), to drop."""


def nothing_can_match(selection: Prunable, datasets: Candidates, at: Indices) -> Mask:
    """The filter is false everywhere."""
    return np.full(len(at), selection.nothing)


def empty_version(selection: Prunable, datasets: Candidates, at: Indices) -> Mask:
    """The dataset has no rows."""
    empty: Mask = datasets.rows[at] == 0
    return empty


def outside_division(selection: Prunable, datasets: Candidates, at: Indices) -> Mask:
    """Owner's division and the division asked for have nothing in common."""
    if not selection.division:
        return np.zeros(len(at), np.bool_)
    low, high = division_range(selection.division)
    owners = datasets.divisions[at]
    return (owners[:, 0] > high) | (owners[:, 1] < low)


def outside_extent(selection: Prunable, datasets: Candidates, at: Indices) -> Mask:
    """The window does not meet the advertised extent."""
    if selection.window is None:
        return np.zeros(len(at), np.bool_)
    xmin, ymin, xmax, ymax = selection.window.bounds
    extents = datasets.extents[at]
    # Comparisons with NaN are false: what has no extent is kept.
    return (extents[:, 0] > xmax) | (extents[:, 1] > ymax) | (extents[:, 2] < xmin) | (extents[:, 3] < ymin)


def outside_coverage(selection: Prunable, datasets: Candidates, at: Indices) -> Mask:
    """The window does not meet the advertised coverage, which covers every feature."""
    if selection.window is None:
        return np.zeros(len(at), np.bool_)
    outside = np.zeros(len(at), np.bool_)
    # Where the window covers the extent it meets every feature: most coverages need not be read.
    open_question = np.flatnonzero(~shapely.covers(selection.window, shapely.box(*datasets.extents[at].T)))
    coverages = datasets.coverages(at[open_question])
    outside[open_question] = ~(shapely.is_missing(coverages) | shapely.intersects(selection.window, coverages))
    return outside


def outside_zones(selection: Prunable, datasets: Candidates, at: Indices) -> Mask:
    """No zone meets what is advertised of where the features lie."""
    if selection.zones is None:
        return np.zeros(len(at), np.bool_)
    grounds = grounds_of(datasets, at)
    outside: Mask = ~shapely.is_missing(grounds)
    outside[selection.zones.query(grounds, predicate="intersects")[0]] = False
    return outside


def too_far(selection: Prunable, datasets: Candidates, at: Indices) -> Mask:
    """Other datasets have as many features that are surely nearer."""
    return np.zeros(len(at), np.bool_) if selection.reach is None else selection.reach.too_far(datasets, at)


def grounds_of(datasets: Candidates, at: Indices) -> NDArray[np.object_]:
    """Return for each dataset its coverage, or else its extent; None where neither is known. EPSG:4490, lon/lat."""
    grounds = datasets.coverages(at)
    bare = shapely.is_missing(grounds)
    extents = datasets.extents[at]
    known = bare & ~np.isnan(extents).any(axis=1)
    grounds[known] = shapely.box(*extents[known].T)
    return grounds


RULES: tuple[tuple[str, Rule], ...] = (
    ("FILTER_IS_FALSE", nothing_can_match),
    ("EMPTY", empty_version),
    ("OUTSIDE_DIVISION", outside_division),
    ("OUTSIDE_WINDOW", outside_extent),
    ("OUTSIDE_COVERAGE", outside_coverage),
    ("OUTSIDE_ZONES", outside_zones),
    ("TOO_FAR", too_far),
)
REASONS = (MAY_MATCH, *(reason for reason, _ in RULES))
OF_ANY_VERSION = frozenset({"FILTER_IS_FALSE", "OUTSIDE_DIVISION"})
"""Reasons that do not depend on what the head version holds."""


def decide_all(selection: Prunable, datasets: Candidates) -> NDArray[np.int8]:
    """Return the number of each dataset's reason in REASONS, shape (n,); 0 is keep."""
    verdicts = np.zeros(len(datasets), np.int8)
    kept = np.arange(len(datasets))
    for number, (_, rule) in enumerate(RULES, start=1):
        dropped = rule(selection, datasets, kept)
        verdicts[kept[dropped]] = number
        kept = kept[~dropped]
    return verdicts


def decide(selection: Prunable, record: DatasetRecord) -> tuple[bool, str]:
    """Return (keep, reason) for one dataset."""
    number = int(decide_all(selection, Candidates([record]))[0])
    return number == 0, REASONS[number]
