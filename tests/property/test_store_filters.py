"""Filters: every store and a plain evaluation in Python and shapely pick the same rows, whatever the tree."""

import asyncio
import operator
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from guotu.model.expression import (
    Always,
    And,
    Between,
    Compare,
    CompareFields,
    Comparison,
    Expression,
    In,
    IsNull,
    Like,
    Not,
    Or,
    Spatial,
    SpatialRelation,
)
from guotu.model.ports import FeatureStore, Scan
from tests.support.features import sample_collection
from tests.support.random_filters import GEOMETRIES, ROWS, TABLE, TREES, exact
from tests.support.stores import STORES, fetch, load, make_store, remove_store

COLLECTION = sample_collection()
SHAPES = [None if wkb is None else shapely.from_wkb(wkb) for wkb in TABLE["geometry"].to_pylist()]
OPERATORS: dict[Comparison, Callable[[Any, Any], bool]] = {
    Comparison.EQ: operator.eq,
    Comparison.NE: operator.ne,
    Comparison.LT: operator.lt,
    Comparison.LE: operator.le,
    Comparison.GT: operator.gt,
    Comparison.GE: operator.ge,
}
RELATIONS = {
    SpatialRelation.INTERSECTS: shapely.intersects,
    SpatialRelation.WITHIN: shapely.within,
    SpatialRelation.CONTAINS: shapely.contains,
    SpatialRelation.DISJOINT: shapely.disjoint,
}


def conjunction(outcomes: list[bool | None]) -> bool | None:
    if False in outcomes:
        return False
    return None if None in outcomes else True


def negation(outcome: bool | None) -> bool | None:
    return None if outcome is None else not outcome


def compare(left: Any, sign: Comparison, right: Any) -> bool | None:
    return None if left is None or right is None else OPERATORS[sign](exact(left), exact(right))


def like(value: str | None, pattern: str) -> bool | None:
    tokens = re.findall(r"\\.|.", pattern, re.DOTALL)
    signs = {"%": ".*", "_": "."}
    regex = "".join(signs.get(token) or re.escape(token[-1]) for token in tokens)
    return None if value is None else re.fullmatch(regex, value, re.DOTALL) is not None


def evaluate(expression: Expression, place: int) -> bool | None:
    """Three-valued logic over one row."""
    row = ROWS[place]
    match expression:
        case Compare(field, sign, value):
            return compare(row[field], sign, value)
        case CompareFields(field, sign, other):
            return compare(row[field], sign, row[other])
        case Between(field, low, high):
            return conjunction([compare(low, Comparison.LE, row[field]), compare(row[field], Comparison.LE, high)])
        case In(field, values):
            return (
                False
                if not values
                else compare(row[field], Comparison.EQ, row[field])
                and (row[field] in [exact(value) for value in values])
            )
        case Like(field, pattern):
            return like(row[field], pattern)
        case IsNull(field):
            return row[field] is None
        case Spatial(relation, wkb):
            shape = SHAPES[place]
            return None if shape is None else bool(RELATIONS[relation](shape, shapely.from_wkb(wkb)))
        case And(parts):
            return conjunction([evaluate(part, place) for part in parts])
        case Or(parts):
            return negation(conjunction([negation(evaluate(part, place)) for part in parts]))
        case Not(part):
            return negation(evaluate(part, place))
        case Always(value):
            return value


class Loaded:
    """An open store that holds TABLE, and the loop that it lives in."""

    def __init__(self, runner: asyncio.Runner, store: FeatureStore) -> None:
        self._runner = runner
        self._store = store

    def keys(self, expression: Expression) -> list[str]:
        scan = Scan(("BSM",), filter=expression)
        keys: list[str] = self._runner.run(fetch(self._store, COLLECTION, scan))["BSM"].to_pylist()
        return keys


@pytest.fixture(scope="module", params=STORES)
def loaded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loaded]:
    folder = tmp_path_factory.mktemp("filters")
    store = make_store(request.param, folder / "store")
    with asyncio.Runner() as runner:
        runner.run(store.open())
        runner.run(load(store, TABLE))
        yield Loaded(runner, store)
        runner.run(store.close())
    remove_store(request.param, folder / "store")


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(TREES)
def test_the_store_picks_the_rows_that_the_tree_means(loaded: Loaded, expression: Expression) -> None:
    expected = [row["BSM"] for place, row in enumerate(ROWS) if evaluate(expression, place)]
    assert loaded.keys(expression) == expected


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(SpatialRelation), GEOMETRIES)
def test_relations_agree_with_shapely(loaded: Loaded, relation: SpatialRelation, shape: shapely.Geometry) -> None:
    expression = Spatial(relation, shapely.to_wkb(shape))
    expected = [row["BSM"] for place, row in enumerate(ROWS) if evaluate(expression, place)]
    assert loaded.keys(expression) == expected
