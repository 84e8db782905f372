"""Shapes around a shape: one that surely lies within so many metres of it, one that surely holds all that does."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from guotu.model.distance import meridian_m, parallel_m

MAX_DISTANCE_M = 1_000_000.0
_SURE = 0.02
"""Share of the distance by which the inner shape stays behind it, and the outer one goes beyond.

What a buffer may be off: GEOS leaves out bends of a hundredth of the distance, and arcs are polygons. The rule for
distances errs by less than a thousandth.
"""
_ARC = 16
"""Edges of a quarter of a circle."""
_STRIP_DEG = 0.5
"""Height of the strips in which a shape is widened, each by the scale of its own latitudes."""
_FARTHEST_DEG = 85.0


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What lies around a shape at a distance; EPSG:4490, lon/lat.

    Whatever meets `inner` is near, and nothing is but what meets `outer`.
    """

    inner: BaseGeometry
    outer: BaseGeometry


@lru_cache(maxsize=32)
def surroundings(wkb: bytes, metres: float) -> Surroundings:
    """Return what lies around a shape (WKB, EPSG:4490, lon/lat).

    Raises:
        ValueError: a pole would be too near.
    """
    shape = shapely.from_wkb(wkb)
    strips = _strips(shape)
    inner = shapely.union_all([_widened(strip, metres, inside=True) for strip in strips])
    outer = shapely.union_all([_widened(strip, metres, inside=False) for strip in strips])
    return Surroundings(inner, outer)


def box_around(bounds: tuple[float, float, float, float], metres: float) -> tuple[float, float, float, float]:
    """Return a box that holds all that is within so many metres of a box; degrees, xmin, ymin, xmax, ymax."""
    xmin, ymin, xmax, ymax = bounds
    low, high = _latitudes(ymin, ymax, metres)
    up = metres / float(meridian_m(np.array(low))) * (1 + _SURE)
    if high >= 90:
        return -180.0, max(ymin - up, -90.0), 180.0, min(ymax + up, 90.0)
    aside = metres / float(parallel_m(np.array(high))) * (1 + _SURE)
    return max(xmin - aside, -180.0), max(ymin - up, -90.0), min(xmax + aside, 180.0), min(ymax + up, 90.0)


def _latitudes(south: float, north: float, metres: float) -> tuple[float, float]:
    """Return how near to the equator, and how far from it, places within so many metres of some latitudes are."""
    reach = metres / float(meridian_m(np.array(0))) * (1 + _SURE)
    south, north = south - reach, north + reach
    low = 0.0 if south < 0 < north else min(abs(south), abs(north))
    return low, min(max(abs(south), abs(north)), 90.0)


def _strips(shape: shapely.Geometry) -> list[shapely.Geometry]:
    xmin, south, xmax, north = shapely.bounds(shape).tolist()
    count = math.ceil((north - south) / _STRIP_DEG)
    if count <= 1:
        return [shape]
    edges = np.linspace(south, north, count + 1)
    boxes = shapely.box(xmin - 1, edges[:-1], xmax + 1, edges[1:])
    return [strip for strip in shapely.intersection(shape, boxes) if not strip.is_empty]


def _widened(shape: shapely.Geometry, metres: float, *, inside: bool) -> shapely.Geometry:
    """Return a shape widened in a plane whose metres are all longer than those on the ground, or all shorter."""
    _, south, _, north = shapely.bounds(shape).tolist()
    low, high = _latitudes(south, north, metres)
    if high > _FARTHEST_DEG:
        raise ValueError(f"nothing beyond {_FARTHEST_DEG:g}° of latitude can be near")
    up, aside = (high, low) if inside else (low, high)
    degree = float(meridian_m(np.array(up)))
    scale = float(parallel_m(np.array(aside))) / degree
    radius = metres / degree * (1 - _SURE if inside else 1 + _SURE)
    flat = shapely.transform(shape, lambda points: points * (scale, 1.0))
    wide = shapely.buffer(flat, radius, quad_segs=_ARC)
    return shapely.transform(wide, lambda points: points / (scale, 1.0))
