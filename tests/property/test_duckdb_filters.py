"""Filters: the DuckDB store and a plain evaluation in Python and shapely pick the same rows, whatever the tree."""

import asyncio
import operator
import re
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from guotu.model.collection import FieldType
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
from tests.support.features import FIELDS, parcels, sample_collection
from tests.support.stores import fetch, load, make_store

COLLECTION = sample_collection()
TABLE = parcels(300, seed=7)
SHAPES = [None if wkb is None else shapely.from_wkb(wkb) for wkb in TABLE["geometry"].to_pylist()]
TYPES = {item.name: item.type for item in FIELDS}
NUMBERS = [item.name for item in FIELDS if item.type in (FieldType.INTEGER, FieldType.DECIMAL, FieldType.DOUBLE)]
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


def exact(value: Any) -> Any:
    """A float as the decimal that it is written as; anything else as it is."""
    return Decimal(repr(value)) if isinstance(value, float) else value


ROWS = [{name: exact(value) for name, value in row.items()} for row in TABLE.to_pylist()]


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


def texts(name: str) -> st.SearchStrategy[str]:
    return st.sampled_from(sorted({row[name] for row in ROWS if row[name]})) | st.text(max_size=4)


def literals(name: str) -> st.SearchStrategy[Any]:
    """Values of a field's type, some of them just beside those that occur."""
    match TYPES[name]:
        case FieldType.TEXT:
            return texts(name)
        case FieldType.DATE:
            return st.integers(0, 3000).map(lambda days: date(2019, 1, 1) + timedelta(days))
        case FieldType.BOOLEAN:
            return st.booleans()
    present = st.sampled_from([float(row[name]) for row in ROWS if row[name] is not None])
    beside = st.builds(operator.add, present, st.sampled_from([0.001, -0.001, 0.005, 0.5, -1.0]))
    return present | beside | st.integers(-(10**20), 10**20) | st.floats(allow_nan=False)


def field_and(make: Callable[[str], st.SearchStrategy[Expression]], names: list[str]) -> st.SearchStrategy[Any]:
    return st.sampled_from(names).flatmap(make)


GRID = st.integers(0, 84).map(lambda step: 99.0 + step / 4)
NORTH = st.integers(0, 84).map(lambda step: 25.0 + step / 4)
POSITIONS = st.tuples(GRID, NORTH)


def triangle(corners: list[tuple[float, float]]) -> shapely.Geometry:
    return shapely.Polygon(corners)


GEOMETRIES = st.one_of(
    st.builds(lambda a, b: shapely.box(*map(min, a, b), *map(max, a, b)), POSITIONS, POSITIONS),
    st.lists(POSITIONS, min_size=3, max_size=3).map(triangle),
    st.builds(lambda at, size: shapely.Point(at).buffer(size), POSITIONS, st.floats(0.3, 8)),
    POSITIONS.map(shapely.Point),
    st.lists(POSITIONS, min_size=2, max_size=4).map(shapely.LineString),
    st.builds(lambda a, b: shapely.union(shapely.Point(a).buffer(2), shapely.Point(b).buffer(1)), POSITIONS, POSITIONS),
    st.just(shapely.from_wkt("MULTIPOLYGON EMPTY")),
).filter(lambda shape: bool(shape.is_valid))

LEAVES: st.SearchStrategy[Any] = st.one_of(
    field_and(lambda name: st.builds(Compare, st.just(name), st.sampled_from(Comparison), literals(name)), [*TYPES]),
    field_and(lambda name: st.builds(Between, st.just(name), literals(name), literals(name)), [*TYPES]),
    field_and(lambda name: st.builds(In, st.just(name), st.lists(literals(name), max_size=6).map(tuple)), [*TYPES]),
    st.builds(
        CompareFields, st.sampled_from(["TBMJ", "TBDLMJ"]), st.sampled_from(Comparison), st.sampled_from(NUMBERS)
    ),
    st.builds(Like, st.sampled_from(["DLBM", "ZLDWDM", "BSM"]), st.text("01%_5水\\", max_size=5)).filter(
        lambda item: (len(item.pattern) - len(item.pattern.rstrip("\\"))) % 2 == 0
    ),
    st.builds(IsNull, st.sampled_from([*TYPES, "geometry"])),
    st.builds(Spatial, st.sampled_from(SpatialRelation), GEOMETRIES.map(shapely.to_wkb)),
    st.builds(Always, st.booleans()),
)
TREES: st.SearchStrategy[Any] = st.recursive(
    LEAVES,
    lambda parts: st.one_of(
        st.builds(Not, parts),
        st.builds(And, st.lists(parts, max_size=3).map(tuple)),
        st.builds(Or, st.lists(parts, max_size=3).map(tuple)),
    ),
    max_leaves=6,
)


class Loaded:
    """An open store that holds TABLE, and the loop that it lives in."""

    def __init__(self, runner: asyncio.Runner, store: FeatureStore) -> None:
        self._runner = runner
        self._store = store

    def keys(self, expression: Expression) -> list[str]:
        scan = Scan(("BSM",), filter=expression)
        keys: list[str] = self._runner.run(fetch(self._store, COLLECTION, scan))["BSM"].to_pylist()
        return keys


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loaded]:
    folder = tmp_path_factory.mktemp("filters")
    store = make_store("duckdb", folder / "store")
    with asyncio.Runner() as runner:
        runner.run(store.open())
        runner.run(load(store, TABLE))
        yield Loaded(runner, store)
        runner.run(store.close())


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(TREES)
def test_the_store_picks_the_rows_that_the_tree_means(loaded: Loaded, expression: Expression) -> None:
    expected = [row["BSM"] for place, row in enumerate(ROWS) if evaluate(expression, place)]
    assert loaded.keys(expression) == expected


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(SpatialRelation), GEOMETRIES)
def test_relations_agree_with_shapely(loaded: Loaded, relation: SpatialRelation, shape: shapely.Geometry) -> None:
    expression = Spatial(relation, shapely.to_wkb(shape))
    expected = [row["BSM"] for place, row in enumerate(ROWS) if evaluate(expression, place)]
    assert loaded.keys(expression) == expected
