"""Ellipsoidal area (椭球面积) by the land survey's own formula, over arrays of polygons.

Source: 国土调查办发〔2008〕32号《图幅理论面积与图斑椭球面积计算公式及要求》, with the constants of CGCS2000.
The area between an edge and a meridian is that of a trapezoid between two parallels; a ring is the signed sum
over its edges. Edges over 70 m are cut into equal parts, Gauss coordinates are rounded to 4 decimals of a
metre, latitude and longitude to 6 decimals of a second, all half up, before they enter the formula.
"""

from collections.abc import Iterator

import numpy as np
import shapely
from numpy.typing import NDArray

from guotu.model.locating import SEMI_MAJOR_M, SEMI_MINOR_M, Frame, frame_of, round_half_up

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Objects = NDArray[np.object_]

MAX_EDGE_M = 70.0

_E2 = (SEMI_MAJOR_M**2 - SEMI_MINOR_M**2) / SEMI_MAJOR_M**2
# The rule's A..E with alternating signs, for the multiples 1, 3, 5, 7, 9 of the half latitude step.
_SERIES = (
    1 + 3 / 6 * _E2 + 30 / 80 * _E2**2 + 35 / 112 * _E2**3 + 630 / 2304 * _E2**4,
    -(1 / 6 * _E2 + 15 / 80 * _E2**2 + 21 / 112 * _E2**3 + 420 / 2304 * _E2**4),
    3 / 80 * _E2**2 + 7 / 112 * _E2**3 + 180 / 2304 * _E2**4,
    -(1 / 112 * _E2**3 + 45 / 2304 * _E2**4),
    5 / 2304 * _E2**4,
)
_CHEBYSHEV = ((1, 0, 0, 0, 0), (1, -4, 0, 0, 0), (1, -12, 16, 0, 0), (1, -24, 80, -64, 0), (1, -40, 240, -448, 256))
# The series' derivative: cos B times a polynomial in sin² B, by cos 3B = cos B (1 - 4 sin² B) and so on.
_THIN = tuple(
    sum(
        factor * multiple * row[power]
        for factor, multiple, row in zip(_SERIES, (1, 3, 5, 7, 9), _CHEBYSHEV, strict=True)
    )
    for power in range(5)
)
_BLOCK_POINTS = 1 << 14
"""Points that are worked on at a time: what fits into a processor's cache."""
_POLYGON, _FIRST_COLLECTION = 3, 4


def sheet_area_m2(dl_deg: float, b1_deg: float, b2_deg: float) -> float:
    """Return the theoretical area (图幅理论面积) of a map sheet, in square metres, unrounded.

    `dl_deg` is the sheet's width in longitude, `b1_deg` and `b2_deg` its south and north edges; degrees on
    CGCS2000.
    """
    b1, b2 = np.radians(np.array([b1_deg])), np.radians(np.array([b2_deg]))
    return float(_trapezoid(np.radians(np.array([dl_deg])), b1, b2)[0])


def ellipsoidal_area_m2(geometries: Objects, crs: str = "EPSG:4490") -> Floats:
    """Return the ellipsoidal area of each geometry in square metres, unrounded, shape (n,).

    `geometries` is an array of shapely geometries, x before y: longitude and latitude in degrees for
    EPSG:4490 (edges are straight in longitude and latitude), easting and northing in metres for the CGCS2000
    Gauss-Krüger zones EPSG:4491 to 4554 (edges are straight on the plane). Holes are subtracted whatever
    their orientation; points and lines have no area; a missing geometry gives NaN.

    Raises:
        ValueError: another CRS, or coordinates that cannot belong to this one.
    """
    geometries = np.asarray(geometries, dtype=object)
    frame = frame_of(crs)
    polygons, feature = _polygons(geometries)
    rings, polygon, is_hole = _rings(polygons)
    signed = np.where(is_hole, -1.0, 1.0) * np.abs(_ring_areas(rings, frame))
    sums = np.bincount(feature[polygon], weights=signed, minlength=len(geometries))
    areas: Floats = sums.astype(np.float64)  # of no rings at all, bincount makes integers
    areas[shapely.is_missing(geometries)] = np.nan
    return areas


def official_area_m2(geometries: Objects, crs: str = "EPSG:4490") -> Floats:
    """Return the area of record of each geometry: `ellipsoidal_area_m2` rounded half up to 2 decimals."""
    return round_half_up(ellipsoidal_area_m2(geometries, crs), 2)


def _trapezoid(width: Floats, b1: Floats, b2: Floats) -> Floats:
    """Return the signed area between parallels `b1` and `b2` over `width` of longitude, radians to m²."""
    half, middle = (b2 - b1) / 2, (b1 + b2) / 2
    sine, cosine = np.sin(half), np.cos(middle)
    # Those of odd multiples follow from the two before them: sin(x + 2h) = 2 cos(2h) sin x - sin(x - 2h).
    turn, swing = 2 - 4 * sine * sine, 4 * cosine * cosine - 2
    sines, cosines = (-sine, sine), (cosine, cosine)
    total = np.zeros_like(middle)
    for coefficient in _SERIES:
        total += coefficient * sines[1] * cosines[1]
        sines = sines[1], turn * sines[1] - sines[0]
        cosines = cosines[1], swing * cosines[1] - cosines[0]
    return 2 * SEMI_MINOR_M**2 * width * total


def _polygons(geometries: Objects) -> tuple[Objects, Ints]:
    """Flatten to simple polygons, with the index of the geometry each came from."""
    whole = np.flatnonzero(shapely.get_type_id(geometries) == _POLYGON)
    others = np.flatnonzero(shapely.get_type_id(geometries) > _POLYGON)
    parts, origin = shapely.get_parts(geometries[others], return_index=True)
    while (shapely.get_type_id(parts) >= _FIRST_COLLECTION).any():
        parts, inner = shapely.get_parts(parts, return_index=True)
        origin = origin[inner]
    keep = shapely.get_type_id(parts) == _POLYGON
    # What is a polygon already is not taken apart: parts are copies, which cost more than all that is done with them.
    return np.concatenate([geometries[whole], parts[keep]]), np.concatenate([whole, others[origin[keep]]])


def _rings(polygons: Objects) -> tuple[Objects, Ints, NDArray[np.bool_]]:
    """Return the rings of polygons, the polygon that each is of, and whether it is a hole; each shape (rings,).

    A polygon without holes stands for its shell, since making rings costs more than all that is done with them.
    """
    plain = (shapely.get_num_interior_rings(polygons) == 0) & ~shapely.is_empty(polygons)
    rings, owner = shapely.get_rings(polygons[~plain], return_index=True)
    # get_rings gives the shell of each polygon first, then its holes.
    is_hole = owner == np.concatenate([[-1], owner[:-1]])
    polygon = np.concatenate([np.flatnonzero(plain), np.flatnonzero(~plain)[owner]])
    return (
        np.concatenate([polygons[plain], rings]),
        polygon,
        np.concatenate([np.zeros(int(plain.sum()), np.bool_), is_hole]),
    )


def _ring_areas(rings: Objects, frame: Frame) -> Floats:
    """Return the signed area of each ring, shape (rings,); that of a ring does not depend on those beside it."""
    points, ring = shapely.get_coordinates(rings, return_index=True)
    areas = np.zeros(len(rings))
    if not len(rings):
        return areas
    first = np.flatnonzero(np.concatenate([[True], ring[1:] != ring[:-1]]))
    # The rule measures longitude from a reference that drops out over a closed ring. One near the ring keeps
    # the terms small, so that long rings lose no digits.
    reference = frame.locate(points[first, 0], points[first, 1])[1]
    for vertices, pieces in _blocks(points, ring, first, frame):
        owner = ring[vertices]
        starts = np.cumsum(pieces) - pieces
        x, y = _densify(points[vertices], pieces, starts)
        latitude, longitude = frame.locate(x, y)
        longitude -= np.repeat(reference[owner], pieces)
        edges = _edge_areas(latitude, longitude)
        begins = np.flatnonzero(np.concatenate([[True], owner[1:] != owner[:-1]]))
        edges[starts[begins] - 1] = 0.0  # from the last point of a ring to the first of the next; behind the last point
        areas[owner[begins]] += np.add.reduceat(edges, starts[begins])
    return areas


def _edge_areas(latitude: Floats, longitude: Floats) -> Floats:
    """Return the signed areas between each point (radians, n), the next one and the meridian 0, m², shape (n,).

    After the last point comes the first one.
    This is `_trapezoid` where two points are at most 70 m apart, so that the sine of half their difference is its
    series to the third power: for the whole sum one cosine is enough, the rest is a polynomial in sin².
    """
    after = np.roll(latitude, -1)
    rise = after - latitude
    cosine = after
    cosine += latitude
    cosine *= 0.5
    np.cos(cosine, out=cosine)
    square = 1 - cosine * cosine
    series = np.full_like(square, _THIN[-1])
    for coefficient in _THIN[-2::-1]:
        series *= square
        series += coefficient
    series *= cosine
    series *= rise
    rise *= rise
    rise *= -1 / 24
    rise += 1
    series *= rise
    series *= longitude + np.roll(longitude, -1)
    series *= SEMI_MINOR_M**2 / 2
    return series


def _blocks(points: Floats, ring: Ints, first: Ints, frame: Frame) -> Iterator[tuple[slice, Ints]]:
    """Yield runs of points with the number of parts that the edge after each is cut into, no part over 70 m.

    The last point of a run begins the next. A run holds whole rings or a part of one, so that a ring is cut where it
    would be if it were alone.
    """
    pieces = np.ones(len(points), dtype=np.int64)
    is_edge = ring[1:] == ring[:-1]
    # Non-finite vertices stay as they are and give NaN; the length of such an edge is no count.
    length = np.nan_to_num(frame.length(points[:-1], points[1:]), nan=0.0, posinf=0.0)
    pieces[:-1] += np.where(is_edge & (length > MAX_EDGE_M), length / MAX_EDGE_M, 0).astype(np.int64)
    before = np.cumsum(pieces) - pieces
    of_ring = before[first][ring]
    block, part = of_ring // _BLOCK_POINTS, (before - of_ring) // _BLOCK_POINTS
    changes = (block[1:] != block[:-1]) | (part[1:] != part[:-1])
    starts = np.flatnonzero(np.concatenate([[True], changes]))
    for start, end in zip(starts, np.concatenate([starts[1:], [len(points) - 1]]), strict=True):
        counts = pieces[start : end + 1].copy()
        counts[-1] = 1
        yield slice(start, end + 1), counts


def _densify(points: Floats, pieces: Ints, starts: Ints) -> tuple[Floats, Floats]:
    """Cut the edge after each point into its number of equal pieces; returns x and y, each of shape (sum of pieces,).

    `starts` are the places that the points take; the last point only closes the run.
    """
    columns = (np.ascontiguousarray(points[:, 0]), np.ascontiguousarray(points[:, 1]))
    if len(points) == starts[-1] + 1:
        return columns
    step = np.arange(starts[-1] + 1, dtype=np.float64)
    step -= np.repeat(starts.astype(np.float64), pieces)
    return _cut(columns[0], pieces, step), _cut(columns[1], pieces, step)


def _cut(values: Floats, pieces: Ints, step: Floats) -> Floats:
    # An uncut edge adds nothing to its vertex, even where the next is of another ring or not a number.
    stride = np.where(pieces > 1, np.diff(values, append=values[-1]) / pieces, 0.0)
    dense: Floats = np.repeat(stride, pieces)
    dense *= step
    dense += np.repeat(values, pieces)
    return dense
