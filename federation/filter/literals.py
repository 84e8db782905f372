"""Literals of a filter, bound to the type of the field that they are compared with."""

from __future__ import annotations

import json
import math
import re
from datetime import date
from typing import Any

import shapely
from shapely.errors import GEOSException
from shapely.geometry.base import BaseGeometry

from guotu.model.collection import Field, FieldType
from guotu.model.errors import InvalidFilter
from guotu.model.expression import Scalar
from guotu.model.records import Extent

_EXACT_INTEGERS = 2**53
_INT64 = 2**63
_DAY = re.compile(r"(\d{4}-\d{2}-\d{2})(?:T00:00(?::00(?:\.0*)?)?Z?)?")
"""A day, or its first moment: fields are dates, and any other moment would compare wrongly with them."""


def bind_literal(field: Field, value: Any, where: str) -> Scalar:
    """Return `value` as a literal of the field's type.

    Raises:
        InvalidFilter: it has another type.
    """
    match field.type:
        case FieldType.TEXT if isinstance(value, str):
            return bind_text(value, where)
        case FieldType.BOOLEAN if isinstance(value, bool):
            return value
        case FieldType.DATE if isinstance(value, dict | str):
            return _date(field, value, where)
        case FieldType.INTEGER | FieldType.DECIMAL | FieldType.DOUBLE if _is_number(value):
            return _number(field, value, where)
    needed = {FieldType.TEXT: "单引号内的文本 text in single quotes", FieldType.DATE: "DATE('yyyy-mm-dd')"}.get(
        field.type, "真或假 true or false" if field.type is FieldType.BOOLEAN else "数值 a number"
    )
    detail = f"类型不符 {field.name} is {field.type} and is compared with {shown(value)}; 须为 {needed} is needed"
    raise InvalidFilter(where=where, detail=detail)


def bind_text(value: str, where: str) -> str:
    """Return a text that every store takes.

    Raises:
        InvalidFilter: it holds the character NUL.
    """
    if "\0" in value:
        raise InvalidFilter(where=where, detail="文本不能含 NUL 字符 a text cannot hold the character NUL")
    return value


def shown(value: Any) -> str:
    """Return a literal or a part of the tree for a message, short."""
    try:
        return json.dumps(value, ensure_ascii=False, default=str)[:60]
    except RecursionError:
        return "something nested"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _number(field: Field, value: float, where: str) -> int | float:
    """Whole numbers become integers, so that 5 and 5.0 are one."""
    if isinstance(value, int):
        if not -_INT64 <= value < _INT64:
            raise InvalidFilter(where=where, detail="数值超过 64 位 a number of more than 64 bits")
        return value
    if not math.isfinite(value):
        raise InvalidFilter(where=where, detail="不是有限数 not a finite number")
    if value.is_integer() and abs(value) < _EXACT_INTEGERS:
        return int(value)
    if value.is_integer() and field.type is FieldType.INTEGER:
        raise InvalidFilter(
            where=where,
            detail="超过 2^53 的整数不能带小数点或指数 whole numbers beyond 2^53 must have no point and no exponent",
        )
    return value


def _date(field: Field, value: Any, where: str) -> date:
    text = value.get("date", value.get("timestamp")) if isinstance(value, dict) else value
    day = _DAY.fullmatch(text) if isinstance(text, str) else None
    try:
        if day is not None:
            return date.fromisoformat(day[1])
    except ValueError:
        pass
    compared = shown(text or value)
    detail = f"日期字段 {field.name} is a date and is compared with {compared}; 须为 DATE('yyyy-mm-dd') is needed"
    raise InvalidFilter(where=where, detail=detail)


def bind_geometry(value: Any, where: str) -> bytes:
    """Return a geometry, as shapely's, GeoJSON or {"bbox": [xmin, ymin, xmax, ymax]}, as WKB (EPSG:4490, lon/lat).

    Raises:
        InvalidFilter: it is no geometry, broken, empty or not in degrees.
    """
    if isinstance(value, BaseGeometry):
        return check_geometry(value, where)
    try:
        if isinstance(value, dict) and isinstance(value.get("bbox"), list):
            geometry = _box([float(number) for number in value["bbox"]])
        else:
            geometry = shapely.from_geojson(json.dumps(value))
    except (GEOSException, TypeError, ValueError, RecursionError) as failure:
        raise InvalidFilter(where=where, detail=f"不是几何 not a geometry: {failure}") from failure
    return check_geometry(geometry, where)


def _box(corners: list[float]) -> BaseGeometry:
    """Return the rectangle of 4 numbers, or of 6 with heights."""
    if len(corners) not in (4, 6):
        raise ValueError("矩形须有四个数，带高程为六个 a box has four numbers, or six with heights")
    top = len(corners) // 2
    return rectangle(Extent(corners[0], corners[1], corners[top], corners[top + 1]))


def rectangle(extent: Extent) -> BaseGeometry:
    """Return a rectangle (EPSG:4490, lon/lat); a point or a line if it has no width or height.

    Raises:
        ValueError: a minimum is above its maximum, or a number is NaN.
    """
    if not (extent.xmin <= extent.xmax and extent.ymin <= extent.ymax):
        raise ValueError("须 xmin <= xmax 且 ymin <= ymax: xmin <= xmax and ymin <= ymax are needed")
    low, high = (extent.xmin, extent.ymin), (extent.xmax, extent.ymax)
    if low == high:
        return shapely.Point(low)
    if extent.xmin == extent.xmax or extent.ymin == extent.ymax:
        return shapely.LineString([low, high])
    return shapely.box(*low, *high)


def check_geometry(geometry: BaseGeometry | None, where: str) -> bytes:
    """Return the WKB of a usable literal, without heights: relations are of the plane.

    Raises:
        InvalidFilter: it is missing, empty, broken or not in degrees.
    """
    if geometry is None or geometry.is_empty:
        raise InvalidFilter(where=where, detail="几何为空 the geometry is empty")
    if not shapely.is_valid(geometry):
        raise InvalidFilter(where=where, detail=f"几何无效 the geometry is broken: {shapely.is_valid_reason(geometry)}")
    xmin, ymin, xmax, ymax = geometry.bounds
    if not (-180 <= xmin <= xmax <= 180 and -90 <= ymin <= ymax <= 90):
        raise InvalidFilter(
            where=where, detail="坐标须为度，先经后纬 coordinates must be degrees, longitude first (EPSG:4490)"
        )
    return bytes(shapely.to_wkb(shapely.force_2d(geometry), byte_order=1, include_srid=False))
