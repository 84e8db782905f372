"""Types of columns in the store, how columns come out of it, and as what they travel."""

from __future__ import annotations

import pyarrow as pa

from guotu.model.collection import GEOMETRY, Collection, Field, FieldType
from guotu.model.schema import CORNERS, HASH, PLACE
from node.stores.sql.identifiers import ROWS, column

_PLAIN = {
    FieldType.TEXT: "text",
    FieldType.INTEGER: "bigint",
    FieldType.DOUBLE: "double precision",
    FieldType.DATE: "date",
    FieldType.BOOLEAN: "boolean",
}
_DIGITS_OF_A_DOUBLE = 15
_LARGEST_EXACT = 2**53
_TRAVELS = {pa.uint32(): pa.int64(), pa.float32(): pa.float64(), pa.binary(32): pa.binary()}


def sql_type(field: Field) -> str:
    """Return the type of a field's column; a DECIMAL is kept as such, so that sums are exact."""
    if field.type is FieldType.DECIMAL:
        return f"numeric({field.width},{field.decimals})"
    return _PLAIN[field.type]


def table_columns(collection: Collection) -> dict[str, str]:
    """Return the columns of a collection's rows with their types, in the order of `stored_schema`."""
    columns = {item.name: sql_type(item) for item in collection.fields}
    if collection.has_geometry:
        columns[GEOMETRY] = "bytea"
        columns |= dict.fromkeys(CORNERS, "double precision")
    return columns | {PLACE: "bigint", HASH: "bytea"}


def declared(kind: str) -> str:
    """Return a type as a table declares it: texts are compared by code point, as everywhere else."""
    return f'{kind} COLLATE "C"' if kind == "text" else kind


def outgoing(field: Field, expression: str) -> str:
    """Return a value of a field's type as it leaves the store: a DECIMAL as a double.

    Up to 15 digits that is the nearest double. A wider one is the sum of two doubles, its whole and its part, where it
    has more digits than a double, since DuckDB makes it so.
    """
    if field.type is not FieldType.DECIMAL:
        return expression
    if field.width <= _DIGITS_OF_A_DOUBLE or not field.decimals:
        return f"{expression}::double precision"
    power = f"1{'0' * field.decimals}"
    whole, part = f"trunc({expression})", f"({expression} - trunc({expression}))"
    halves = f"{whole}::double precision + ({part} * {power})::double precision / {power}::double precision"
    exact = f"abs({expression}) * {power} <= {_LARGEST_EXACT}"
    return f"CASE WHEN {exact} THEN {expression}::double precision ELSE {halves} END"


def outgoing_column(collection: Collection, name: str, rows: str = ROWS) -> str:
    """Return a column as it leaves the store: of a field, the geometry, or what the store keeps beside them."""
    field = collection.field(name)
    return column(name, rows) if field is None else outgoing(field, column(name, rows))


def travelling(schema: pa.Schema) -> pa.Schema:
    """Return as what columns of a schema come from the database; a decimal comes as a text."""
    return pa.schema([(field.name, _travelling(field.type)) for field in schema])


def _travelling(kind: pa.DataType) -> pa.DataType:
    return pa.string() if pa.types.is_decimal(kind) else _TRAVELS.get(kind, kind)
