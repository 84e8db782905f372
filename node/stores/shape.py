"""Rows of an engine as the batches that the port promises."""

from __future__ import annotations

import pyarrow as pa

from guotu.model.collection import GEOMETRY, Collection
from guotu.model.crs import MESH_CRS, transform_wkb
from guotu.model.errors import InvalidCrs
from guotu.model.ports import Scan
from guotu.model.schema import arrow_schema


def shaped(batch: pa.RecordBatch, schema: pa.Schema, crs: str) -> pa.RecordBatch:
    """Give a batch of an engine its schema, and its geometries, which are in the mesh's CRS, their own.

    Raises:
        InvalidCrs: geometries cannot be brought into the CRS asked for.
    """
    columns = [
        values if values.type == field.type else values.cast(field.type)
        for values, field in zip(batch.columns, schema, strict=True)
    ]
    if crs != MESH_CRS and GEOMETRY in schema.names:
        place = schema.get_field_index(GEOMETRY)
        try:
            columns[place] = transform_wkb(columns[place], MESH_CRS, crs)
        except ValueError as error:
            raise InvalidCrs(crs=crs, detail=str(error)) from error
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def schema_of(scan: Scan, collection: Collection) -> pa.Schema:
    """Return the schema of a scan's rows.

    Raises:
        UnknownField: the collection has no such column.
        InvalidCrs: no such CRS.
    """
    try:
        return arrow_schema(collection, scan.fields, scan.crs)
    except ValueError as error:
        raise InvalidCrs(crs=scan.crs, detail=str(error)) from error
