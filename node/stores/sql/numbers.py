"""Comparisons of exact columns with any number, turned into comparisons with a number that the column can hold.

So a column is compared in its own type: exact, and open to pruning by zone maps.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal

from guotu.model.collection import Field, FieldType
from guotu.model.expression import Comparison

_INT64_LOW, _INT64_HIGH = Decimal(-(2**63)), Decimal(2**63 - 1)
_CONTEXT = Context(prec=80)  # 38 digits of a column, and room for the rounding


@dataclass(frozen=True, slots=True)
class Range:
    """The numbers that an exact column can hold: from `low` to `high` in steps of `step`."""

    low: Decimal
    high: Decimal
    step: Decimal


def exact_range(field: Field) -> Range:
    """Return what an INTEGER or DECIMAL field can hold."""
    if field.type is FieldType.INTEGER:
        return Range(_INT64_LOW, _INT64_HIGH, Decimal(1))
    step = Decimal(1).scaleb(-field.decimals, _CONTEXT)
    high = Decimal(10**field.width - 1).scaleb(-field.decimals, _CONTEXT)
    return Range(-high, high, step)


def settle(operator: Comparison, literal: Decimal, held: Range) -> tuple[Comparison, Decimal] | bool:
    """Return an equal comparison with a number that the column can hold, or the outcome if it is always the same.

    x > 12.345 is x > 12.34 for two decimals; x = 12.345 is false for every x.
    """
    if literal > held.high:
        return operator in (Comparison.NE, Comparison.LT, Comparison.LE)
    if literal < held.low:
        return operator in (Comparison.NE, Comparison.GT, Comparison.GE)
    down = operator in (Comparison.GT, Comparison.LE)
    nearest = literal.quantize(held.step, ROUND_FLOOR if down else ROUND_CEILING, _CONTEXT)
    if nearest != literal and operator in (Comparison.EQ, Comparison.NE):
        return operator is Comparison.NE
    return operator, nearest
