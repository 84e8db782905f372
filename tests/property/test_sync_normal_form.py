"""The normal form of geometries, as docs/reference/digests.md defines it, against the library that is used."""

from functools import cmp_to_key

import numpy as np
import pyarrow as pa
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from sync.rowhash import canonical_wkb, normal_form
from sync.simplerings import normalise_rings

Ring = list[tuple[float, float]]
numbers = st.integers(0, 5).map(float)


def plain_ring(ring: Ring, clockwise: bool) -> Ring:
    """Start at the least coordinate, in the direction asked for."""
    points = ring[:-1]
    start = points.index(min(points))
    points = points[start:] + points[:start]
    if shapely.LinearRing(ring).is_ccw == clockwise:
        points = points[:1] + points[:0:-1]
    return [*points, points[0]]


def plain_line(line: Ring) -> Ring:
    """Run from the lesser end: the first pair from both ends that differs decides."""
    return min(line, line[::-1])


def plain_polygon(polygon: shapely.Polygon) -> list[Ring]:
    holes = [plain_ring(list(hole.coords), clockwise=False) for hole in polygon.interiors]
    return [plain_ring(list(polygon.exterior.coords), clockwise=True), *sorted(holes, reverse=True)]


def compare_polygons(one: list[Ring], other: list[Ring]) -> int:
    """By shell, then number of holes, then hole by hole."""
    ours, theirs = (one[0], len(one), one[1:]), (other[0], len(other), other[1:])
    return (ours > theirs) - (ours < theirs)


def written(shape: shapely.Geometry) -> bytes:
    return canonical_wkb(np.array([shape], dtype=object))[0].as_py()


@st.composite
def polygons(draw: st.DrawFn) -> shapely.Polygon:
    """Convex rings in a cell of their own, with square holes, written from any start in any direction."""
    west, south = draw(st.integers(0, 50)) * 20.0, draw(st.integers(0, 50)) * 20.0
    count = draw(st.integers(0, 3))
    holes = [shapely.box(west + 3 * n, south + draw(numbers), west + 3 * n + 2, south + 6) for n in range(count)]
    corners = draw(st.lists(st.tuples(numbers, numbers), max_size=4))
    around = [(west - 5, south - 5), (west + 15, south - 5), (west + 5, south + 15), (west - 5, south + 8),
              *((west + x, south + y) for x, y in corners)]  # fmt: skip
    shell = shapely.MultiPoint([*around, *(point for hole in holes for point in hole.exterior.coords)]).convex_hull
    rings = [turned(draw, list(item.exterior.coords)) for item in (shell.buffer(0.25, join_style="mitre"), *holes)]
    return shapely.Polygon(rings[0], draw(st.permutations(rings[1:])))


def turned(draw: st.DrawFn, ring: Ring) -> Ring:
    points = ring[:-1]
    start = draw(st.integers(0, len(points) - 1))
    points = points[start:] + points[:start]
    points = points[::-1] if draw(st.booleans()) else points
    return [*points, points[0]]


@settings(deadline=None)
@given(polygons())
def test_polygon(polygon: shapely.Polygon) -> None:
    shell, *holes = plain_polygon(polygon)
    assert written(polygon) == shapely.to_wkb(shapely.Polygon(shell, holes), byte_order=1, flavor="iso")


@given(st.lists(polygons(), min_size=1, max_size=4, unique_by=lambda item: item.bounds))
def test_multipolygon(parts: list[shapely.Polygon]) -> None:
    ordered = sorted(map(plain_polygon, parts), key=cmp_to_key(compare_polygons), reverse=True)
    expected = shapely.MultiPolygon([(shell, holes) for shell, *holes in ordered])
    assert written(shapely.MultiPolygon(parts)) == shapely.to_wkb(expected, byte_order=1, flavor="iso")


@given(st.lists(st.tuples(numbers, numbers), min_size=2, max_size=6).filter(lambda line: line[0] != line[-1]))
def test_open_line(line: Ring) -> None:
    expected = shapely.LineString(plain_line(line))
    assert written(shapely.LineString(line)) == shapely.to_wkb(expected, byte_order=1, flavor="iso")


@given(st.lists(st.tuples(numbers, numbers), min_size=1, max_size=6))
def test_points(points: Ring) -> None:
    expected = shapely.MultiPoint(sorted(points, reverse=True))
    assert written(shapely.MultiPoint(points)) == shapely.to_wkb(expected, byte_order=1, flavor="iso")


@given(polygons())
def test_closed_line_is_a_clockwise_ring(polygon: shapely.Polygon) -> None:
    ring = list(polygon.exterior.coords)
    expected = shapely.LineString(plain_ring(ring, clockwise=True))
    assert written(shapely.LineString(ring)) == shapely.to_wkb(expected, byte_order=1, flavor="iso")


def by_geos(wkb: list[bytes | None]) -> list[bytes | None]:
    return canonical_wkb(np.asarray(shapely.from_wkb(np.array(wkb, object)), object)).to_pylist()


def check_columns(shapes: list[shapely.Geometry | None]) -> None:
    """Whole columns, and slices of them, have the form and the boxes that GEOS gives."""
    wkb = [None if shape is None else shapely.to_wkb(shape) for shape in shapes]
    column = pa.array([b"x", *wkb, None], pa.binary()).slice(1, len(wkb))
    forms, boxes = normal_form(column)
    assert forms.to_pylist() == by_geos(wkb)
    assert np.array_equal(boxes, shapely.bounds(np.array(shapes, object)).reshape(-1, 4), equal_nan=True)


coarse = st.tuples(st.integers(-2, 2), st.integers(-2, 2))
fine = st.tuples(st.floats(-180, 180), st.floats(-90, 90))
tiny = st.tuples(*[st.sampled_from([0.0, -0.0, 1e-300, 1.0, 1.0 + 2**-52, 1.0 - 2**-53])] * 2)


@st.composite
def any_ring(draw: st.DrawFn) -> shapely.Geometry:
    """Rings of any kind: flat, crossing themselves, with points twice; some as multipolygons or with heights."""
    points = draw(st.lists(draw(st.sampled_from([coarse, coarse, fine, tiny])), min_size=3, max_size=8))
    polygon = shapely.Polygon([*points, points[0]])
    match draw(st.integers(0, 9)):
        case 0:
            return shapely.MultiPolygon([polygon])
        case 1:
            return shapely.force_3d(polygon, 5)
        case 2:
            return shapely.MultiPolygon([polygon, polygon])
        case 3:
            return draw(
                st.sampled_from(["POLYGON EMPTY", "POINT (1 2)", "LINESTRING (1 2, 0 1)"]).map(shapely.from_wkt)
            )
    return polygon


@settings(max_examples=200, deadline=None)
@given(st.lists(any_ring() | st.none(), max_size=12))
def test_columns_have_the_form_that_geos_gives(shapes: list[shapely.Geometry | None]) -> None:
    check_columns(shapes)


@settings(deadline=None)
@given(st.lists(polygons(), max_size=5))
def test_columns_of_valid_polygons(shapes: list[shapely.Geometry]) -> None:
    check_columns(list(shapes))


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(73, 136), st.floats(3, 54), st.integers(3, 40), st.booleans()), max_size=20))
def test_columns_of_parcels(parcels: list[tuple[float, float, int, bool]]) -> None:
    """Parcels of one ring never need GEOS, but where two points are equally low or high."""
    rings = []
    for x, y, count, clockwise in parcels:
        angles = np.linspace(0.1, 2 * np.pi + 0.1, count, endpoint=False)[:: -1 if clockwise else 1]
        rings.append(shapely.Polygon(np.column_stack([x + 0.001 * np.cos(angles), y + 0.001 * np.sin(angles)])))
    check_columns(list(rings))
    if rings:
        assert normalise_rings(pa.array(shapely.to_wkb(rings), pa.binary())).rows.any()
