"""Coordinate reference systems (坐标系): names, transformation of geometries, Arrow metadata.

Coordinates are always x before y (longitude, latitude or easting, northing), whatever order the authority
prescribes: GIS files and GeoArrow store them so, while EPSG gives latitude and northing first for CGCS2000.
"""

import json
import re
from functools import lru_cache, partial
from typing import Any

import numpy as np
import pyarrow as pa
import shapely
from numpy.typing import NDArray
from pyproj import CRS, Transformer
from pyproj.exceptions import CRSError
from pyproj.network import set_network_enabled  # type: ignore[attr-defined]

Objects = NDArray[np.object_]

MESH_CRS = "EPSG:4490"
"""CGCS2000 geographic, the reference system of the mesh (GB 22021-2008 names the datum)."""

_GAUSS_KRUGER = range(4491, 4555)
_MIN_CONFIDENCE = 70


def is_gauss_kruger(epsg: int) -> bool:
    """Tell whether an EPSG code is a CGCS2000 Gauss-Krüger zone (高斯-克吕格分带), 3° or 6°, 4491 to 4554."""
    return epsg in _GAUSS_KRUGER


def gauss_kruger_codes() -> tuple[int, ...]:
    """Return the EPSG codes of all CGCS2000 Gauss-Krüger zones, ascending."""
    return tuple(_GAUSS_KRUGER)


def resolve_crs(text: str) -> CRS:
    """Read a reference system from "EPSG:4547", the bare code "4547", any WKT (as in a .prj) or PROJJSON.

    Raises:
        ValueError: the text is empty or names no known reference system.
    """
    cleaned = text.strip()
    if re.fullmatch(r"\d+", cleaned):
        cleaned = f"EPSG:{cleaned}"
    try:
        return CRS.from_user_input(cleaned)
    except CRSError as error:
        shown = cleaned if len(cleaned) <= 80 else f"{cleaned[:77]}..."
        raise ValueError(
            f"unknown CRS {shown!r}: give an EPSG code such as EPSG:4547, or the WKT of a .prj file"
        ) from error


def authority_code(crs: CRS) -> str | None:
    """Return the code of a reference system, such as "EPSG:4547", or None where no registered one matches.

    The match must be at least 70 % certain in PROJ's scale. Dialects of WKT that hide a match (TOWGS84 terms,
    the axis order of old GDAL files) are normalised to the ESRI dialect, for which PROJ knows all names.
    """
    plain = crs.source_crs if crs.is_bound and crs.source_crs is not None else crs
    match = _match(plain)
    if match is None:
        try:
            match = _match(CRS.from_wkt(plain.to_wkt("WKT1_ESRI")))
        except CRSError:  # not every reference system can be written in that dialect
            return None
    return None if match is None else ":".join(match)


def _match(crs: CRS) -> tuple[str, str] | None:
    epsg: tuple[str, str] | None = crs.to_authority("EPSG", _MIN_CONFIDENCE)
    return epsg or crs.to_authority(min_confidence=_MIN_CONFIDENCE)


def crs_projjson(text: str) -> dict[str, Any]:
    """Return the PROJJSON of a reference system, as GeoArrow and GeoParquet metadata want it.

    Raises:
        ValueError: as `resolve_crs`.
    """
    projjson: dict[str, Any] = resolve_crs(text).to_json_dict()
    return projjson


@lru_cache(maxsize=64)
def geometry_field(name: str, crs: str) -> pa.Field:
    """Return a nullable Arrow field of GeoArrow WKB (geoarrow.wkb) that carries its CRS as PROJJSON.

    Raises:
        ValueError: as `resolve_crs`.
    """
    metadata = {"crs": crs_projjson(crs), "crs_type": "projjson"}
    return pa.field(
        name,
        pa.binary(),
        metadata={
            "ARROW:extension:name": "geoarrow.wkb",
            "ARROW:extension:metadata": json.dumps(metadata, ensure_ascii=False, separators=(",", ":")),
        },
    )


def transform_geometries(geoms: Objects, source: str, target: str) -> Objects:
    """Transform an array of shapely geometries from one reference system to another, x before y in both.

    Missing geometries stay missing. Heights are passed through, measures (M) are dropped.

    Raises:
        ValueError: an unknown reference system, or coordinates that cannot belong to `source`.
    """
    geoms = np.asarray(geoms, dtype=object)
    transformer = _transformer(source, target)
    if transformer is None:
        return geoms
    solid = shapely.has_z(geoms)
    result: Objects = np.empty(geoms.shape, dtype=object)
    move = partial(_move, transformer, source)
    for mask, include_z in ((~solid, False), (solid, True)):
        result[mask] = shapely.transform(geoms[mask], move, include_z=include_z)
    return result


def transform_wkb(array: pa.Array | pa.ChunkedArray, source: str, target: str) -> pa.BinaryArray:
    """Transform WKB geometries (binary, large_binary) to ISO, little-endian WKB in a binary array; null-safe.

    Raises:
        ValueError: as `transform_geometries`, or bytes that are not WKB.
    """
    chunked = pa.chunked_array([array]) if isinstance(array, pa.Array) else array
    try:
        geoms = shapely.from_wkb(chunked.to_numpy())
    except shapely.errors.ShapelyError as error:
        raise ValueError(f"geometry is not valid WKB: {error}") from error
    moved = transform_geometries(geoms, source, target)
    return pa.array(shapely.to_wkb(moved, byte_order=1, flavor="iso"), type=pa.binary())


@lru_cache(maxsize=64)
def _transformer(source: str, target: str) -> Transformer | None:
    """Return the transformer between two reference systems, None where they are one and the same."""
    # Grids must never be fetched from outside, whatever PROJ_NETWORK says in the environment.
    set_network_enabled(active=False)
    start, end = resolve_crs(source), resolve_crs(target)
    if start.equals(end, ignore_axis_order=True):
        return None
    return Transformer.from_crs(start, end, always_xy=True)


def _move(transformer: Transformer, source: str, coordinates: NDArray[np.float64]) -> NDArray[np.float64]:
    x, y = transformer.transform(coordinates[:, 0], coordinates[:, 1])
    if not np.isfinite(x).all() and np.isfinite(coordinates[:, :2]).all():
        raise ValueError(f"coordinates cannot belong to {source}: check the CRS and the axis order")
    return np.column_stack([x, y, *coordinates.T[2:]])
