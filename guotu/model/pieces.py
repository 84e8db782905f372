"""Large zones in small pieces, and work with pairs of shapes that survives a pair which the geometry engine refuses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

Objects = NDArray[np.object_]
Ints = NDArray[np.int64]

_PIECE_POINTS = 512
"""A zone with more points is cut into pieces of at most so many, of which a feature on its border meets a few."""
_MOST_HALVINGS = 40


def cut_up(zones: Objects) -> tuple[Objects, Ints]:
    """Return pieces of zones, none with many points, and the number of the zone that each is of, ascending."""
    pieces, owner = zones, np.arange(len(zones))
    for _ in range(_MOST_HALVINGS):
        large = shapely.get_num_coordinates(pieces) > _PIECE_POINTS
        if not large.any():
            break
        halves = _halves(pieces[large])
        kept = np.concatenate([pieces[~large], halves])
        owners = np.concatenate([owner[~large], np.tile(owner[large], 2)])
        filled = ~shapely.is_empty(kept)
        order = np.argsort(owners[filled], kind="stable")
        pieces, owner = kept[filled][order], owners[filled][order]
    return pieces, owner


def _halves(shapes: Objects) -> Objects:
    """Return the lower or left halves of shapes, then the upper or right ones; cut across their longer side."""
    xmin, ymin, xmax, ymax = shapely.bounds(shapes).T
    wide = xmax - xmin > ymax - ymin
    x, y = (xmin + xmax) / 2, (ymin + ymax) / 2
    low = shapely.box(xmin, ymin, np.where(wide, x, xmax), np.where(wide, ymax, y))
    high = shapely.box(np.where(wide, x, xmin), np.where(wide, ymin, y), xmax, ymax)
    return _areal(robust(shapely.intersection, np.tile(shapes, 2), np.concatenate([low, high])))


def _areal(shapes: Objects) -> Objects:
    """Return shapes without what they have besides polygons: the lines along which a cut touches."""
    mixed = shapely.get_type_id(shapes) == shapely.GeometryType.GEOMETRYCOLLECTION
    for place in np.flatnonzero(mixed).tolist():
        parts = shapely.get_parts(shapes[place])
        shapes[place] = shapely.multipolygons(parts[shapely.get_type_id(parts) == shapely.GeometryType.POLYGON])
    return shapes


def robust(work: Callable[..., Any], left: Objects, right: Objects) -> NDArray[Any]:
    """Do some work with pairs of shapes; a pair that it fails with is repaired, whatever stands beside it."""
    try:
        return np.asarray(work(left, right))
    except shapely.errors.GEOSException:
        if len(left) > 1:
            half = len(left) // 2
            return np.concatenate([robust(work, left[:half], right[:half]), robust(work, left[half:], right[half:])])
        return np.asarray(work(shapely.make_valid(left), shapely.make_valid(right)))
