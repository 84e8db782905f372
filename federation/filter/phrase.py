"""Expressions as short phrases for plans."""

from __future__ import annotations

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
)

_MAX_VALUES = 5


def phrase(expression: Expression) -> str:
    """Return a phrase close to CQL2 text; long lists and geometries are cut short."""
    match expression:
        case Compare(field, operator, value):
            return f"{field} {operator} {_value(value)}"
        case CompareFields(field, operator, other):
            return f"{field} {operator} {other}"
        case Between(field, low, high):
            return f"{field} BETWEEN {_value(low)} AND {_value(high)}"
        case In(field, values):
            return f"{field} IN ({_values(values)})"
        case Like(field, pattern):
            return f"{field} LIKE {_value(pattern)}"
        case IsNull(field):
            return f"{field} IS NULL"
        case Spatial(relation, wkb):
            return f"{relation.upper()}(geometry, {_geometry(wkb)})"
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


def _value(value: Scalar) -> str:
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return str(value)


def _values(values: tuple[Scalar, ...]) -> str:
    shown = ", ".join(_value(value) for value in values[:_MAX_VALUES])
    return f"{shown}, … {len(values)} values" if len(values) > _MAX_VALUES else shown


def _geometry(wkb: bytes) -> str:
    geometry = shapely.from_wkb(wkb)
    bounds = ", ".join(f"{value:.4f}" for value in geometry.bounds)
    return f"{geometry.geom_type}[{bounds}]"
