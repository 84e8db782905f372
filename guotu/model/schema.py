"""The Arrow schema of a collection, the same at every node and on the wire."""

from __future__ import annotations

import pyarrow as pa

from guotu.model.collection import GEOMETRY, Collection, Field, FieldType
from guotu.model.crs import MESH_CRS, geometry_field
from guotu.model.errors import UnknownField

PLACE = "_place"
"""Place of a row on the Hilbert curve, by the centre of its bounding box; 0 without geometry. uint32."""
HASH = "_hash"
"""Row hash (docs/reference/digests.md), 32 bytes."""
OWNER = "_owner"
"""Node id of the owner of a row, in answers that nodes give each other for pages. string."""
CORNERS = ("_xmin", "_ymin", "_xmax", "_ymax")
"""Bounding box of a row's geometry, degrees, EPSG:4490; null without geometry, NaN for an empty one. float64."""
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
        UnknownField: the collection has no such column; it names all that it does not have.
    """
    known = collection.column_names
    missing = dict.fromkeys(name for name in names if name not in known)
    if missing:
        raise UnknownField(field=", ".join(missing), collection=collection.id, known=", ".join(known))
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


def stored_schema(collection: Collection) -> pa.Schema:
    """Return the schema of rows on their way into and out of a store.

    The columns of `arrow_schema` (geometry as plain WKB, binary), then CORNERS where there is a geometry, PLACE, HASH.
    All are nullable, since a delete is a row of nulls but for its key.
    """
    plain = [pa.field(item.name, arrow_type(item)) for item in collection.fields]
    if collection.has_geometry:
        plain += [pa.field(GEOMETRY, pa.binary()), *(pa.field(corner, pa.float64()) for corner in CORNERS)]
    return pa.schema([*plain, pa.field(PLACE, pa.uint32()), pa.field(HASH, pa.binary(32))])


def effect_schema(collection: Collection) -> pa.Schema:
    """Return the schema of what a change does to each key: key, `old_hash`, `new_hash` (32 bytes, nullable)."""
    hashes = [pa.field("old_hash", pa.binary(32)), pa.field("new_hash", pa.binary(32))]
    return pa.schema([_key_field(collection), *hashes])


def difference_schema(collection: Collection) -> pa.Schema:
    """Return the schema of how a set of rows differs from a version.

    The key; `_row` (int64, null where only the version has the key); `old_hash` (32 bytes, null where only the set has
    the key); `old_geometry` (WKB, where the collection has a geometry).
    """
    fields = [_key_field(collection), pa.field("_row", pa.int64()), pa.field("old_hash", pa.binary(32))]
    return pa.schema([*fields, pa.field("old_geometry", pa.binary())] if collection.has_geometry else fields)


def change_schema(collection: Collection) -> pa.Schema:
    """Return the schema of changes between two versions.

    The key; `op` ("insert", "update" or "delete"); `before` and `after`: structs of the columns of `arrow_schema`
    (geometry as plain WKB), null where there is no such row.
    """
    row = pa.struct([pa.field(field.name, field.type) for field in stored_schema(collection) if field.name[0] != "_"])
    sides = [pa.field("before", row), pa.field("after", row)]
    return pa.schema([_key_field(collection), pa.field("op", pa.string(), nullable=False), *sides])


def _key_field(collection: Collection) -> pa.Field:
    return pa.field(collection.key, stored_schema(collection).field(collection.key).type, nullable=False)
