"""The columns of an answer as a saved one names them, so that its rows can be read back to what they were."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import pyarrow as pa

_DECIMAL = re.compile(r"decimal128\((\d+), (-?\d+)\)")


def columns_document(schema: pa.Schema) -> list[dict[str, str]]:
    """Return name and Arrow type of each column, as the result digest writes them (docs/reference/digests.md)."""
    return [{"name": field.name, "type": str(field.type)} for field in schema]


def schema_of(columns: Iterable[Mapping[str, str]]) -> pa.Schema:
    """Return the schema of such columns; fields are nullable and carry no CRS.

    Raises:
        KeyError, TypeError, ValueError: they are none of these.
    """
    return pa.schema([pa.field(column["name"], _type_of(column["type"])) for column in columns])


def _type_of(name: str) -> pa.DataType:
    decimal = _DECIMAL.fullmatch(name)
    return pa.decimal128(*map(int, decimal.groups())) if decimal else pa.type_for_alias(name)
