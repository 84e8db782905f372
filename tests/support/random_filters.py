"""Filters at random, over sample rows whose values they use."""

from __future__ import annotations

import operator
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import shapely
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
from tests.support.features import FIELDS, parcels

TABLE = parcels(300, seed=7)
TYPES = {item.name: item.type for item in FIELDS}
NUMBERS = [item.name for item in FIELDS if item.type in (FieldType.INTEGER, FieldType.DECIMAL, FieldType.DOUBLE)]


def exact(value: Any) -> Any:
    """A float as the decimal that it is written as; anything else as it is."""
    return Decimal(repr(value)) if isinstance(value, float) else value


ROWS = [{name: exact(value) for name, value in row.items()} for row in TABLE.to_pylist()]


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
