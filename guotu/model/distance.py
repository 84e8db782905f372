"""Distances on the ellipsoid of CGCS2000, in metres: the one rule for all stores.

The distance of two shapes is 0 where they meet, else the length of the geodesic between the points of theirs that are
nearest to each other. Edges are straight in longitude and latitude, as in every other relation. The nearest points are
found in a plane that has the scale of the ellipsoid midway between them, so that the result is never less than the
true distance, and exceeds it by less than a millionth up to 20 km and a ten-thousandth up to 300 km
(tests/property/test_distance_laws.py). It does not depend on what else is measured beside it.
"""

from __future__ import annotations

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import Geod

from guotu.model.locating import SEMI_MAJOR_M, SEMI_MINOR_M

Objects = NDArray[np.object_]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]

_E2 = 1 - (SEMI_MINOR_M / SEMI_MAJOR_M) ** 2
_PAIRS = 1 << 15
"""Pairs of a shape and an edge that are worked on at a time."""
_ROUNDING = 1e-9
_SLACK_M = 1e-3
"""Far more than degrees are rounded by."""
_HALF_TURN_DEG = 179.0
_BULGE_DEG = 0.1
"""How much farther from the equator than a great circle a geodesic may lead."""


def meridian_m(latitude: Floats) -> Floats:
    """Return the metres of a degree of latitude there; it grows with the distance from the equator."""
    metres: Floats = np.radians(SEMI_MAJOR_M * (1 - _E2) / _bend(latitude) ** 1.5)
    return metres


def parallel_m(latitude: Floats) -> Floats:
    """Return the metres of a degree of longitude there; it shrinks with the distance from the equator."""
    metres: Floats = np.radians(SEMI_MAJOR_M * np.cos(np.radians(latitude)) / np.sqrt(_bend(latitude)))
    return metres


def least_m(one: Floats, others: Floats) -> Floats:
    """Return what the distances of what lies in a box from what lies in others are at least, metres, shape (n,).

    `one` is (xmin, ymin, xmax, ymax) in degrees, `others` are such, shape (n, 4). NaN where a box is.
    """
    gap_x = np.maximum(0, np.maximum(others[:, 0] - one[2], one[0] - others[:, 2]))
    gap_y = np.maximum(0, np.maximum(others[:, 1] - one[3], one[1] - others[:, 3]))
    ends = np.abs(np.column_stack([others[:, 1], others[:, 3], np.full((len(others), 2), one[1::2])]))
    # How far from the equator the way between may lead: there degrees of longitude are shortest.
    turn = np.cos(np.radians(np.minimum(gap_x, 180.0) / 2))
    high = np.degrees(np.arctan2(np.tan(np.radians(np.minimum(ends.max(axis=1), 89.9))), turn)) + _BULGE_DEG
    straight: Floats = np.hypot(gap_x * parallel_m(np.minimum(high, 90.0)), gap_y * meridian_m(np.zeros(1)))
    return straight


def _bend(latitude: Floats) -> Floats:
    bend: Floats = 1 - _E2 * np.sin(np.radians(latitude)) ** 2
    return bend


class Distances:
    """Distances of many shapes from one."""

    def __init__(self, shape: shapely.Geometry) -> None:
        """Take the shape (EPSG:4490, lon/lat), not empty."""
        self._shape = shapely.force_2d(shape)
        shapely.prepare(self._shape)
        self._edges = _edges(self._shape)
        _, south, _, north = shapely.bounds(self._shape)
        self._scale = _scale(np.array([(south + north) / 2]))
        (flat,) = _scaled(np.array([self._shape]), self._scale)
        shapely.prepare(flat)
        self._flat = flat
        self._tree = shapely.STRtree(_scaled(self._edges, np.broadcast_to(self._scale, len(self._edges))))
        self._geod = Geod(a=SEMI_MAJOR_M, b=SEMI_MINOR_M)

    def of(self, shapes: Objects) -> Floats:
        """Return the distance of each shape (EPSG:4490, lon/lat), metres, shape (n,); NaN where there is no point."""
        present = np.flatnonzero(~shapely.is_missing(shapes) & ~shapely.is_empty(shapes))
        return self._measured(shapes, present, len(shapes), np.inf)

    def nearest(self, shapes: Objects, count: int, most: float) -> Floats:
        """Return the distances of those of many shapes (EPSG:4490, lon/lat) that may be the nearest, metres, (n,).

        They are those of `of`, or NaN: of a shape without a point, and of one that is surely farther than `most`
        metres, or than `count` others. What meets the shape comes first: where that is enough, hardly anything is
        measured.
        """
        least = least_m(np.array(shapely.bounds(self._shape)), shapely.bounds(shapes))
        return self._measured(shapes, np.flatnonzero(least <= most), count, most)

    def _measured(self, shapes: Objects, places: Ints, count: int, most: float) -> Floats:
        """Return the distances of the shapes at some places, NaN of others; see `nearest`."""
        metres = np.full(len(shapes), np.nan)
        met = shapely.intersects(self._shape, shapes[places])
        metres[places[met]] = 0.0
        apart = places[~met]
        if len(apart):
            others = np.asarray(shapely.force_2d(shapes[apart]), dtype=object)
            metres[apart] = self._apart(others, count - int(np.count_nonzero(met)), most)
        return metres

    def _apart(self, shapes: Objects, count: int, most: float) -> Floats:
        """Return the distances of shapes that do not meet it, NaN of those that are not needed; see `nearest`."""
        metres = np.full(len(shapes), np.nan)
        flat = _scaled(shapes, np.broadcast_to(self._scale, len(shapes)))
        near = np.flatnonzero(self._within(shapes, flat, most if count > 0 else 0.0))
        if not len(near):
            return metres
        ends = self._ends(flat[near])
        upper = self._length(ends)
        if 0 < count < len(near):
            # No distance exceeds its upper bound, so as many as are wanted are as near as this.
            enough = float(np.partition(np.nan_to_num(upper, nan=np.inf), count - 1)[count - 1])
            kept = self._within(shapes[near], flat[near], enough)
            near, ends, upper = near[kept], ends[kept], upper[kept]
        metres[near] = self._refined(shapes[near], flat[near], ends, upper)
        return metres

    def _within(self, shapes: Objects, flat: Objects, metres: float) -> Mask:
        """Return which shapes may be as near as that, shape (n,); `flat` are the same in the plane of this one."""
        if metres == np.inf:
            return np.ones(len(shapes), np.bool_)
        # It broadcasts, which its types do not tell.
        reached: Mask = shapely.dwithin(self._flat, flat, self._radius(shapes, metres + _SLACK_M))  # type: ignore[call-overload]
        west, _, east, _ = shapely.bounds(self._shape)
        bounds = shapely.bounds(shapes)
        # The plane does not know of the way across the 180th meridian.
        around: Mask = np.maximum(bounds[:, 2] - west, east - bounds[:, 0]) >= _HALF_TURN_DEG
        return reached | around

    def _ends(self, flat: Objects) -> Floats:
        """Return the points of this shape and of others that are nearest in the plane, degrees, shape (n, 2, 2)."""
        return _ends(shapely.shortest_line(self._flat, flat), np.broadcast_to(self._scale, len(flat)))

    def _refined(self, shapes: Objects, flat: Objects, ends: Floats, upper: Floats) -> Floats:
        """Return the distances of shapes, from the points that are nearest in the plane, and how far these are."""
        metres = upper.copy()
        feature, edge = self._tree.query(flat, predicate="dwithin", distance=self._radius(shapes, metres))
        middle = ends[:, :, 1].mean(axis=1)
        for start in range(0, len(feature), _PAIRS):
            part = slice(start, start + _PAIRS)
            of, found = feature[part], middle[feature[part]]
            for _ in range(2):
                scale = _scale(found)
                lines = shapely.shortest_line(_scaled(self._edges[edge[part]], scale), _scaled(shapes[of], scale))
                ends = _ends(lines, scale)
                np.minimum.at(metres, of, self._length(ends))
                found = ends[:, :, 1].mean(axis=1)
        return metres

    def _radius(self, shapes: Objects, metres: Floats | float) -> Floats:
        """Return how far apart, in the plane of the whole shape, what is at most so many metres apart may lie."""
        low, high = _band(shapely.bounds(shapes), metres)
        shrink = np.minimum(1.0, _scale(high) / self._scale)
        radius: Floats = metres / (meridian_m(low) * shrink) * (1 + _ROUNDING)
        return radius

    def _length(self, ends: Floats) -> Floats:
        (x0, y0), (x1, y1) = ends[:, 0].T, ends[:, 1].T
        _, _, length = self._geod.inv(x0, y0, x1, y1)
        return np.asarray(length, dtype=np.float64)


def _band(bounds: Floats, metres: Floats | float) -> tuple[Floats, Floats]:
    """Return how near to the equator, and how far from it, the way to anything so near may lead; degrees, (n,)."""
    reach = metres / meridian_m(np.zeros(1)) * (1 + 1e-3)
    south, north = bounds[:, 1] - reach, bounds[:, 3] + reach
    low = np.where((south < 0) & (north > 0), 0.0, np.minimum(np.abs(south), np.abs(north)))
    return low, np.minimum(np.maximum(np.abs(south), np.abs(north)), 90.0)


def _scale(latitude: Floats) -> Floats:
    """Return by how much a degree of longitude is shorter there than one of latitude."""
    scale: Floats = parallel_m(latitude) / meridian_m(latitude)
    return scale


def _scaled(shapes: Objects, scales: Floats) -> Objects:
    points, of = shapely.get_coordinates(shapes, return_index=True)
    points[:, 0] *= scales[of]
    made: Objects = shapely.set_coordinates(shapes.copy(), points)
    return made


def _ends(lines: Objects, scales: Floats) -> Floats:
    """Return both ends of lines in degrees, shape (n, 2, 2)."""
    ends: Floats = shapely.get_coordinates(lines).reshape(-1, 2, 2)
    ends[:, :, 0] /= scales[:, None]
    return ends


def _edges(shape: shapely.Geometry) -> Objects:
    """Return the points and edges that a shape is made of."""
    parts = np.array([shape])
    while (shapely.get_type_id(parts) > shapely.GeometryType.POLYGON).any():
        parts = shapely.get_parts(parts)
    kinds = shapely.get_type_id(parts)
    rings = shapely.get_rings(parts[kinds == shapely.GeometryType.POLYGON])
    lines = np.isin(kinds, (shapely.GeometryType.LINESTRING, shapely.GeometryType.LINEARRING))
    points, of = shapely.get_coordinates(np.concatenate([rings, parts[lines]]), return_index=True)
    inner = of[1:] == of[:-1]
    edges = shapely.linestrings(np.stack([points[:-1][inner], points[1:][inner]], axis=1))
    made: Objects = np.concatenate([parts[kinds == shapely.GeometryType.POINT], edges])
    return made
