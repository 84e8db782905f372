"""The CRS that an answer's geometry column carries."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa

from guotu.model.collection import GEOMETRY
from guotu.model.crs import authority_code, resolve_crs


def geometry_crs(schema: pa.Schema) -> dict[str, Any] | None:
    """Return the PROJJSON of the geometry column; None if there is no such column or it names no CRS."""
    if GEOMETRY not in schema.names:
        return None
    metadata = schema.field(GEOMETRY).metadata or {}
    extension = json.loads(metadata.get(b"ARROW:extension:metadata", b"{}"))
    found = extension.get("crs")
    return found if isinstance(found, dict) else None


def geometry_crs_code(schema: pa.Schema) -> str | None:
    """Return the CRS of the geometry column as "EPSG:4490", or as WKT where it has no code; None as above."""
    projjson = geometry_crs(schema)
    if projjson is None:
        return None
    crs = resolve_crs(json.dumps(projjson))
    wkt: str = crs.to_wkt()
    return authority_code(crs) or wkt
