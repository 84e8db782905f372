"""The window of a filter: what each kind of condition contributes."""

from __future__ import annotations

import math

import pytest
import shapely

from federation.filter.window import window_of
from guotu.model.expression import (
    Always,
    And,
    Compare,
    Comparison,
    Expression,
    IsNull,
    Not,
    Or,
    Spatial,
    SpatialRelation,
)

HERE, THERE = shapely.box(104, 30, 105, 31), shapely.box(110, 35, 112, 37)
ATTRIBUTE = Compare("SJNF", Comparison.EQ, 2023)


def spatial(geometry: shapely.Geometry, relation: SpatialRelation = SpatialRelation.INTERSECTS) -> Spatial:
    return Spatial(relation, shapely.to_wkb(geometry))


IN_HERE, IN_THERE = spatial(HERE), spatial(THERE)

UNBOUNDED: list[Expression | None] = [
    None,
    ATTRIBUTE,
    IsNull("SJNF"),
    Always(True),
    And(()),
    And((ATTRIBUTE, ATTRIBUTE)),
    spatial(HERE, SpatialRelation.DISJOINT),
    Not(IN_HERE),
    Not(spatial(HERE, SpatialRelation.DISJOINT)),
    Not(Always(False)),
    Or((IN_HERE, ATTRIBUTE)),
    Or((IN_HERE, Not(IN_THERE))),
    Or((IN_HERE, And((ATTRIBUTE, IsNull("DLBM"))))),
]


@pytest.mark.parametrize("expression", UNBOUNDED, ids=repr)
def test_without_a_bound_there_is_no_window(expression: Expression | None) -> None:
    assert window_of(expression) is None


@pytest.mark.parametrize(
    "relation", [SpatialRelation.INTERSECTS, SpatialRelation.WITHIN, SpatialRelation.CONTAINS], ids=str
)
def test_a_relation_bounds_by_its_geometry(relation: SpatialRelation) -> None:
    window = window_of(And((ATTRIBUTE, spatial(HERE, relation))))
    assert window is not None
    assert window.equals(HERE)


def test_of_two_windows_that_must_both_be_met_one_bounds() -> None:
    """A feature may meet both although they are apart, so their intersection would be wrong."""
    window = window_of(And((IN_THERE, IN_HERE)))
    assert window is not None
    assert window.equals(HERE)


def test_alternatives_bound_together() -> None:
    window = window_of(Or((IN_HERE, And((ATTRIBUTE, IN_THERE)))))
    assert window is not None
    assert window.intersects(HERE)
    assert window.intersects(THERE)
    assert not window.intersects(shapely.box(106, 32, 108, 34))


def test_alternatives_are_not_overlaid() -> None:
    """An overlay rounds; a feature that touches an edge at one point must still touch the window."""
    one = shapely.Polygon([(0, 0), (3, 1), (0, 1)])
    touching = [shapely.Point(3 * part / 8, part / 8) for part in range(9)]
    assert all(one.intersects(point) for point in touching)
    for place in range(1, 50):
        x = math.sqrt(place) % 2.9
        other = shapely.Polygon([(x, -0.3), (x + 0.2, 2.1), (x + 0.31, -0.4)])
        window = window_of(Or((spatial(one), spatial(other))))
        assert window is not None
        assert all(window.intersects(point) for point in touching)


@pytest.mark.parametrize(
    "expression",
    [Always(False), And((ATTRIBUTE, Always(False))), And((IN_HERE, Always(False))), Or((Always(False), Always(False)))],
    ids=repr,
)
def test_what_is_never_true_has_an_empty_window(expression: Expression) -> None:
    window = window_of(expression)
    assert window is not None
    assert window.is_empty


def test_what_is_never_true_adds_nothing_to_an_alternative() -> None:
    window = window_of(Or((Always(False), IN_HERE)))
    assert window is not None
    assert not window.is_empty
    assert window.intersects(HERE)
    assert not window.intersects(THERE)


def test_alternatives_of_mixed_kinds_bound() -> None:
    mixed = shapely.GeometryCollection([shapely.Point(104.5, 30.5), shapely.LineString([(110, 35), (111, 36)])])
    window = window_of(Or((spatial(mixed), IN_HERE, spatial(shapely.Point(120, 30)))))
    assert window is not None
    assert window.intersects(THERE)
    assert window.intersects(shapely.box(119, 29, 121, 31))
    assert not window.intersects(shapely.box(121, 31, 122, 32))
