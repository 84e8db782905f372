"""Group columns and aggregate columns: names, types and the exact arithmetic behind them."""

from __future__ import annotations

import pyarrow as pa

from guotu.model.collection import Collection, Field, FieldType
from guotu.model.division import DivisionLevel
from guotu.model.errors import InvalidQuestion, UnknownField
from guotu.model.question import Aggregate, AggregateFunction, Bins
from guotu.model.schema import arrow_type, columns_of

BIN = "bin"
"""Column of the number of a class. int64; 0 for what is below the first one, null for null."""
DIVISION_LEVELS = {
    "province": DivisionLevel.PROVINCE,
    "prefecture": DivisionLevel.PREFECTURE,
    "county": DivisionLevel.COUNTY,
}
"""Group columns that stand for a division level of the collection's division field."""

DOUBLE_SUM_DECIMALS = 9
"""A DOUBLE is summed as a decimal with this many digits after the point, so that sums do not depend on order."""


def division_level(collection: Collection, name: str) -> DivisionLevel | None:
    """Return the level that a group column stands for; None if it is a field.

    Raises:
        InvalidQuestion: a level is meant and the collection has no division field.
    """
    if collection.field(name) is not None or name not in DIVISION_LEVELS:
        return None
    if not collection.division_field:
        detail = f"{collection.id} 没有区划字段 has no division field for {name!r}"
        raise InvalidQuestion(part="group_by", detail=detail)
    return DIVISION_LEVELS[name]


def require_field(collection: Collection, name: str) -> Field:
    """Return a field.

    Raises:
        UnknownField: there is none of that name.
    """
    found = collection.field(name)
    if found is None:
        known = ", ".join(item.name for item in collection.fields)
        raise UnknownField(field=name, collection=collection.id, known=known)
    return found


def sum_decimals(field: Field) -> int:
    """Return the digits after the point of a field's exact sum."""
    return {FieldType.DECIMAL: field.decimals, FieldType.DOUBLE: DOUBLE_SUM_DECIMALS}.get(field.type, 0)


def _group_field(collection: Collection, name: str) -> pa.Field:
    if division_level(collection, name) is not None:
        return pa.field(name, pa.string())
    return pa.field(name, arrow_type(require_field(collection, name)))


def aggregate_type(collection: Collection, aggregate: Aggregate) -> pa.DataType:
    """Return the Arrow type of an aggregate column.

    COUNT is int64; SUM is decimal128(38, digits of the field); AVG is float64; MIN and MAX have the field's type.

    Raises:
        UnknownField: no such field.
        InvalidQuestion: the function does not suit the field's type.
    """
    if aggregate.function is AggregateFunction.COUNT:
        if aggregate.field:
            require_field(collection, aggregate.field)
        return pa.int64()
    field = require_field(collection, aggregate.field)
    if aggregate.function in (AggregateFunction.MIN, AggregateFunction.MAX):
        return arrow_type(field)
    if field.type not in (FieldType.INTEGER, FieldType.DECIMAL, FieldType.DOUBLE):
        detail = f"{aggregate.function} 须为数值 needs a number, {field.name} is {field.type}"
        raise InvalidQuestion(part="aggregates", detail=detail)
    if aggregate.function is AggregateFunction.AVG:
        return pa.float64()
    return pa.decimal128(38, sum_decimals(field))


def grouping_schema(
    collection: Collection, group_by: tuple[str, ...], aggregates: tuple[Aggregate, ...], bins: Bins | None = None
) -> pa.Schema:
    """Return the schema of a grouping answer: group columns, or BIN for classes, then aggregates by their alias.

    Raises:
        UnknownField: no such fields; it names all that there are not.
        InvalidQuestion: a level or a function does not suit the collection.
    """
    grouped = (name for name in group_by if division_level(collection, name) is None)
    columns_of(collection, (*grouped, *(item.field for item in aggregates if item.field)))
    groups = [pa.field(BIN, pa.int64())] if bins else [_group_field(collection, name) for name in group_by]
    values = [pa.field(item.alias, aggregate_type(collection, item)) for item in aggregates]
    return pa.schema(groups + values)
