"""The class that a value of a field is in, as SQL."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal

from guotu.model.bins import Edge
from guotu.model.collection import Field
from guotu.model.expression import Comparison
from node.stores.sql.identifiers import column
from node.stores.sql.numbers import exact_range, settle
from node.stores.sql.parameters import Parameters


def bin_sql(sql_type: Callable[[Field], str], field: Field, edges: tuple[Edge, ...], parameters: Parameters) -> str:
    """Return the number of the class: 0 below the first edge, one more at and after each; null of null.

    The last edge belongs to the last class. Classes are halved, so that a value is compared a few times only.
    """
    last = len(edges) - 1
    below = [
        _below(sql_type(field), field, Comparison.LE if place == last else Comparison.LT, edge, parameters)
        for place, edge in enumerate(edges)
    ]
    return f"(CASE WHEN {column(field.name)} IS NULL THEN NULL ELSE {_halved(below, 0, len(below))} END)::BIGINT"


def _halved(below: list[str], first: int, end: int) -> str:
    if first == end:
        return str(first)
    middle = (first + end) // 2
    left, right = _halved(below, first, middle), _halved(below, middle + 1, end)
    return f"CASE WHEN {below[middle]} THEN {left} ELSE {right} END"


def _below(kind: str, field: Field, operator: Comparison, edge: Edge, parameters: Parameters) -> str:
    literal: Decimal | float | date = edge
    if isinstance(edge, Decimal):
        settled = settle(operator, edge, exact_range(field))
        if isinstance(settled, bool):
            return str(settled).upper()
        operator, literal = settled
    return f"{column(field.name)} {operator} {parameters.bind(literal, kind)}"
