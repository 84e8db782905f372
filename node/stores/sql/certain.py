"""Rectangles that lie wholly within a polygon, or wholly outside: what a bbox inside of one of them decides.

A grid is laid over the polygon's bounds. Its cells are inside, outside or on the border; rectangles of many cells of
one kind are taken, the largest first, each for the cells that those before it left. So most features of a large polygon
need no exact test, whatever its outline.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

_CELLS = 20
"""Of the grid, along each axis."""
_MOST = 6
"""Rectangles of each kind: each is compared with the bbox of every feature that the others did not decide."""
_LEAST = _CELLS * _CELLS // 100
"""Cells that a rectangle must add to be worth its comparisons."""

Box = tuple[float, float, float, float]
"""xmin, ymin, xmax, ymax."""
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Certain:
    """Rectangles of a polygon, in its own units."""

    inside: tuple[Box, ...] = ()
    """In its interior: what lies in one of them, edges included, lies within it."""
    outside: tuple[Box, ...] = ()
    """What lies in one of them, edges included, has no point in common with it."""


def certain(shape: shapely.Geometry) -> Certain:
    """Return the rectangles of a polygon or multipolygon; none of another geometry, or of a broken one."""
    areal = shapely.get_type_id(shape) in (shapely.GeometryType.POLYGON, shapely.GeometryType.MULTIPOLYGON)
    xmin, ymin, xmax, ymax = shapely.bounds(shape).tolist()
    if not (areal and xmin < xmax and ymin < ymax and shapely.is_valid(shape)):
        return Certain()
    x, y = np.linspace(xmin, xmax, _CELLS + 1), np.linspace(ymin, ymax, _CELLS + 1)
    cells = shapely.box(x[None, :-1], y[:-1, None], x[None, 1:], y[1:, None])
    shapely.prepare(shape)
    kinds = shapely.contains_properly(shape, cells), shapely.disjoint(shape, cells)
    inside, outside = (
        tuple((x[left], y[bottom], x[right], y[top]) for bottom, top, left, right in _rectangles(kind).tolist())
        for kind in kinds
    )
    return Certain(inside, outside)


def _rectangles(mask: Mask) -> NDArray[np.int64]:
    """Return half-open ranges (bottom, top, left, right) of cells that are all set, shape (n, 4)."""
    candidates = _all_runs(mask)
    chosen: list[NDArray[np.int64]] = []
    left = mask.copy()
    while len(chosen) < _MOST and len(candidates):
        added = _counts(left, candidates)
        best = int(added.argmax())
        if added[best] < _LEAST:
            break
        bottom, top, west, east = candidates[best]
        left[bottom:top, west:east] = False
        chosen.append(candidates[best])
    return np.array(chosen, np.int64).reshape(-1, 4)


def _all_runs(mask: Mask) -> NDArray[np.int64]:
    """Return, for every range of rows, the longest ranges of columns in which all cells are set."""
    rows = np.arange(len(mask))
    first, last = (index.ravel() for index in np.meshgrid(rows, rows, indexing="ij"))
    first, last = first[first <= last], last[first <= last]
    missing = np.pad((~mask).cumsum(axis=0), ((1, 0), (0, 0)))
    whole = np.pad(missing[last + 1] == missing[first], ((0, 0), (1, 1))).view(np.int8)
    steps = np.diff(whole, axis=1)
    at, left = np.nonzero(steps == 1)
    right = np.nonzero(steps == -1)[1]
    return np.stack([first[at], last[at] + 1, left, right], axis=1)


def _counts(mask: Mask, ranges: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return how many cells are set in each range."""
    sums = np.pad(mask.cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))
    bottom, top, left, right = ranges.T
    counts: NDArray[np.int64] = sums[top, right] - sums[bottom, right] - sums[top, left] + sums[bottom, left]
    return counts
