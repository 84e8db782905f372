"""The normal form of geometries, as docs/reference/digests.md defines it, against the library that is used."""

from functools import cmp_to_key

import numpy as np
import shapely
from hypothesis import given
from hypothesis import strategies as st

from sync.rowhash import canonical_wkb

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
