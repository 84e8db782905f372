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
    return None if projjson is None else _code(projjson)


def require_crs(found: str | dict[str, Any] | None, schema: pa.Schema) -> None:
    """Compare the CRS that a file states, as a code or PROJJSON, with that of the geometry column.

    Only those that have a code are compared: of others there are many texts for one.

    Raises:
        ValueError: it is another.
    """
    wanted = geometry_crs_code(schema)
    stated = _code(found) if isinstance(found, dict) else found
    if wanted is not None and wanted.startswith("EPSG:") and stated != wanted:
        raise ValueError(f"坐标系不符 another CRS: {stated}")


def _code(projjson: dict[str, Any]) -> str:
    crs = resolve_crs(json.dumps(projjson))
    wkt: str = crs.to_wkt()
    return authority_code(crs) or wkt
