"""Literals of a filter, bound to the type of the field that they are compared with."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import shapely
from shapely.errors import GEOSException
from shapely.geometry.base import BaseGeometry

from guotu.model.collection import Field, FieldType
from guotu.model.errors import InvalidFilter
from guotu.model.expression import Scalar

_EXACT_INTEGERS = 2**53


def bind_literal(field: Field, value: Any, where: str) -> Scalar:
    """Return `value` as a literal of the field's type.

    Raises:
        InvalidFilter: it has another type.
    """
    match field.type:
        case FieldType.TEXT if isinstance(value, str):
            return value
        case FieldType.BOOLEAN if isinstance(value, bool):
            return value
        case FieldType.DATE if isinstance(value, dict | str):
            return _date(field, value, where)
        case FieldType.INTEGER | FieldType.DECIMAL | FieldType.DOUBLE if _is_number(value):
            return _number(value, where)
    needed = {FieldType.TEXT: "text in single quotes", FieldType.DATE: "DATE('yyyy-mm-dd')"}.get(
        field.type, "true or false" if field.type is FieldType.BOOLEAN else "a number"
    )
    raise InvalidFilter(
        where=where, detail=f"{field.name} is {field.type} and is compared with {value!r}; {needed} is needed"
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _number(value: float, where: str) -> int | float:
    """Whole numbers become integers; the text parser has read them as doubles."""
    if isinstance(value, float) and value.is_integer():
        if abs(value) >= _EXACT_INTEGERS:
            raise InvalidFilter(where=where, detail="a number of more than 15 digits cannot be told exactly")
        return int(value)
    if value != value or value in (float("inf"), float("-inf")):
        raise InvalidFilter(where=where, detail="not a finite number")
    return value


def _date(field: Field, value: Any, where: str) -> date:
    text = value.get("date") or value.get("timestamp", "") if isinstance(value, dict) else value
    try:
        return date.fromisoformat(str(text)[:10])
    except ValueError as failure:
        raise InvalidFilter(where=where, detail=f"{field.name} is a date and {text!r} is none") from failure


def bind_geometry(value: Any, where: str) -> bytes:
    """Return a GeoJSON geometry or {"bbox": [xmin, ymin, xmax, ymax]} as WKB (EPSG:4490, lon/lat).

    Raises:
        InvalidFilter: it is no geometry, broken, empty or not in degrees.
    """
    try:
        if isinstance(value, dict) and "bbox" in value:
            corners = [float(number) for number in value["bbox"]]
            geometry: BaseGeometry = _box(corners)
        else:
            geometry = shapely.from_geojson(json.dumps(value))
    except (GEOSException, TypeError, ValueError, IndexError) as failure:
        raise InvalidFilter(where=where, detail=f"not a geometry: {failure}") from failure
    return check_geometry(geometry, where)


def _box(corners: list[float]) -> BaseGeometry:
    """Return the rectangle of 4 numbers, or of 6 with heights."""
    xmin, ymin, xmax, ymax = corners if len(corners) == 4 else (corners[0], corners[1], corners[3], corners[4])
    return shapely.box(xmin, ymin, xmax, ymax)


def check_geometry(geometry: BaseGeometry | None, where: str) -> bytes:
    """Return the WKB of a usable literal.

    Raises:
        InvalidFilter: it is missing, empty, broken or not in degrees.
    """
    if geometry is None or geometry.is_empty:
        raise InvalidFilter(where=where, detail="the geometry is empty")
    if not shapely.is_valid(geometry):
        raise InvalidFilter(where=where, detail=f"the geometry is broken: {shapely.is_valid_reason(geometry)}")
    xmin, ymin, xmax, ymax = geometry.bounds
    if not (-180 <= xmin <= xmax <= 180 and -90 <= ymin <= ymax <= 90):
        raise InvalidFilter(where=where, detail="coordinates must be degrees, longitude first (EPSG:4490)")
    return bytes(shapely.to_wkb(geometry, byte_order=1, include_srid=False))
