"""Rectangles within and outside of a polygon, by which most features need no exact test."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from node.stores.sql.certain import Certain, certain

OUTLINES = st.builds(
    lambda angles, radii: shapely.Polygon(
        [(104 + r * np.cos(a), 30 + r * np.sin(a)) for a, r in zip(sorted(angles), radii, strict=True)]
    ),
    st.lists(st.floats(0, 6.28), min_size=12, max_size=12, unique=True),
    st.lists(st.floats(0.1, 3), min_size=12, max_size=12),
)
HOLED = shapely.Polygon(shapely.box(0, 0, 4, 4).exterior, [shapely.box(1, 1, 3, 3).exterior])


@given(OUTLINES)
def test_rectangles_lie_where_they_are_said_to(outline: shapely.Polygon) -> None:
    found = certain(outline)

    assert found == Certain() or shapely.is_valid(outline)
    assert all(shapely.contains_properly(outline, shapely.box(*box)) for box in found.inside)
    assert all(shapely.disjoint(outline, shapely.box(*box)) for box in found.outside)


def test_most_of_a_disc_and_of_its_corners_is_decided() -> None:
    disc = shapely.Point(104, 30).buffer(2)
    found = certain(disc)

    inside = shapely.union_all([shapely.box(*box) for box in found.inside])
    outside = shapely.union_all([shapely.box(*box) for box in found.outside])
    assert inside.area > 0.8 * disc.area
    assert outside.area > 0.4 * (16 - disc.area)


def test_a_hole_is_outside_and_parts_are_inside() -> None:
    two = shapely.union_all([HOLED, shapely.box(6, 0, 8, 4)])
    found = certain(two)

    assert any(shapely.contains(shapely.box(1, 1, 3, 3), shapely.box(*box)) for box in found.outside)
    assert {shapely.box(*box).centroid.x > 5 for box in found.inside} == {True, False}


@pytest.mark.parametrize(
    "wkt", ["POINT(1 1)", "LINESTRING(0 0,1 1)", "POLYGON EMPTY", "POLYGON((0 0,2 1,2 0,0 1,0 0))"]
)
def test_what_is_no_sound_polygon_decides_nothing(wkt: str) -> None:
    assert certain(shapely.from_wkt(wkt)) == Certain()
