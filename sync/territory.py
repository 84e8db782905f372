"""Territory: the coverage of a version, gone on from that of the version before."""

from __future__ import annotations

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
            edges = np.unique(shapely.get_coordinates(polygon)[:, 1])
            builder.add(*_rectangles(polygon, edges))
    return builder.polygon()


def enclosing(one: Extent | None, other: Extent | None) -> Extent | None:
    """Return the least extent that encloses both; None if there is none."""
    if one is None or other is None:
        return one or other
    return Extent(
        min(one.xmin, other.xmin), min(one.ymin, other.ymin), max(one.xmax, other.xmax), max(one.ymax, other.ymax)
    )


def _rectangles(polygon: BaseGeometry, edges: Floats) -> Floats:
    """Return the rectangles that parallels cut a polygon into, shape (4, n); `edges` are those it has, ascending."""
    west, _, east, _ = polygon.bounds
    low, high = edges[:-1], edges[1:]
    bands = shapely.box(np.full_like(low, west), low, np.full_like(low, east), high)
    parts = shapely.get_parts(shapely.intersection(polygon, bands))
    bounds: Floats = shapely.bounds(parts[shapely.area(parts) > 0]).reshape(-1, 4).T
    return bounds
