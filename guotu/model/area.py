"""Ellipsoidal area (椭球面积) by the land survey's own formula, over arrays of polygons.

Source: 国土调查办发〔2008〕32号《图幅理论面积与图斑椭球面积计算公式及要求》, with the constants of CGCS2000.
The area between an edge and a meridian is that of a trapezoid between two parallels; a ring is the signed sum
over its edges. Edges over 70 m are cut into equal parts, Gauss coordinates are rounded to 4 decimals of a
metre, latitude and longitude to 6 decimals of a second, all half up, before they enter the formula.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from guotu.model.crs import authority_code, is_gauss_kruger, resolve_crs

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Objects = NDArray[np.object_]

SEMI_MAJOR_M = 6378137.0
SEMI_MINOR_M = 6356752.314140356
SECONDS_PER_RADIAN = 206264.8062471
MAX_EDGE_M = 70.0

_E2 = (SEMI_MAJOR_M**2 - SEMI_MINOR_M**2) / SEMI_MAJOR_M**2
_EP2 = (SEMI_MAJOR_M**2 - SEMI_MINOR_M**2) / SEMI_MINOR_M**2
_POLAR_RADIUS_M = SEMI_MAJOR_M**2 / SEMI_MINOR_M
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
# K0..K4 of the rule's inverse Gauss projection, for CGCS2000.
_K = (
    1.57048761144159e-07,
    5.05250178820567e-03,
    2.98472900956587e-05,
    2.41626669230084e-07,
    2.22241238938534e-09,
)
_MAX_OFFSET_M = 500_000.0
_BLOCK_POINTS = 1 << 14
"""Points that are worked on at a time: what fits into a processor's cache."""
_POLYGON, _FIRST_COLLECTION = 3, 4


@dataclass(frozen=True, slots=True)
class _Frame:
    """How one CRS meets the formula: `length` of an edge in metres, `locate` x and y as (B, L) in radians."""

    length: Callable[[Floats, Floats], Floats]
    locate: Callable[[Floats, Floats], tuple[Floats, Floats]]


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
    frame = _frame(crs)
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


def round_half_up(values: Floats, decimals: int) -> Floats:
    """Round half up (四舍五入), as the survey does and `numpy.round`, which rounds half to even, does not."""
    scale = 10.0**decimals
    rounded: Floats = np.copysign(np.floor(np.abs(values) * scale + 0.5) / scale, values)
    return rounded


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
    if (shapely.get_type_id(geometries) == _POLYGON).all():
        return geometries, np.arange(len(geometries))
    parts, origin = shapely.get_parts(geometries, return_index=True)
    while (shapely.get_type_id(parts) >= _FIRST_COLLECTION).any():
        parts, inner = shapely.get_parts(parts, return_index=True)
        origin = origin[inner]
    keep = shapely.get_type_id(parts) == _POLYGON
    return parts[keep], origin[keep].astype(np.int64)


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


def _ring_areas(rings: Objects, frame: _Frame) -> Floats:
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


def _blocks(points: Floats, ring: Ints, first: Ints, frame: _Frame) -> Iterator[tuple[slice, Ints]]:
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


def _frame(crs: str) -> _Frame:
    """Choose the frame of a CRS.

    Raises:
        ValueError: the rule has no frame for it.
    """
    known = re.fullmatch(r"EPSG:\d+", crs)
    code = crs if known else authority_code(resolve_crs(crs))
    if code == "EPSG:4490":
        return _Frame(_arc_length, _locate_geographic)
    epsg = int(code.removeprefix("EPSG:")) if code and code.startswith("EPSG:") else 0
    if not is_gauss_kruger(epsg):
        raise ValueError(
            f"area is defined on CGCS2000 only, EPSG:4490 or a Gauss-Krüger zone EPSG:4491 to 4554; got {code or crs}"
        )
    meridian, false_easting = _zone(epsg)
    return _Frame(_plane_length, lambda x, y: _locate_gauss(x, y, meridian, false_easting))


def _zone(epsg: int) -> tuple[float, float]:
    """Return (central meridian in degrees, false easting in metres) of a CGCS2000 zone code."""
    if epsg <= 4501:
        return 75.0 + 6 * (epsg - 4491), (epsg - 4491 + 13) * 1e6 + 500_000
    if epsg <= 4512:
        return 75.0 + 6 * (epsg - 4502), 500_000.0
    if epsg <= 4533:
        return 75.0 + 3 * (epsg - 4513), (epsg - 4513 + 25) * 1e6 + 500_000
    return 75.0 + 3 * (epsg - 4534), 500_000.0


def _plane_length(start: Floats, end: Floats) -> Floats:
    length: Floats = np.hypot(*(end - start).T)
    return length


def _arc_length(start: Floats, end: Floats) -> Floats:
    """Length of geographic edges, spherical: it only decides how finely to cut."""
    delta = np.radians(end - start)
    shrink = np.cos(np.radians((start[:, 1] + end[:, 1]) / 2))
    length: Floats = SEMI_MAJOR_M * np.hypot(delta[:, 0] * shrink, delta[:, 1])
    return length


def _round_angle(radians: Floats) -> Floats:
    return round_half_up(radians * SECONDS_PER_RADIAN, 6) / SECONDS_PER_RADIAN


def _locate_geographic(longitude: Floats, latitude: Floats) -> tuple[Floats, Floats]:
    if _beyond(latitude, 90) or _beyond(longitude, 180):
        raise ValueError("coordinates are not longitude and latitude in degrees, x before y")
    return _round_degrees(latitude), _round_degrees(longitude)


def _beyond(values: Floats, limit: float) -> bool:
    """Tell whether a value is beyond ±limit; NaN is not."""
    return bool((values > limit).any() or (values < -limit).any())


def _round_degrees(degrees: Floats) -> Floats:
    """As `_round_angle` of degrees, in radians, with fewer steps."""
    micro = degrees * (SECONDS_PER_RADIAN * 1e6 * np.pi / 180)
    micro += np.copysign(0.5, micro)
    np.trunc(micro, out=micro)
    micro /= SECONDS_PER_RADIAN * 1e6
    return micro


def _locate_gauss(
    easting: Floats, northing: Floats, meridian_deg: float, false_easting: float
) -> tuple[Floats, Floats]:
    """Inverse Gauss projection by the rule's series: (easting, northing) metres to (B, L) radians."""
    x, y = round_half_up(northing, 4), round_half_up(easting, 4) - false_easting
    if (np.abs(y) > _MAX_OFFSET_M).any():
        raise ValueError(
            f"easting lies over {_MAX_OFFSET_M / 1000:.0f} km from the central meridian {meridian_deg:g}°E: "
            "check the zone prefix and the order of the axes, or transform to EPSG:4490 first"
        )
    foot = _footpoint_latitude(x)
    cos_foot, t2 = np.cos(foot), np.tan(foot) ** 2
    eta2 = _EP2 * cos_foot**2
    v2 = 1 + eta2
    n = y * np.sqrt(v2) / _POLAR_RADIUS_M
    n2 = n * n
    bend = 0.5 - n2 / 24 * (5 + 3 * t2 + eta2 - 9 * eta2 * t2) + n2**2 / 720 * (61 + 90 * t2 + 45 * t2**2)
    latitude = foot - v2 * np.tan(foot) * n2 * bend
    fifth = 5 + 28 * t2 + 24 * t2**2 + 6 * eta2 + 8 * eta2 * t2
    longitude = n * (1 - n2 / 6 * (1 + 2 * t2 + eta2) + n2**2 / 120 * fifth) / cos_foot
    return _round_angle(latitude), _round_angle(np.radians(meridian_deg) + longitude)


def _footpoint_latitude(x: Floats) -> Floats:
    """Latitude (radians) whose meridian arc from the equator is `x` metres."""
    e0 = _K[0] * x
    sine: Floats = np.sin(e0)
    square = sine * sine
    polynomial = _K[1] - square * (_K[2] - square * (_K[3] - square * _K[4]))
    foot: Floats = e0 + np.cos(e0) * sine * polynomial
    return foot
