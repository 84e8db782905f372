"""Classes of a field: their edges, and groups by class as rows for people."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date
from decimal import Decimal, InvalidOperation
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from guotu.model.collection import Field, FieldType
from guotu.model.errors import InvalidQuestion
from guotu.model.grouping import BIN
from guotu.model.question import MAX_BINS, Aggregate, AggregateFunction, Bins
from guotu.model.schema import arrow_type

LOW, HIGH = "low", "high"
_EXACT_INTEGERS = 2**53
_LONGEST_EDGE = 300
"""Digits of an edge, written or meant: all are doubles, too, and 1e999999999 is not made a whole number of them."""
Edge = Decimal | float | date
"""Exact for exact fields; a float for DOUBLE."""
_TYPES = (FieldType.INTEGER, FieldType.DECIMAL, FieldType.DOUBLE, FieldType.DATE)


def require_ordered(field: Field, part: str) -> None:
    """Check that a field has an order with distances.

    Raises:
        InvalidQuestion: it is not a number or a date.
    """
    if field.type not in _TYPES:
        raise InvalidQuestion(
            part=part, detail=f"{field.name} 须为数值或日期 is {field.type}: a number or date is needed"
        )


def edges_of(bins: Bins, field: Field) -> tuple[Edge, ...]:
    """Return the edges of classes.

    Raises:
        InvalidQuestion: one is no number or date, they are not ascending, or too few or too many.
    """
    if not 2 <= len(bins.edges) <= MAX_BINS + 1:
        detail = f"分界须有 2 至 {MAX_BINS + 1} 个 edges are needed, not {len(bins.edges)}"
        raise InvalidQuestion(part="bins", detail=detail)
    edges = tuple(_edge(text, field) for text in bins.edges)
    if any(not low < high for low, high in pairwise(edges)):  # type: ignore[operator]
        raise InvalidQuestion(part="bins", detail="须由小到大 edges must be ascending")
    return edges


def _edge(text: str, field: Field) -> Edge:
    try:
        if field.type is FieldType.DATE:
            return date.fromisoformat(text)
        if field.type is FieldType.DOUBLE:
            return float(text)
        number = Decimal(text)
        if number.is_finite() and len(text) <= _LONGEST_EDGE and number.adjusted() < _LONGEST_EDGE:
            return number
    except (ValueError, InvalidOperation):
        pass
    wanted = "日期 a date is needed (yyyy-mm-dd)" if field.type is FieldType.DATE else "数值 a number is needed"
    raise InvalidQuestion(part="bins", detail=f"{text[:40]!r}: {field.name} 的分界须为{wanted}")


def equal_edges(field: Field, low: object, high: object, count: int) -> tuple[str, ...]:
    """Return the edges of classes of equal width from the least to the greatest value; both None if there is none.

    Dates have no parts, so of few days there are fewer classes.
    """
    if isinstance(low, date) and isinstance(high, date):
        first, last = low.toordinal(), high.toordinal()
        if first == last:
            first, last = (first, last + 1) if high < date.max else (first - 1, last)
        days = np.unique(np.linspace(first, last, count + 1).astype(np.int64))
        return tuple(date.fromordinal(int(day)).isoformat() for day in days)
    if field.type is FieldType.DATE:
        return ("1970-01-01", "1970-01-02")
    numbers = [value if isinstance(value, int | float) and math.isfinite(value) else 0 for value in (low, high)]
    least, most = numbers if numbers[0] < numbers[1] else (numbers[0], max(numbers[0] + 1, _above(numbers[0])))
    if not all(is_exact(value, field) for value in (least, most)):
        least, most = -_above(-least), _above(most)
    # The ends are the values themselves, whatever rounding does between them.
    between = np.unique(np.linspace(least / 2, most / 2, count + 1)[1:-1] * 2).tolist()
    inner = [repr(value) for value in between if Decimal(least) < Decimal(value) < Decimal(most)]
    return (repr(least), *inner, repr(most))


def is_exact(value: float, field: Field) -> bool:
    """Tell whether a double stands for just one value of a DECIMAL field; true of other fields."""
    return field.type is not FieldType.DECIMAL or abs(value) * 10**field.decimals < _EXACT_INTEGERS


def _above(value: float) -> float:
    return value + 1 if isinstance(value, int) else math.nextafter(value, math.inf)


def with_bounds(groups: pa.Table, bins: Bins, field: Field, aggregates: Sequence[Aggregate]) -> pa.Table:
    """Return groups by class with a row for every class, and the bounds of each.

    Args:
        groups: BIN, then the aggregates; not sorted.
        bins: the classes, with edges.
        field: their field.
        aggregates: the other columns.

    The result is BIN, `low` and `high` (double, or date32 for dates; null where there is none), then the aggregates; by
    class, null last.
    """
    edges, kind = edges_of(bins, field), arrow_type(field) if field.type is FieldType.DATE else pa.float64()
    count = len(edges) - 1
    absent = sorted(set(range(1, count + 1)) - set(groups[BIN].to_pylist()))
    columns = {BIN: pa.array(absent, pa.int64())}
    for item in aggregates:
        empty = pa.nulls(len(absent), groups.schema.field(item.alias).type)
        columns[item.alias] = pc.fill_null(empty, 0) if item.function is AggregateFunction.COUNT else empty
    every = pa.concat_tables([groups, pa.table(columns, schema=groups.schema)]).sort_by(BIN)
    bounds = pa.array([float(edge) if isinstance(edge, Decimal) else edge for edge in edges], kind)
    number = every[BIN]
    known = pc.fill_null(pc.less_equal(number, count + 1), False)
    low = bounds.take(pc.if_else(pc.and_(known, pc.greater(number, 0)), pc.subtract(number, 1), None))
    high = bounds.take(pc.if_else(pc.and_(known, pc.less_equal(number, count)), number, None))
    return every.add_column(1, pa.field(LOW, kind), low).add_column(2, pa.field(HIGH, kind), high)


def binned_schema(groups: pa.Schema, field: Field) -> pa.Schema:
    """Return the schema of `with_bounds`, given that of the groups."""
    kind = arrow_type(field) if field.type is FieldType.DATE else pa.float64()
    return groups.insert(1, pa.field(LOW, kind)).insert(2, pa.field(HIGH, kind))
