"""What `--within` and `--area` name: a division by its code, or the polygons of a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import shapely

from guotu.model.crs import MESH_CRS, transform_geometries
from guotu.model.errors import InvalidCrs, InvalidQuestion, TooLarge
from guotu.model.question import MAX_FILTER_BYTES

_POLYGONS = (shapely.GeometryType.POLYGON, shapely.GeometryType.MULTIPOLYGON)


def polygon_of(path: Path, option: str = "--within", limit: int = MAX_FILTER_BYTES) -> bytes:
    """Return the union of a layer's polygons: WKB, EPSG:4490, lon/lat; `option` is what named the file.

    Raises:
        InvalidQuestion: the file cannot be read, holds no polygon, or something else than polygons.
        InvalidCrs: the layer says no CRS, or coordinates cannot be of it.
        TooLarge: the polygon has more bytes than `limit`.
    """
    crs, present = _read(path, option)
    if not len(present) or not np.isin(shapely.get_type_id(present), _POLYGONS).all():
        raise InvalidQuestion(part=option, detail=f"{path}: 须为面图层 a layer of polygons is needed")
    wkb = _joined(path, crs, present)
    if len(wkb) > limit:
        raise TooLarge(what=f"{option} {path}", size=len(wkb), limit=limit)
    return wkb


def shape_of(path: Path, option: str) -> bytes:
    """Return the shapes of a layer, of any kind, as one: WKB, EPSG:4490, lon/lat; `option` is what named the file.

    Raises:
        InvalidQuestion: the file cannot be read, or holds no shape.
        InvalidCrs: the layer says no CRS, or coordinates cannot be of it.
    """
    crs, present = _read(path, option)
    if not len(present):
        raise InvalidQuestion(part=option, detail=f"{path}: 没有图形 there is no shape in it")
    return _joined(path, crs, present)


def _joined(path: Path, crs: str, shapes: np.ndarray[tuple[int], np.dtype[np.object_]]) -> bytes:
    """Return the union of shapes in the mesh's CRS, as WKB."""
    try:
        moved = transform_geometries(shapely.force_2d(shapes), crs, MESH_CRS)
    except ValueError as failure:
        raise InvalidCrs(crs=crs[:80], detail=f"{path}: {failure}") from failure
    return bytes(shapely.to_wkb(shapely.union_all(shapely.make_valid(moved))))


def _read(path: Path, option: str) -> tuple[str, np.ndarray[tuple[int], np.dtype[np.object_]]]:
    """Return the CRS of a layer, and its shapes."""
    import pyogrio.errors
    from pyogrio.raw import read

    try:
        meta, _, wkb, _ = read(path, columns=[])
    except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError) as failure:
        raise InvalidQuestion(part=option, detail=str(failure)) from failure
    if wkb is None:
        raise InvalidQuestion(part=option, detail=f"{path}: 须为面图层 a layer of polygons is needed")
    if not meta["crs"]:
        raise InvalidCrs(crs="-", detail=f"{path}: 没有坐标系 it says none")
    geometries = shapely.from_wkb(wkb)
    return str(meta["crs"]), geometries[~shapely.is_missing(geometries) & ~shapely.is_empty(geometries)]
