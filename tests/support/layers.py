"""Layers for tests of reading and inspection: one small collection with every field type, in every format."""

from __future__ import annotations

import csv
import json
import sqlite3
import struct
import warnings
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pyogrio.raw
import shapely

from guotu.model.collection import CodeList, Collection, Family, Field, FieldType, GeometryType
from guotu.model.crs import crs_projjson, transform_geometries

COUNTY = "510104"
CITY = "510100"
WEST, SOUTH = 104.06, 30.55
"""Corner inside the county (锦江区) from which the parcels are laid out."""

_CODES = {
    "dlbm": CodeList("dlbm", "地类编码", "test", {"0101": "水田", "0102": "水浇地", "0103": "旱地"}),
    "gddb": CodeList("gddb", "耕地等别", "test", {"1": "一等", "2": "二等", "15": "十五等"}),
}

PARCELS = Collection(
    id="parcels",
    family=Family.STATUS,
    title="测试图斑",
    title_en="Test parcels",
    geometry=GeometryType.POLYGON,
    key="BSM",
    fields=(
        Field("BSM", "标识码", FieldType.TEXT, length=18, nullable=False),
        Field("DLBM", "地类编码", FieldType.TEXT, length=5, nullable=False, codes="dlbm"),
        Field("DLMC", "地类名称", FieldType.TEXT, length=6),
        Field("ZLDWDM", "坐落单位代码", FieldType.TEXT, length=19, nullable=False),
        Field("TBMJ", "图斑面积", FieldType.DECIMAL, width=15, decimals=2, nullable=False),
        Field("KCXS", "扣除系数", FieldType.DECIMAL, width=6, decimals=4),
        Field("PD", "坡度", FieldType.DOUBLE),
        Field("GDDB", "耕地等别", FieldType.INTEGER, codes="gddb"),
        Field("SJNF", "数据年份", FieldType.INTEGER),
        Field("GXRQ", "更新日期", FieldType.DATE),
        Field("SFHC", "是否核查", FieldType.BOOLEAN),
    ),
    division_field="ZLDWDM",
    code_lists=_CODES,
)
TABLE = replace(PARCELS, id="parcel_table", geometry=GeometryType.NONE)


@dataclass(frozen=True)
class Rows:
    """Columns by name, values with None for null, and one geometry a row."""

    columns: Mapping[str, list[Any]]
    shapes: Sequence[Any]

    def having(self, **columns: list[Any]) -> Rows:
        """Return the same rows with other values in some columns, or with more columns."""
        return replace(self, columns={**self.columns, **columns})

    def without(self, *names: str) -> Rows:
        """Return the same rows without some columns."""
        return replace(self, columns={name: values for name, values in self.columns.items() if name not in names})

    def shaped(self, shapes: Sequence[Any]) -> Rows:
        """Return the same rows with other geometries."""
        return replace(self, shapes=shapes)

    def at(self, row: int, column: str, value: Any) -> Rows:
        """Return the same rows with one value changed."""
        values = list(self.columns[column])
        values[row] = value
        return self.having(**{column: values})

    def shape_at(self, row: int, shape: Any) -> Rows:
        """Return the same rows with one geometry changed."""
        shapes = list(self.shapes)
        shapes[row] = shape
        return self.shaped(shapes)


def good_rows(count: int = 8) -> Rows:
    """Return rows that satisfy `PARCELS` at the node of `COUNTY`; the last has every nullable field null."""
    last = [*range(count - 1)]
    none = [None] * min(count, 1)
    columns: dict[str, list[Any]] = {
        "BSM": [f"5101042110{row:08d}" for row in range(count)],
        "DLBM": [("0101", "0102", "0103")[row % 3] for row in range(count)],
        "DLMC": [*[("水田", "水浇地", "旱地")[row % 3] for row in last], *none],
        "ZLDWDM": ["5101040010010000000"] * count,
        "TBMJ": [round(1000.1 + row * 13.37, 2) for row in range(count)],
        "KCXS": [*[round(0.1203 + row / 10000, 4) for row in last], *none],
        "PD": [*[row / 8 for row in last], *none],
        "GDDB": [*[(1, 2, 15)[row % 3] for row in last], *none],
        "SJNF": [*[2025 for _ in last], *none],
        "GXRQ": [*[date(2025, 1 + row % 12, 31 if row % 12 == 0 else 28) for row in last], *none],
        "SFHC": [*[row % 2 == 0 for row in last], *none],
    }
    return Rows(columns, squares(count))


def squares(count: int, west: float = WEST, south: float = SOUTH, size: float = 0.0005) -> list[Any]:
    """Return small squares in a row, degrees."""
    left = west + np.arange(count) % 100 * size * 2
    bottom = south + np.arange(count) // 100 * size * 2
    return list(shapely.box(left, bottom, left + size, bottom + size))


def bowtie(west: float = 104.07, south: float = 30.56, size: float = 0.001) -> shapely.Polygon:
    """Return a polygon whose ring crosses itself."""
    corners = [(0, 0), (size, size), (size, 0), (0, size)]
    return shapely.Polygon([(west + x, south + y) for x, y in corners])


def projected(rows: Rows, crs: str) -> Rows:
    """Return the rows with geometries in another CRS."""
    return rows.shaped(list(transform_geometries(np.array(rows.shapes, dtype=object), "EPSG:4490", crs)))


def expected_table(rows: Rows, collection: Collection = PARCELS) -> dict[str, list[Any]]:
    """Return what the inspector must hand on for good rows, by field."""
    return {field.name: rows.columns[field.name] for field in collection.fields}


def wkb_of(shapes: Sequence[Any]) -> np.ndarray[Any, Any]:
    """Return WKB of geometries; bytes stay as they are."""
    result = np.empty(len(shapes), dtype=object)
    result[:] = [item if isinstance(item, bytes | None) else shapely.to_wkb(item, flavor="iso") for item in shapes]
    return result


def farthest(got: pa.ChunkedArray, wanted: Sequence[Any]) -> float:
    """Return how far apart, in degrees, geometries (WKB) are from those wanted, at most."""
    there = shapely.from_wkb(got.to_numpy())
    return float(shapely.hausdorff_distance(there, np.array(wanted, dtype=object)).max())


def write_ogr(path: Path, rows: Rows, driver: str, *, crs: str | None = "EPSG:4490", **options: Any) -> Path:
    """Write a layer with GDAL."""
    data, masks = zip(*map(_ogr_column, rows.columns.values()), strict=True)
    kinds = {shape.geom_type.removeprefix("Multi") for shape in rows.shapes if isinstance(shape, shapely.Geometry)}
    kind = kinds.pop() if len(kinds) == 1 else "Unknown" if kinds else "Polygon"
    multi = any("Multi" in getattr(shape, "geom_type", "") for shape in rows.shapes)
    deep = any(isinstance(shape, shapely.Geometry) and shape.has_z for shape in rows.shapes)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of types that a format keeps in another
        pyogrio.raw.write(
            path,
            wkb_of(rows.shapes),
            list(data),
            list(rows.columns),
            field_mask=list(masks),
            driver=driver,
            crs=crs,
            geometry_type=("Multi" if multi and kind != "Unknown" else "") + kind + (" Z" if deep else ""),
            **options,
        )
    return path


def _ogr_column(values: list[Any]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    mask = np.array([value is None for value in values])
    known = next((value for value in values if value is not None), "")
    match known:
        case bool():
            filled = np.array([bool(value) for value in values])
        case int():
            filled = np.array([value or 0 for value in values], dtype=np.int64)
        case np.float32():
            filled = np.array([0 if value is None else value for value in values], dtype=np.float32)
        case float():
            filled = np.array([0.0 if value is None else value for value in values])
        case date():
            filled = np.array([value or date(2000, 1, 1) for value in values], dtype="datetime64[D]")
        case _:
            filled = np.array(values, dtype=object)
    return filled, mask


def write_shapefile(
    path: Path, rows: Rows, *, encoding: str, cpg: str | None, crs: str | None = "EPSG:4490", language: int = 0
) -> Path:
    """Write a shapefile in that text encoding; `cpg` is what its .cpg says (None for no such file).

    `language` is the language driver byte of the .dbf.
    """
    write_ogr(path, rows, "ESRI Shapefile", crs=crs, encoding=encoding)
    sidecar = path.with_suffix(".cpg")
    sidecar.unlink(missing_ok=True)
    if cpg is not None:
        sidecar.write_text(cpg)
    dbf = bytearray(path.with_suffix(".dbf").read_bytes())
    dbf[29] = language
    path.with_suffix(".dbf").write_bytes(dbf)
    return path


def write_parquet(
    path: Path,
    rows: Rows,
    *,
    crs: Any = "EPSG:4490",
    encoding: str = "WKB",
    geo: bool = True,
    bbox: Sequence[float] = (),
) -> Path:
    """Write GeoParquet; `crs` "absent" leaves the key out, None states that it is not known."""
    table = pa.table({**rows.columns, "geometry": pa.array(wkb_of(rows.shapes), pa.binary())})
    column: dict[str, Any] = {"encoding": encoding, "geometry_types": []}
    if crs != "absent":
        column["crs"] = crs and crs_projjson(crs)
    if bbox:
        column["bbox"] = list(bbox)
    metadata = {"version": "1.1.0", "primary_column": "geometry", "columns": {"geometry": column}}
    pq.write_table(table.replace_schema_metadata({"geo": json.dumps(metadata)} if geo else {}), path)
    return path


def write_csv(path: Path, rows: Rows, *, encoding: str = "utf-8") -> Path:
    """Write the attributes as CSV."""
    with path.open("w", newline="", encoding=encoding) as stream:
        writer = csv.writer(stream)
        writer.writerow(rows.columns)
        writer.writerows(
            [["" if value is None else value for value in row] for row in zip(*rows.columns.values(), strict=True)]
        )
    return path


def write_curve(path: Path, row: int, centre: tuple[float, float], radius: float) -> Path:
    """Make one geometry of a GeoPackage (without spatial index) a circle: a curve polygon of one circular string."""
    x, y = centre
    points = [(x - radius, y), (x, y + radius), (x + radius, y), (x, y - radius), (x - radius, y)]
    arc = struct.pack("<BII", 1, 8, len(points)) + b"".join(struct.pack("<dd", *point) for point in points)
    with closing(sqlite3.connect(path)) as file:
        ((table, column),) = file.execute("select table_name, column_name from gpkg_geometry_columns").fetchall()
        ((blob,),) = file.execute(f"select {column} from {table} limit 1").fetchall()
        header = blob[:3] + b"\x01" + blob[4:8]
        curve = header + struct.pack("<BII", 1, 10, 1) + arc
        file.execute(f"update {table} set {column} = ? where fid = ?", (curve, row + 1))
        file.commit()
    return path
