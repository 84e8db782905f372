"""The place that features shall be near of: two numbers, a WKT text, or the shapes of a file."""

from __future__ import annotations

from pathlib import Path

import shapely

from guotu.model.errors import InvalidQuestion

_PART = "PLACE"


def place_of(words: tuple[str, ...]) -> bytes:
    """Return a place as WKB, EPSG:4490, lon/lat: of longitude and latitude, a WKT text, or the name of a file.

    Raises:
        InvalidQuestion: it is none of these, empty, or not in degrees, longitude first.
        InvalidCrs: the file says no CRS, or coordinates cannot be of it.
    """
    wkb = _wkb_of(words)
    west, south, east, north = shapely.bounds(shapely.from_wkb(wkb)).tolist()
    if not (-180 <= west <= east <= 180 and -90 <= south <= north <= 90):
        detail = "须为度，经度在前（EPSG:4490），且不空 degrees are needed, longitude first (EPSG:4490), and not none"
        raise InvalidQuestion(part=_PART, detail=detail)
    return wkb


def _wkb_of(words: tuple[str, ...]) -> bytes:
    if len(words) == 2:
        return bytes(shapely.to_wkb(shapely.Point(*(_degrees(word) for word in words)), byte_order=1))
    if len(words) != 1:
        detail = "须为 LON LAT、WKT 或文件 LON LAT, a WKT text or a file is needed"
        raise InvalidQuestion(part=_PART, detail=detail)
    (word,) = words
    if Path(word).exists():
        from node.cli.within import shape_of

        return shape_of(Path(word), _PART)
    try:
        return bytes(shapely.to_wkb(shapely.from_wkt(word), byte_order=1))
    except shapely.errors.ShapelyError as failure:
        detail = f"{word[:80]!r} 既非文件也非 WKT is neither a file nor WKT: {failure}"
        raise InvalidQuestion(part=_PART, detail=detail) from failure


def _degrees(word: str) -> float:
    try:
        return float(word)
    except ValueError as failure:
        raise InvalidQuestion(part=_PART, detail=f"{word[:40]!r} 不是数 is no number") from failure
