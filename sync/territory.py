"""Territory: the coverage of a version, gone on from that of the version before."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from guotu.model.coverage import CoverageBuilder, Floats
from guotu.model.records import Extent


def joined_coverage(wkb: bytes, fresh: BaseGeometry | None) -> BaseGeometry | None:
    """Return a coverage of all that two coverages (polygons of right angles) cover, as small as any.

    `wkb` is that of the version before, empty for none; `fresh` that of new features.
    """
    builder = CoverageBuilder()
    for polygon in (shapely.from_wkb(wkb) if wkb else None, fresh):
        if polygon is not None:
            for low, high in pairwise(np.unique(shapely.get_coordinates(polygon)[:, 1]).tolist()):
                builder.add(*_rectangles(polygon, low, high))
    return builder.polygon()


def enclosing(one: Extent | None, other: Extent | None) -> Extent | None:
    """Return the least extent that encloses both; None if there is none."""
    if one is None or other is None:
        return one or other
    return Extent(
        min(one.xmin, other.xmin), min(one.ymin, other.ymin), max(one.xmax, other.xmax), max(one.ymax, other.ymax)
    )


def _rectangles(polygon: BaseGeometry, low: float, high: float) -> Floats:
    """Return the rectangles of a polygon between two parallels, shape (4, n)."""
    west, _, east, _ = polygon.bounds
    parts = shapely.get_parts(shapely.intersection(polygon, shapely.box(west, low, east, high)))
    bounds: Floats = shapely.bounds(parts[shapely.area(parts) > 0]).reshape(-1, 4).T
    return bounds
