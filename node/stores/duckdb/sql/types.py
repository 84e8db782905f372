"""Types of columns in the store, and how columns come out of it."""

from __future__ import annotations

from guotu.model.collection import GEOMETRY, Collection, Field, FieldType
from node.stores.duckdb.sql.identifiers import column

_PLAIN = {
    FieldType.TEXT: "VARCHAR",
    FieldType.INTEGER: "BIGINT",
    FieldType.DOUBLE: "DOUBLE",
    FieldType.DATE: "DATE",
    FieldType.BOOLEAN: "BOOLEAN",
}
CORNERS = ("xmin", "ymin", "xmax", "ymax")
"""Members of the `bbox` column of a chunk; the store keeps each as a column, `_xmin` and so on."""


def sql_type(field: Field) -> str:
    """Return the type of a field's column; a DECIMAL is kept as such, so that sums are exact."""
    if field.type is FieldType.DECIMAL:
        return f"DECIMAL({field.width},{field.decimals})"
    return _PLAIN[field.type]


def table_columns(collection: Collection) -> dict[str, str]:
    """Return the columns of a collection's table with their types: fields, geometry as WKB, corners of its bbox."""
    columns = {item.name: sql_type(item) for item in collection.fields}
    if collection.has_geometry:
        columns[GEOMETRY] = "BLOB"
        columns |= {f"_{corner}": "DOUBLE" for corner in CORNERS}
    return columns


def outgoing(field: Field, expression: str) -> str:
    """Return a value of a field's type as it leaves the store: a DECIMAL as the nearest double."""
    return f"{expression}::DOUBLE" if field.type is FieldType.DECIMAL else expression


def outgoing_column(collection: Collection, name: str) -> str:
    """Return a column, the geometry included, as it leaves the store."""
    field = collection.field(name)
    return column(name) if field is None else outgoing(field, column(name))
