"""What PostgreSQL and PostGIS say in their own way of filters."""

from __future__ import annotations

from guotu.model.collection import Collection, FieldType
from guotu.model.expression import And, Between, Compare, Comparison, Expression, In, Like, Not, Or
from guotu.model.schema import CORNERS
from node.stores.postgis.sql.types import sql_type
from node.stores.sql.expressions import Dialect
from node.stores.sql.expressions import where_clause as shared_where_clause
from node.stores.sql.identifiers import ROWS, column
from node.stores.sql.parameters import Parameters
from node.stores.sql.spatial import SpatialDialect

_NUL = "\x00"


def bbox_sql(rows: str = "") -> str:
    """Return the bbox of a row as a geometry, which the index is over; null without a point.

    NaN counts as equal to itself here.
    """
    xmin, *others = (column(corner, rows) if rows else f'"{corner}"' for corner in CORNERS)
    return f"ST_MakeEnvelope(nullif({xmin}, 'NaN'::double precision), {', '.join(others)})"


def _member(values: str, array: str) -> str:
    return f"({values} = ANY ({array}))"


_WINDOW = "ST_MakeEnvelope({west}, {south}, {east}, {north})"
POSTGIS = Dialect(
    sql_type, _member, SpatialDialect("double precision", "bytea", indexed=f"{bbox_sql(ROWS)} && {_WINDOW}")
)


def where_clause(collection: Collection, filter: Expression | None, parameters: Parameters) -> str:
    """Return " WHERE ..." for a filter, or nothing for none; adds its values to `parameters`.

    Raises:
        UnknownField: the collection has no such field.
        InvalidFilter: a literal does not suit its field.
    """
    plain = None if filter is None else without_nul(filter, collection)
    return shared_where_clause(POSTGIS, collection, plain, parameters)


def without_nul(expression: Expression, collection: Collection) -> Expression:
    """Return an equal filter whose texts have no U+0000, which PostgreSQL takes in no text, stored or given."""
    match expression:
        case And(parts):
            return And(tuple(without_nul(part, collection) for part in parts))
        case Or(parts):
            return Or(tuple(without_nul(part, collection) for part in parts))
        case Not(part):
            return Not(without_nul(part, collection))
        case Between(field, low, high):
            bounds = Compare(field, Comparison.GE, low), Compare(field, Comparison.LE, high)
            return And(tuple(without_nul(bound, collection) for bound in bounds))
        case Compare(field, operator, str(value)) if _NUL in value and _is_text(collection, field):
            return _compared(field, operator, value)
        case In(field, values) if _is_text(collection, field):
            held = tuple(value for value in values if not (isinstance(value, str) and _NUL in value))
            return _never(field) if values and not held else In(field, held)
        case Like(field, pattern) if _NUL in pattern and _is_text(collection, field):
            return _never(field)
    return expression


def _compared(field: str, operator: Comparison, value: str) -> Expression:
    """A text without U+0000 is less than one with it just if it is at most what stands before it."""
    before = value.partition(_NUL)[0]
    match operator:
        case Comparison.LT | Comparison.LE:
            return Compare(field, Comparison.LE, before)
        case Comparison.GT | Comparison.GE:
            return Compare(field, Comparison.GT, before)
        case Comparison.NE:
            return Not(_never(field))
    return _never(field)


def _never(field: str) -> Expression:
    """Return what is false of every text, and null of null."""
    return And((Compare(field, Comparison.LT, ""), Compare(field, Comparison.EQ, "")))


def _is_text(collection: Collection, name: str) -> bool:
    field = collection.field(name)
    return field is not None and field.type is FieldType.TEXT
