"""Distances: those of the points that are nearest, found by trying very many; and shapes that surely are near."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import shapely
from hypothesis import assume, event, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pyproj import Geod

from guotu.model.distance import Distances, least_m
from guotu.model.surroundings import box_around, surroundings

GEOD = Geod(a=6378137.0, rf=298.257222101)
Floats = NDArray[np.float64]


def points_of(shape: shapely.Geometry) -> Floats:
    """Points along a shape, 60 on each edge."""
    corners = shapely.get_coordinates(shape)
    if len(corners) == 1:
        return np.asarray(corners)
    steps = np.linspace(0, 1, 60)[:, None]
    return np.concatenate([a + (b - a) * steps for a, b in pairwise(corners)])


def tried(one: shapely.Geometry, other: shapely.Geometry) -> tuple[float, float]:
    """Return the least distance of points along two shapes, and by how much the least of all may be less."""
    a, b = points_of(one), points_of(other)
    i, j = (index.ravel() for index in np.indices((len(a), len(b))))
    _, _, metres = GEOD.inv(*a[i].T, *b[j].T)
    gap = max((GEOD.inv(*p[:-1].T, *p[1:].T)[2].max() for p in (a, b) if len(p) > 1), default=0.0)
    best = float(metres.min())
    return best, min(best, 2 * gap * gap / max(best, 1e-9) + gap * 1e-3) if gap else 0.0


@st.composite
def pairs(draw: st.DrawFn) -> tuple[shapely.Geometry, shapely.Geometry]:
    """Draw two shapes that are from a metre to 300 km apart."""
    metres = 10 ** draw(st.floats(0, 5.5))
    degrees = metres / 111_000
    x, y = draw(st.floats(74, 134)), draw(st.floats(4, 53))
    size = min(degrees * 10 ** draw(st.floats(-2, 0.5)), 1.0)
    kind = draw(st.sampled_from(["point", "box", "line"]))
    literal = {
        "point": shapely.Point(x, y),
        "box": shapely.box(x, y, x + size, y + size),
        "line": shapely.LineString([(x, y), (x + size, y - size / 3)]),
    }[kind]
    turn = draw(st.floats(0, 2 * np.pi))
    away = degrees + 1.5 * size
    at = np.array([x + np.cos(turn) * away / np.cos(np.radians(y)), y + np.sin(turn) * away])
    corners = at + np.array([(0, 0), (1, 0.3), (0.4, 1)]) * size * draw(st.floats(0.2, 1.5))
    return literal, shapely.Polygon(corners)


@settings(max_examples=40, deadline=None)
@given(pairs())
def test_it_is_that_of_the_nearest_points(pair: tuple[shapely.Geometry, shapely.Geometry]) -> None:
    literal, feature = pair
    assume(not shapely.intersects(literal, feature))
    (metres,) = Distances(literal).of(np.array([feature]))
    best, less = tried(literal, feature)
    error = 1e-6 if best < 10_000 else 5e-4
    assert best - less - 1e-6 <= metres <= best * (1 + error) + 1e-6


@settings(max_examples=40, deadline=None)
@given(pairs(), st.floats(0.9, 1.1))
def test_surroundings_are_sure(pair: tuple[shapely.Geometry, shapely.Geometry], share: float) -> None:
    literal, feature = pair
    (metres,) = Distances(literal).of(np.array([feature]))
    assume(metres > 0)
    asked = float(metres) * share
    around = surroundings(shapely.to_wkb(literal), asked)
    if shapely.intersects(around.inner, feature):
        assert metres <= asked
    if metres <= asked:
        assert shapely.intersects(around.outer, feature)
        assert shapely.intersects(shapely.box(*box_around(literal.bounds, asked)), feature)


@settings(max_examples=60, deadline=None)
@given(pairs())
def test_boxes_tell_what_it_is_at_least(pair: tuple[shapely.Geometry, shapely.Geometry]) -> None:
    literal, feature = pair
    (metres,) = Distances(literal).of(np.array([feature]))
    (least,) = least_m(np.array(literal.bounds), np.array([feature.bounds]))
    assert metres * 0.9 - literal.length * 2e5 - feature.length * 2e5 <= least <= metres * (1 + 1e-9)


def test_it_does_not_depend_on_what_stands_beside_it() -> None:
    luck = np.random.default_rng(5)
    corners = luck.random((300, 2)) * (3, 2) + (103, 30)
    shapes = shapely.box(*corners.T, *(corners + 0.01).T)
    literal = shapely.Point(104.2, 30.9).buffer(0.3, quad_segs=40).difference(shapely.Point(104.2, 30.9).buffer(0.2))
    distances = Distances(literal)
    together = distances.of(shapes)
    assert (together == 0).any()
    assert together.tolist() == [float(distances.of(shapes[at : at + 1])[0]) for at in range(len(shapes))]


LITERALS = {
    "jagged, with a hole": shapely.Point(104, 30).buffer(2, quad_segs=200).difference(shapely.box(103, 29, 104, 30)),
    "box": shapely.box(103, 29, 105, 31),
    "line": shapely.LineString([(102, 28), (104, 30), (106, 29)]),
    "point": shapely.Point(104, 30),
    "two, one at the end of the map": shapely.MultiPolygon(
        [shapely.box(103, 29, 104, 30), shapely.box(178, 29, 180, 31)]
    ),
}
HAIRS = (0.0, 1e-14, 1e-12, 1e-10, 1e-8, 1e-5)
"""Degrees: what stands so far from an edge may be 0 m away though it does not meet it."""


def neighbours(luck: np.random.Generator) -> NDArray[np.object_]:
    """Shapes with corners on edges and corners of the literals, or by a hair beside them, or far off."""
    x, y = (luck.integers(-28, 29, (2, 10)) / 8) + np.array([[104], [30]])
    x, y = x + luck.choice(HAIRS, 10), y - luck.choice(HAIRS, 10)
    size = luck.choice([1e-3, 0.125, 0.5, 1.0], 10)
    corners = np.stack([np.stack([x, x + size, x + size / 3], 1), np.stack([y, y + size / 3, y + size], 1)], 2)
    made = [
        shapely.points(x, y),
        shapely.box(x, y, x + size, y + size),
        shapely.polygons(corners),
        shapely.linestrings(corners[:, :2]),
        shapely.points(np.maximum(x - 283, -179.999), y),  # beyond the end of the map
        np.array([None, shapely.Polygon()]),
    ]
    return np.asarray(luck.permutation(np.concatenate(made)), dtype=object)


@settings(max_examples=40, deadline=None)
@given(
    name=st.sampled_from(sorted(LITERALS)),
    seed=st.integers(0, 2**32 - 1),
    count=st.integers(1, 52),
    most=st.sampled_from([0.0, 1e-3, 20_000.0, 20_100_000.0]),
)
def test_the_nearest_are_those_that_measuring_all_finds(name: str, seed: int, count: int, most: float) -> None:
    literal, shapes = LITERALS[name], neighbours(np.random.default_rng(seed))
    distances = Distances(literal)
    every, found = distances.of(shapes), distances.nearest(shapes, count, most)
    known = ~np.isnan(found)
    assert found[known].tolist() == every[known].tolist()
    near = np.sort(every[every <= most])
    farthest = near[min(count, len(near)) - 1] if len(near) else -1.0
    event(f"at 0 m: {np.count_nonzero(every == 0) > 0}, measured: {np.count_nonzero(found > 0) > 0}")
    assert known[(every <= most) & (every <= farthest)].all()
    # As the plane has it, what meets is 0 m away; nothing else is, but what is as good as met.
    met = shapely.intersects(literal, shapes)
    assert (every[met] == 0).all()
    assert (shapely.distance(literal, shapes[(every == 0) & ~met]) < 1e-9).all()


def test_where_enough_meets_the_shape_nothing_else_is_measured() -> None:
    literal = LITERALS["jagged, with a hole"]
    shapes = np.array([shapely.Point(105, 30), shapely.Point(103.5, 29.5), shapely.Point(105, 30.5), None])
    found = Distances(literal).nearest(shapes, 2, 1e6)
    assert found[[0, 2]].tolist() == [0, 0]
    assert np.isnan(found[[1, 3]]).all()
    assert Distances(literal).nearest(shapes, 3, 1e6)[1] > 0


def test_what_lies_beyond_the_end_of_the_map_is_as_near_as_measuring_it_says() -> None:
    distances = Distances(shapely.box(178, 29, 180, 31))
    shapes = np.array([shapely.Point(177, 30), shapely.Point(-179.999, 30), shapely.Point(175, 30)])
    every = distances.of(shapes)
    assert every[0] < every[1] < every[2]
    assert distances.nearest(shapes, 2, 20_100_000.0)[:2].tolist() == every[:2].tolist()


def test_known_distances() -> None:
    square = shapely.box(104, 30, 104.01, 30.01)
    shapes = np.array([shapely.Point(104.005, 30.005), shapely.Point(104.005, 30.02), None, shapely.Polygon()])
    inside, north, missing, empty = Distances(square).of(shapes)
    assert inside == 0
    # The way to the nearest point leads along the meridian.
    assert north == pytest.approx(GEOD.inv(104.005, 30.01, 104.005, 30.02)[2], rel=1e-9)
    assert np.isnan([missing, empty]).all()
    assert Distances(shapely.Point(104, 30)).of(np.array([shapely.Point(104, 31)]))[0] == pytest.approx(
        110_860.9, abs=0.1
    )


def test_a_long_shape_is_widened_by_the_scale_of_each_of_its_latitudes() -> None:
    line = shapely.LineString([(104, 20), (104, 50)])
    around = surroundings(shapely.to_wkb(line), 10_000.0)
    for latitude in (20.5, 35.0, 49.5):
        for metres, near in ((9_500, True), (10_500, False)):
            x, y, _ = GEOD.fwd(104, latitude, 90, metres)
            assert shapely.intersects(around.inner, shapely.Point(x, y)) == near
            assert shapely.intersects(around.outer, shapely.Point(x, y)) == near or near


def test_shapes_of_many_kinds_count_as_one() -> None:
    parts = [
        shapely.Point(104, 30),
        shapely.LineString([(104.1, 30), (104.2, 30.1)]),
        shapely.MultiPolygon([shapely.box(104.3, 30, 104.4, 30.1)]),
    ]
    features = np.array(
        [shapely.Point(104.35, 30.2), shapely.Point(104, 30.01), shapely.LineString([(103, 29), (103, 30)])]
    )
    together = Distances(shapely.GeometryCollection([parts[0], shapely.GeometryCollection(parts[1:])])).of(features)
    alone = np.min([Distances(part).of(features) for part in parts], axis=0)
    assert together == pytest.approx(alone, rel=1e-9)
