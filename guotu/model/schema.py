"""The Arrow schema of a collection, the same at every node and on the wire."""

from __future__ import annotations

import pyarrow as pa

from guotu.model.collection import GEOMETRY, Collection, Field, FieldType
from guotu.model.crs import MESH_CRS, geometry_field
from guotu.model.errors import UnknownField

_ARROW = {
    FieldType.TEXT: pa.string(),
    FieldType.INTEGER: pa.int64(),
    FieldType.DECIMAL: pa.float64(),
    FieldType.DOUBLE: pa.float64(),
    FieldType.DATE: pa.date32(),
    FieldType.BOOLEAN: pa.bool_(),
}


def arrow_type(field: Field) -> pa.DataType:
    """Return the Arrow type of a field on the wire.

    A DECIMAL travels as float64, which holds the 15 digits of the survey's Float(15,2) exactly and is what GIS reads;
    stores keep it as a decimal so that sums are exact.
    """
    return _ARROW[field.type]


def columns_of(collection: Collection, names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the columns asked for, all of them if `names` is empty.

    Raises:
        UnknownField: the collection has no such column.
    """
    known = collection.column_names
    for name in names:
        if name not in known:
            raise UnknownField(field=name, collection=collection.id, known=", ".join(known))
    return names or known


def arrow_schema(collection: Collection, names: tuple[str, ...] = (), crs: str = MESH_CRS) -> pa.Schema:
    """Return the schema of the columns `names` (all if empty), geometry as GeoArrow WKB in `crs`.

    Raises:
        UnknownField: the collection has no such column.
    """
    by_name = {item.name: item for item in collection.fields}
    fields = []
    for name in columns_of(collection, names):
        if name == GEOMETRY and collection.has_geometry:
            fields.append(geometry_field(GEOMETRY, crs))
        else:
            fields.append(pa.field(name, arrow_type(by_name[name]), by_name[name].nullable))
    return pa.schema(fields)
