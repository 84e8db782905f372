"""Zones drawn by hand: WKT or GeoJSON, as text or in a file, as a person at a terminal or a portal gives them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import shapely

from guotu.model.crs import MESH_CRS, transform_geometries
from guotu.model.zones import MAX_ZONE_BYTES

Named = tuple[str | None, shapely.Geometry | None]
"""A name, None if there is to be a number, and a shape; None for one that is missing or cannot be read."""
_NAMED = re.compile(r"([^=({\[\"@]+)=(.*)", re.DOTALL)
_NAMES = ("name", "名称", "NAME", "Name")


@dataclass(frozen=True, slots=True)
class Drawn:
    """One `--zone` as given: `[NAME=]WKT`, `[NAME=]GEOJSON` or `[NAME=]@FILE` with such a text."""

    text: str
    crs: str
    """Of texts that name none; empty for EPSG:4490. Longitude or easting first."""

    def zones(self) -> list[Named]:
        """Return the zones; the features of a GeoJSON collection are one each, named by `name` or `名称`.

        Raises:
            ValueError: the text cannot be read, or coordinates cannot be of the CRS; told in both languages.
        """
        named = _NAMED.fullmatch(self.text)
        name, text = (named[1].strip(), named[2]) if named else (None, self.text)
        text = _content(Path(text[1:])) if text.startswith("@") else text
        found: list[Named] = _from_json(text) if text.lstrip().startswith("{") else [(None, _from_wkt(text))]
        if name is not None:
            found = [(name if len(found) == 1 else f"{name} {number}", shape) for number, (_, shape) in _counted(found)]
        crs = self.crs or _stated_crs(text)
        if not crs:
            return found
        shapes = transform_geometries(np.array([shape for _, shape in found], object), crs, MESH_CRS)
        return [(known, shape) for (known, _), shape in zip(found, shapes, strict=True)]


def _counted(found: list[Named]) -> Iterator[tuple[int, Named]]:
    return enumerate(found, start=1)


def _content(path: Path) -> str:
    try:
        if path.stat().st_size > MAX_ZONE_BYTES:
            raise ValueError(f"{path}: 过大，上限 too large, the limit is {MAX_ZONE_BYTES >> 20} MiB")
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as failure:
        raise ValueError(f"{path}: {failure}") from failure


def _from_wkt(text: str) -> shapely.Geometry:
    try:
        return shapely.from_wkt(text.strip())
    except shapely.errors.GEOSException as failure:
        raise ValueError(f"{text.strip()[:60]!r}: 不是 WKT 或 GeoJSON neither WKT nor GeoJSON: {failure}") from failure


def _from_json(text: str) -> list[Named]:
    try:
        document: Any = json.loads(text)
        return list(_features(document))
    except (ValueError, TypeError, RecursionError, shapely.errors.GEOSException) as failure:
        raise ValueError(f"{text.strip()[:60]!r}: GeoJSON 有误 not valid GeoJSON: {failure}") from failure


def _features(document: Any) -> Iterator[Named]:
    if not isinstance(document, Mapping):
        raise ValueError("an object is needed")
    if document.get("type") == "FeatureCollection":
        for feature in document.get("features") or ():
            yield from _features(feature)
    elif document.get("type") == "Feature":
        shape = document.get("geometry")
        yield _name_of(document), None if shape is None else shapely.from_geojson(json.dumps(shape))
    else:
        yield None, shapely.from_geojson(json.dumps(document))


def _name_of(feature: Mapping[str, Any]) -> str | None:
    properties = feature.get("properties") or {}
    named = next((properties[key] for key in _NAMES if properties.get(key) is not None), feature.get("id"))
    return None if named is None else str(named)


def _stated_crs(text: str) -> str:
    """Return what the older form of GeoJSON says of its CRS; empty where nothing is said."""
    stated = re.search(r'"crs"\s*:\s*\{[^{}]*\{[^{}]*"name"\s*:\s*"([^"]+)"', text)
    if stated is None or "CRS84" in stated[1]:
        return ""
    return stated[1]
