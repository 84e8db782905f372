"""Parcels as a business table of PostGIS, and a round of edits to it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.pg_cluster import PgCluster
from guotu.model.collection import GEOMETRY, Collection, Field, FieldType

NAME = "dltb"
_TYPES = {FieldType.INTEGER: "bigint", FieldType.DOUBLE: "double precision", FieldType.DATE: "date"}
_BATCH_ROWS = 10_000


@dataclass(frozen=True, slots=True)
class LiveParcels:
    """The table `dltb` of a cluster, with lower-case names and a primary key."""

    cluster: PgCluster
    collection: Collection

    @property
    def url(self) -> str:
        """Return the URL of its database."""
        return f"postgresql://postgres:{self.cluster.password}@{self.cluster.address}/postgres"

    @property
    def key(self) -> str:
        """Return the column of the key."""
        return self.collection.key.lower()

    def fill(self, source: Path) -> int:
        """Make the table out of a GeoParquet file; returns its rows."""
        columns = [f"{item.name.lower()} {_declared(item)}" for item in self.collection.fields]
        self.cluster.sql(f"CREATE TABLE {NAME} ({', '.join(columns)}, geom geometry(Geometry, 4490));")
        file = pq.ParquetFile(source)
        names = [*(item.name for item in self.collection.fields), GEOMETRY]
        self.cluster.copy_in(NAME, _written(file, names))
        self.cluster.sql(f"ALTER TABLE {NAME} ADD PRIMARY KEY ({self.key});\nVACUUM ANALYZE {NAME};")
        return int(file.metadata.num_rows)

    def edit(self) -> tuple[int, int, int]:
        """Edit one row in a hundred; returns how many were inserted, updated and deleted.

        Of twenty edits nine change an attribute, nine the geometry, one is a new row and one is a row gone.
        """
        row = f"abs(hashtext({self.key})) % 2000"
        columns = ", ".join(item.name.lower() for item in self.collection.fields if item.name != self.collection.key)
        statements = (
            f"WITH new AS (INSERT INTO {NAME} ({self.key}, {columns}, geom) SELECT left({self.key}, 10) || '9' || "
            f"right({self.key}, 7), {columns}, geom FROM {NAME} WHERE {row} = 0 RETURNING 1) SELECT count(*) FROM new;",
            f"WITH new AS (UPDATE {NAME} SET tbbh = 'X' || left(tbbh, 6) WHERE {row} BETWEEN 2 AND 10 "
            f"AND substr({self.key}, 11, 1) <> '9' RETURNING 1) SELECT count(*) FROM new;",
            f"WITH new AS (UPDATE {NAME} SET geom = ST_Translate(geom, 1e-7, 0) WHERE {row} BETWEEN 11 AND 19 "
            f"AND substr({self.key}, 11, 1) <> '9' RETURNING 1) SELECT count(*) FROM new;",
            f"WITH new AS (DELETE FROM {NAME} WHERE {row} = 1 AND substr({self.key}, 11, 1) <> '9' RETURNING 1) "
            "SELECT count(*) FROM new;",
        )
        inserts, attributes, shapes, deletes = (int(self.cluster.sql(item)[0]) for item in statements)
        return inserts, attributes + shapes, deletes


def _declared(field: Field) -> str:
    if field.type is FieldType.TEXT:
        return f"varchar({field.length})"
    if field.type is FieldType.DECIMAL:
        return f"numeric({field.width}, {field.decimals})"
    return _TYPES[field.type]


def _written(file: pq.ParquetFile, names: list[str]) -> pa.RecordBatchReader:
    """Return rows with geometries as PostGIS reads them from text: hexadecimal, with the SRID before the shape."""
    fields = [file.schema_arrow.field(name) for name in names[:-1]]
    schema = pa.schema([*fields, pa.field(GEOMETRY, pa.string())])

    def batches() -> Iterator[pa.RecordBatch]:
        for batch in file.iter_batches(_BATCH_ROWS, columns=names):
            shapes = pa.array(["SRID=4490;" + shape.hex() for shape in batch.column(GEOMETRY).to_pylist()])
            yield pa.RecordBatch.from_arrays([*(batch.column(name) for name in names[:-1]), shapes], schema=schema)

    return pa.RecordBatchReader.from_batches(schema, batches())
