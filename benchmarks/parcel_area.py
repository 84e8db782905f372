"""Ellipsoidal areas of many small polygons, several times faster than the survey's own procedure."""

import numpy as np
import shapely
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_SEMI_MAJOR = 6378137.0  # CGCS2000, metres
_ECCENTRICITY = np.sqrt(0.00669438002290)


def parcel_areas(shapes: NDArray[np.object_]) -> Floats:
    """Areas in m² on the CGCS2000 ellipsoid of (multi)polygons in degrees, lon/lat, shells counter-clockwise.

    Edges are straight in longitude and latitude. The area under an edge is integrated by Simpson's rule over
    the authalic ordinate, which for edges of some kilometres leaves less than 1e-9 of it, so that
    `guotu.model.area.ellipsoidal_area_m2`, which adds points and rounds them, differs by its rounding only.
    """
    parts, shape = shapely.get_parts(shapes, return_index=True)
    rings, part = shapely.get_rings(parts, return_index=True)
    points, ring = shapely.get_coordinates(rings, return_index=True)
    first = np.searchsorted(ring, np.arange(len(rings)))
    middle = (points[1:, 1] + points[:-1, 1]) / 2
    height = _ordinate(points[:, 1])
    mean = (height[1:] + 4 * _ordinate(middle) + height[:-1]) / 6 - height[first][ring[1:]]
    under = np.radians(points[:-1, 0] - points[1:, 0]) * mean * (ring[1:] == ring[:-1])
    owner = shape[part[ring[1:]]]
    total: Floats = np.bincount(owner, weights=under * _SEMI_MAJOR, minlength=len(shapes)).astype(np.float64)
    return total


def _ordinate(latitude: Floats) -> Floats:
    """Northing in metres of the cylindrical equal-area projection (Snyder 1987, ellipsoid, eq. 10-17)."""
    sine = np.sin(np.radians(latitude))
    e = _ECCENTRICITY
    q = (1 - e * e) * (sine / (1 - (e * sine) ** 2) + np.arctanh(e * sine) / e)
    half: Floats = _SEMI_MAJOR / 2 * q
    return half
