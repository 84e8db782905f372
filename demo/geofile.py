"""GeoParquet 1.1 files of the demonstration: selected, put in order and written the same way every time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import shapely


def read_provinces(path: Path, provinces: tuple[str, ...]) -> pa.Table:
    """Read the rows of *path* whose `adcode` starts with one of the two-digit *provinces* (GB/T 2260).

    The columns, their types and the `geo` metadata are those of the file; the WKB is not touched.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is not GeoParquet, or holds no row of one of the provinces.
    """
    table = pq.read_table(path)
    if b"geo" not in (table.schema.metadata or {}):
        raise ValueError(f"{path}: no 'geo' metadata, so not GeoParquet; give the GeoParquet 1.1 file")
    prefix = pc.utf8_slice_codeunits(table["adcode"], 0, 2)
    missing = sorted(set(provinces) - set(pc.unique(prefix).to_pylist()))
    if missing:
        raise ValueError(f"{path}: column adcode: no row of province {', '.join(missing)}")
    return table.filter(pc.is_in(prefix, pa.array(provinces, prefix.type)))


def write_geofile(table: pa.Table, path: Path, key: str) -> None:
    """Write *table* to *path* in the order of its *key*: zstd level 9, one row group, covering bbox.

    The same table gives the same bytes with the same pyarrow. EPSG:4490, lon/lat, as read.
    """
    ordered = table.sort_by(key)
    ordered = ordered.replace_schema_metadata({b"geo": json.dumps(_geo(ordered)).encode()})
    pq.write_table(ordered, path, compression="zstd", compression_level=9, row_group_size=len(ordered))


def _geo(table: pa.Table) -> dict[str, Any]:
    """Return the `geo` metadata of *table* with the bounds and geometry types of the rows it still holds."""
    geo: dict[str, Any] = json.loads(table.schema.metadata[b"geo"])
    geo.pop("creator", None)
    column = geo["columns"][geo["primary_column"]]
    column["bbox"] = _bounds(table)
    shapes = shapely.from_wkb(table[geo["primary_column"]].to_numpy())
    kinds = np.unique(shapely.get_type_id(shapes))
    column["geometry_types"] = sorted(_TYPE_NAMES[int(kind)] for kind in kinds)
    return geo


def _bounds(table: pa.Table) -> list[float]:
    """Return xmin, ymin, xmax, ymax of all rows, from the covering column `bbox`; degrees, lon/lat."""
    edges = (("xmin", pc.min), ("ymin", pc.min), ("xmax", pc.max), ("ymax", pc.max))
    return [float(reduce(pc.struct_field(table["bbox"], name)).as_py()) for name, reduce in edges]


# GeoParquet's names by GEOS type id; the sources hold areas only.
_TYPE_NAMES = {
    int(shapely.GeometryType.POLYGON): "Polygon",
    int(shapely.GeometryType.MULTIPOLYGON): "MultiPolygon",
}
