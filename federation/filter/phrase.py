"""Expressions as short phrases for plans."""

from __future__ import annotations

import re
from datetime import date

import shapely

from guotu.model.expression import (
    Always,
    And,
    Between,
    Compare,
    CompareFields,
    Expression,
    In,
    IsNull,
    Like,
    Not,
    Or,
    Scalar,
    Spatial,
    WithinDistance,
)

_MAX_VALUES = 5
_PLAIN = re.compile(r"(?!(?:and|or|not|like|in|is|null|between|true|false)\Z)[^\W\d]\w*", re.IGNORECASE)


def phrase(expression: Expression) -> str:
    """Return CQL2 text of an expression, except that long lists and geometries are cut short."""
    match expression:
        case Compare(field, operator, value):
            return f"{_name(field)} {operator} {_value(value)}"
        case CompareFields(field, operator, other):
            return f"{_name(field)} {operator} {_name(other)}"
        case Between(field, low, high):
            return f"{_name(field)} BETWEEN {_value(low)} AND {_value(high)}"
        case In(field, values):
            return f"{_name(field)} IN ({_values(values)})"
        case Like(field, pattern):
            return f"{_name(field)} LIKE {_value(pattern)}"
        case IsNull(field):
            return f"{_name(field)} IS NULL"
        case Spatial(relation, wkb):
            return f"{relation.upper()}(geometry, {geometry_phrase(wkb)})"
        case WithinDistance(wkb, metres):
            return f"S_DWITHIN(geometry, {geometry_phrase(wkb)}, {metres!r})"
        case And(parts):
            return " AND ".join(_grouped(part) for part in parts) or "TRUE"
        case Or(parts):
            return " OR ".join(_grouped(part) for part in parts) or "FALSE"
        case Not(part):
            return f"NOT {_grouped(part)}"
        case Always(value):
            return str(value).upper()


def _grouped(part: Expression) -> str:
    return f"({phrase(part)})" if isinstance(part, And | Or) else phrase(part)


def _name(field: str) -> str:
    return field if _PLAIN.fullmatch(field) else '"' + field.replace('"', '""') + '"'


def _value(value: Scalar) -> str:
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    if isinstance(value, date):
        return f"DATE('{value.isoformat()}')"
    return str(value).upper() if isinstance(value, bool) else repr(value)


def _values(values: tuple[Scalar, ...]) -> str:
    shown = ", ".join(_value(value) for value in values[:_MAX_VALUES])
    return f"{shown}, … {len(values)} values" if len(values) > _MAX_VALUES else shown


def geometry_phrase(wkb: bytes) -> str:
    """Return a geometry (WKB) as its kind and its bounds in degrees."""
    geometry = shapely.from_wkb(wkb)
    bounds = ", ".join(f"{value:.4f}" for value in geometry.bounds)
    return f"{geometry.geom_type}[{bounds}]"
