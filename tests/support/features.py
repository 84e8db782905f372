"""Sample features: a collection with every type of field, its rows, and GeoParquet chunks of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import shapely

from guotu.model.collection import GEOMETRY, Collection, Family, Field, FieldType, GeometryType
from guotu.model.schema import arrow_schema
from sync.geoparquet import bbox_column, geo_metadata, with_bbox

FIELDS = (
    Field("BSM", "标识码", FieldType.TEXT, length=18, nullable=False),
    Field("DLBM", "地类编码", FieldType.TEXT, length=5),
    Field("ZLDWDM", "坐落单位代码", FieldType.TEXT, length=19),
    Field("TBMJ", "图斑面积", FieldType.DECIMAL, width=15, decimals=2),
    Field("TBDLMJ", "图斑地类面积", FieldType.DECIMAL, width=15, decimals=2),
    Field("GDDB", "耕地等别", FieldType.INTEGER),
    Field("KCXS", "扣除系数", FieldType.DOUBLE),
    Field("DCRQ", "调查日期", FieldType.DATE),
    Field("SFYX", "是否有效", FieldType.BOOLEAN),
)


def sample_collection(geometry: GeometryType = GeometryType.POLYGON) -> Collection:
    """A collection with every type of field."""
    return Collection(
        id="tb",
        family=Family.STATUS,
        title="样例图斑",
        title_en="sample parcels",
        geometry=geometry,
        key="BSM",
        fields=FIELDS,
        division_field="ZLDWDM",
    )


def parcels(count: int, seed: int = 0) -> pa.Table:
    """Rows at random, one null in eight: unit squares on a grid of half degrees in the west of Sichuan."""
    rng = np.random.default_rng(seed)

    def some(values: Sequence[object], kind: pa.DataType) -> pa.Array:
        return pa.array(values, kind).take(pa.array(rng.integers(0, len(values), count)))

    def gaps(column: pa.Array) -> pa.Array:
        return pc.if_else(pa.array(rng.random(count) < 0.125), pa.scalar(None, column.type), column)

    cents = rng.integers(-500, 500_000, count)
    corner = rng.integers(0, 40, (count, 2)) / 2 + np.array([100.0, 26.0])
    squares = shapely.box(corner[:, 0], corner[:, 1], corner[:, 0] + 1, corner[:, 1] + 1)
    columns = [
        pa.array([f"5101{number:012d}" for number in rng.permutation(count)]),
        gaps(some(["0101", "0102", "0103", "0301", "1104A", "水田", "%_\\"], pa.string())),
        gaps(some(["510104001001", "510104002", "510105", "513221100", "500101", "5115", "51"], pa.string())),
        gaps(pa.array(cents / 100)),
        gaps(pa.array((cents + rng.integers(-1, 2, count)) / 100)),
        gaps(pa.array(rng.integers(-5, 15, count))),
        gaps(pa.array(np.round(rng.random(count), 3))),
        gaps(pa.array([date(2019, 1, 1) + timedelta(int(day)) for day in rng.integers(0, 3000, count)])),
        gaps(pa.array(rng.random(count) < 0.5)),
        gaps(pa.array(shapely.to_wkb(squares), pa.binary())),
    ]
    return pa.Table.from_arrays(columns, schema=arrow_schema(sample_collection()))


def write_chunks(folder: Path, table: pa.Table, rows: int) -> list[Path]:
    """Write a table as GeoParquet 1.1 chunks of so many rows each, in order; at least one chunk."""
    folder.mkdir(parents=True, exist_ok=True)
    starts = range(0, max(table.num_rows, 1), rows)
    return [_write(folder / f"{start:09d}.parquet", table.slice(start, rows)) for start in starts]


def _write(path: Path, table: pa.Table) -> Path:
    if GEOMETRY in table.column_names:
        bounds = shapely.bounds(shapely.from_wkb(table[GEOMETRY].to_numpy()))
        schema = with_bbox(table.schema).with_metadata({"geo": geo_metadata({"Polygon"}, None)})
        table = pa.Table.from_arrays([*table.columns, bbox_column(bounds.reshape(-1, 4))], schema=schema)
    pq.write_table(table, path, compression="zstd", row_group_size=1000)
    return path
