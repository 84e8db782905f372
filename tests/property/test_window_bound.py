"""The window is a true bound: a feature for which the filter is true meets it."""

from __future__ import annotations

import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.filter.window import window_of
from federation.planning.prune import Prunable, decide
from federation.selection import BoundSelection
from guotu.model.expression import Always, And, Compare, Comparison, Expression, Not, Or, Spatial, SpatialRelation
from tests.support.federation_parts import SPATIAL, boxes, dataset, trees

_ATTRIBUTES = st.builds(Compare, st.just("SJNF"), st.sampled_from([Comparison.EQ, Comparison.NE]), st.integers(1, 2))
_FILTERS = trees(SPATIAL | SPATIAL | _ATTRIBUTES | st.builds(Always, st.booleans()))
_YEARS = st.sampled_from([1, 2, None])
_SHAPES = boxes() | st.builds(lambda one, two: shapely.union(one, two), boxes(), boxes())

_RELATIONS = {
    SpatialRelation.INTERSECTS: shapely.intersects,
    SpatialRelation.WITHIN: shapely.within,
    SpatialRelation.CONTAINS: shapely.contains,
    SpatialRelation.DISJOINT: shapely.disjoint,
}


def truth(expression: Expression, shape: shapely.Geometry, year: int | None) -> bool | None:
    """Evaluate an expression for one feature, in SQL's three-valued logic."""
    match expression:
        case Spatial(relation, wkb):
            return bool(_RELATIONS[relation](shape, shapely.from_wkb(wkb)))
        case Compare(_, operator, value):
            return None if year is None else (year == value) is (operator is Comparison.EQ)
        case Always(value):
            return value
        case Not(part):
            inner = truth(part, shape, year)
            return None if inner is None else not inner
        case And(parts):
            values = [truth(part, shape, year) for part in parts]
            return False if False in values else None if None in values else True
        case Or(parts):
            values = [truth(part, shape, year) for part in parts]
            return True if True in values else None if None in values else False
    raise AssertionError(expression)


@settings(deadline=None)
@given(_FILTERS, st.lists(st.tuples(_SHAPES, _YEARS), min_size=1, max_size=6))
def test_what_matches_meets_the_window(
    expression: Expression, features: list[tuple[shapely.Geometry, int | None]]
) -> None:
    window = window_of(expression)
    for shape, year in features:
        if truth(expression, shape, year):
            assert window is None or shapely.intersects(window, shape)


@settings(deadline=None)
@given(_FILTERS, st.lists(st.tuples(_SHAPES, _YEARS), min_size=1, max_size=6))
def test_a_dataset_with_a_match_is_never_pruned(
    expression: Expression, features: list[tuple[shapely.Geometry, int | None]]
) -> None:
    shapes = [shape for shape, _ in features]
    outline = shapely.union_all(shapes)
    record = dataset("510100", rows=len(features), box=outline.bounds, coverage=outline)
    keep, reason = decide(Prunable.of(BoundSelection(expression, window_of(expression), "")), record)
    if any(truth(expression, shape, year) for shape, year in features):
        assert keep, reason
