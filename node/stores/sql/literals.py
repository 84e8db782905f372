"""Literals of a filter, checked against the field that they are compared with."""

from __future__ import annotations

import math
from datetime import date
from decimal import Decimal

from guotu.model.collection import Field, FieldType
from guotu.model.errors import InvalidFilter
from guotu.model.expression import Scalar

NUMERIC = (FieldType.INTEGER, FieldType.DECIMAL, FieldType.DOUBLE)


def exact_number(field: Field, value: Scalar) -> Decimal:
    """Return the number that the filter means: 12.34 is twelve and thirty-four hundredths, not its nearest double.

    Raises:
        InvalidFilter: it is not a number.
    """
    match value:
        case bool():
            raise misfit(field, "a number")
        case int():
            return Decimal(value)
        case float() if not math.isnan(value):
            return Decimal(repr(value))
    raise misfit(field, "a number")


def double(field: Field, value: Scalar) -> float:
    """Return a literal for a DOUBLE field, infinite if it is beyond what a double can hold.

    Raises:
        InvalidFilter: it is not a number.
    """
    return float(exact_number(field, value))


def plain(field: Field, value: Scalar) -> str | bool | date:
    """Return a literal for a TEXT, DATE or BOOLEAN field.

    Raises:
        InvalidFilter: it has another type, or is a text that is not Unicode.
    """
    match field.type, value:
        case FieldType.TEXT, str():
            return _unicode(field, value)
        case FieldType.DATE, date():
            return value
        case FieldType.BOOLEAN, bool():
            return value
    raise misfit(field, {FieldType.TEXT: "a text", FieldType.DATE: "a date"}.get(field.type, "true or false"))


def misfit(field: Field, wanted: str) -> InvalidFilter:
    """Return the error for a literal that does not suit a field."""
    return InvalidFilter(where=field.name, detail=f"{field.name} is {field.type}: {wanted} is wanted")


def _unicode(field: Field, value: str) -> str:
    """Refuse halves of surrogate pairs, which JSON can express and no store can hold."""
    try:
        value.encode()
    except UnicodeEncodeError:
        raise misfit(field, "a text in Unicode") from None
    return value
