"""Types of columns in the store, and how columns come out of it."""

from __future__ import annotations

from guotu.model.collection import GEOMETRY, Collection, Field, FieldType
from guotu.model.schema import CORNERS, HASH, PLACE
from node.stores.sql.identifiers import ROWS, column

_PLAIN = {
    FieldType.TEXT: "VARCHAR",
    FieldType.INTEGER: "BIGINT",
    FieldType.DOUBLE: "DOUBLE",
    FieldType.DATE: "DATE",
    FieldType.BOOLEAN: "BOOLEAN",
}


def sql_type(field: Field) -> str:
    """Return the type of a field's column; a DECIMAL is kept as such, so that sums are exact."""
    if field.type is FieldType.DECIMAL:
        return f"DECIMAL({field.width},{field.decimals})"
    return _PLAIN[field.type]


def table_columns(collection: Collection) -> dict[str, str]:
    """Return the columns of a collection's rows with their types, in the order of `stored_schema`."""
    columns = {item.name: sql_type(item) for item in collection.fields}
    if collection.has_geometry:
        columns[GEOMETRY] = "BLOB"
        columns |= dict.fromkeys(CORNERS, "DOUBLE")
    return columns | {PLACE: "UINTEGER", HASH: "BLOB"}


def outgoing(field: Field, expression: str) -> str:
    """Return a value of a field's type as it leaves the store: a DECIMAL as the nearest double."""
    return f"{expression}::DOUBLE" if field.type is FieldType.DECIMAL else expression


def outgoing_column(collection: Collection, name: str, rows: str = ROWS) -> str:
    """Return a column as it leaves the store: of a field, the geometry, or what the store keeps beside them."""
    field = collection.field(name)
    return column(name, rows) if field is None else outgoing(field, column(name, rows))
