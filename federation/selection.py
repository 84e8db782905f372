"""A question's selection, bound to its collection: one expression, one window, one division."""

from __future__ import annotations

from dataclasses import dataclass, replace

import shapely
from shapely.errors import GEOSException
from shapely.geometry.base import BaseGeometry

from federation.filter.bind import bind_filter
from federation.filter.literals import check_geometry, rectangle
from federation.filter.window import tightest, window_of
from guotu.model.collection import Collection
from guotu.model.division import is_division, prefix_of
from guotu.model.errors import InvalidQuestion, TooLarge
from guotu.model.expression import And, Expression, Like, Spatial, SpatialRelation
from guotu.model.question import MAX_FILTER_BYTES, Nearest, Selection
from guotu.model.records import Extent
from guotu.model.surroundings import surroundings


@dataclass(frozen=True, slots=True)
class BoundSelection:
    """What a selection means."""

    expression: Expression | None
    """None if everything is selected."""
    window: BaseGeometry | None
    """Geometry (EPSG:4490, lon/lat) that every selected feature meets; None if there is no such bound."""
    division: str
    """Division that every selected feature lies in; empty if there is no such bound."""


def bind_selection(selection: Selection, collection: Collection) -> BoundSelection:
    """Return what a selection means for a collection.

    Raises:
        InvalidFilter, UnknownField, TooLarge: the filter is not valid.
        InvalidQuestion: bbox, polygon or division are not valid, or the collection cannot be selected by them.
    """
    parts: list[Expression] = []
    if selection.filter.strip():
        parts.append(bind_filter(selection.filter, collection))
    if selection.bbox is not None:
        parts.append(_in_bbox(selection.bbox, collection))
    if selection.within:
        parts.append(_within(selection.within, collection))
    if selection.division:
        parts.extend(_in_division(selection.division, collection))
    expression = None if not parts else parts[0] if len(parts) == 1 else And(tuple(parts))
    return BoundSelection(expression, window_of(expression), selection.division)


def near(selection: BoundSelection, nearest: Nearest) -> BoundSelection:
    """Return a selection whose window tells how far the nearest features may be."""
    if not nearest.within_m:
        return selection
    windows = [surroundings(nearest.wkb, nearest.within_m).outer, selection.window]
    return replace(selection, window=tightest([window for window in windows if window is not None]))


def _require_geometry(part: str, collection: Collection) -> None:
    if not collection.has_geometry:
        raise InvalidQuestion(part=part, detail=f"{collection.id} 没有几何 has no geometry")


def check_selection(selection: Selection, collection: Collection) -> None:
    """Check what can be told of a selection before its boundary is found; raises InvalidQuestion."""
    if selection.bbox is not None:
        _check_bbox(selection.bbox)
    if not selection.boundary:
        return
    if selection.within:
        raise InvalidQuestion(part="boundary", detail="已给出面，只取其一 a polygon is given too; give one of both")
    _require_geometry("boundary", collection)


def _check_bbox(bbox: Extent) -> None:
    in_degrees = (
        -180 <= bbox.xmin <= 180 and -180 <= bbox.xmax <= 180 and -90 <= bbox.ymin <= 90 and -90 <= bbox.ymax <= 90
    )
    if not in_degrees:
        detail = "须为度，经度在前 xmin,ymin,xmax,ymax must be degrees, longitude first (EPSG:4490)"
        raise InvalidQuestion(part="bbox", detail=detail)


def _in_bbox(bbox: Extent, collection: Collection) -> Expression:
    _require_geometry("bbox", collection)
    _check_bbox(bbox)
    try:
        window = rectangle(bbox)
    except ValueError as failure:
        raise InvalidQuestion(part="bbox", detail=str(failure)) from failure
    return Spatial(SpatialRelation.INTERSECTS, bytes(shapely.to_wkb(window, byte_order=1)))


def _within(wkb: bytes, collection: Collection) -> Expression:
    _require_geometry("within", collection)
    if len(wkb) > MAX_FILTER_BYTES:
        raise TooLarge(what="within polygon", size=len(wkb), limit=MAX_FILTER_BYTES)
    try:
        polygon = shapely.from_wkb(wkb)
    except GEOSException as failure:
        raise InvalidQuestion(part="within", detail=f"not WKB: {failure}") from failure
    if polygon is not None and polygon.geom_type not in ("Polygon", "MultiPolygon"):
        raise InvalidQuestion(part="within", detail=f"须为面 a polygon is needed, not a {polygon.geom_type}")
    return Spatial(SpatialRelation.WITHIN, check_geometry(polygon, "within"))


def _in_division(division: str, collection: Collection) -> list[Expression]:
    if not is_division(division):
        detail = f"{division!r} 不是六位区划代码 is not a GB/T 2260 code of six digits"
        raise InvalidQuestion(part="division", detail=detail)
    if not collection.division_field:
        detail = f"{collection.id} 没有区划字段 has no division field; 请用 use bbox, within"
        raise InvalidQuestion(part="division", detail=detail)
    prefix = prefix_of(division)
    return [Like(collection.division_field, f"{prefix}%")] if prefix else []
