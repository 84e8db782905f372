"""GeoParquet 1.1: the metadata and the covering column of a file of features.

Source: GeoParquet 1.1.0, "Metadata" and "Bounding Box Columns" (OGC, geoparquet.org).
"""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import shapely
from numpy.typing import NDArray

from guotu.model.collection import GEOMETRY
from guotu.model.crs import MESH_CRS, crs_projjson
from guotu.model.records import Extent
from sync.rowhash import Objects

BBOX = "bbox"
CORNERS = ("xmin", "ymin", "xmax", "ymax")
_TYPE = pa.struct([pa.field(name, pa.float64(), nullable=False) for name in CORNERS])
_NAMES = (
    "Point", "LineString", "LinearRing", "Polygon", "MultiPoint", "MultiLineString", "MultiPolygon",
    "GeometryCollection",
)  # fmt: skip


def with_bbox(schema: pa.Schema) -> pa.Schema:
    """Return a schema of features with the covering column, struct<xmin, ymin, xmax, ymax: double>, at its end."""
    return schema.append(pa.field(BBOX, _TYPE))


def bbox_column(bounds: NDArray[np.float64]) -> pa.StructArray:
    """Return boxes of shape (n, 4), degrees, as the covering column; null where a geometry is empty or missing."""
    missing = np.asarray(np.isnan(bounds).any(axis=1))
    solid = np.where(missing[:, None], 0.0, bounds)
    columns = [pa.array(np.ascontiguousarray(solid[:, corner])) for corner in range(4)]
    return pa.StructArray.from_arrays(columns, fields=list(_TYPE), mask=pa.array(missing))


def geometry_types(geometries: Objects) -> set[str]:
    """Return the names of the types present, with " Z" for those with heights."""
    present = geometries[~shapely.is_missing(geometries)]
    codes = np.unique(shapely.get_type_id(present) * 2 + shapely.has_z(present))
    return {_NAMES[code // 2] + (" Z" if code % 2 else "") for code in codes.tolist()}


def geo_metadata(types: set[str], extent: Extent | None) -> bytes:
    """Return the value of the file's "geo" key: one geometry column, WKB, in EPSG:4490."""
    column: dict[str, object] = {
        "encoding": "WKB",
        "geometry_types": sorted(types),
        "crs": crs_projjson(MESH_CRS),
        "edges": "planar",
        "covering": {"bbox": {corner: [BBOX, corner] for corner in CORNERS}},
    }
    if extent is not None:
        column["bbox"] = [extent.xmin, extent.ymin, extent.xmax, extent.ymax]
    document = {"version": "1.1.0", "primary_column": GEOMETRY, "columns": {GEOMETRY: column}}
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
