"""The three members, their parcels, and what the tables of a database that serves them look like."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import shapely

from benchmarks.owners import province_parcels
from benchmarks.single_engine import sql_type
from guotu.model.collection import GEOMETRY, Collection, FieldType

MEMBERS = ("500000", "510000", "520000")
"""Provinces that own parcels; each a node, and a cluster."""
DEFAULT_ROWS = 300_000
"""Parcels of each."""
TABLE = "dltb"
SRID = 4490
"""CGCS2000, lon/lat degrees."""
_BATCH_ROWS = 10_000
_NAMED = {FieldType.TEXT: "text", FieldType.DOUBLE: "double precision"}


def member_parcels(rows: int, seed: int) -> dict[str, Path]:
    """Return the GeoParquet file of each member, about `rows` parcels in each, from the cache or else made."""
    return {member: province_parcels(member, rows, seed) for member in MEMBERS}


def columns_sql(collection: Collection) -> str:
    """Return the columns of a table as its owner would declare them, geometry in PostGIS's own type."""
    columns = [
        f'"{field.name}" {_NAMED.get(field.type) or sql_type(field)}{"" if field.nullable else " NOT NULL"}'
        for field in collection.fields
    ]
    return ", ".join([*columns, f"{GEOMETRY} geometry(Polygon, {SRID}) NOT NULL"])


def csv_rows(file: Path, collection: Collection) -> pa.RecordBatchReader:
    """Read a member's file as rows of that table: geometry as EWKB in hexadecimal digits."""
    source = pq.ParquetFile(file)
    names = [field.name for field in collection.fields]
    schema = pa.schema([*(source.schema_arrow.field(name) for name in names), pa.field(GEOMETRY, pa.string())])

    def batches() -> Iterator[pa.RecordBatch]:
        for batch in source.iter_batches(_BATCH_ROWS):
            shapes = shapely.set_srid(shapely.from_wkb(batch[GEOMETRY].to_numpy(zero_copy_only=False)), SRID)
            hexadecimal = pa.array(shapely.to_wkb(shapes, hex=True, include_srid=True), pa.string())
            yield pa.RecordBatch.from_arrays([*(batch[name] for name in names), hexadecimal], schema=schema)

    return pa.RecordBatchReader.from_batches(schema, batches())
