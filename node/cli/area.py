"""What `--area` names: a division, as the mesh draws its counties, or the polygons of a file."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import shapely

from guotu.client import Client
from guotu.model.division import contains, is_division
from guotu.model.errors import Incomplete, InvalidQuestion, NotFound, TooLarge
from guotu.wire.subscriptions import MAX_AREA_BYTES
from node.cli.within import polygon_of
from registry.gazetteer import Gazetteer

COUNTIES = "county"
"""Collection that divisions are drawn from."""
_OPTION = "--area"
_SHOWN = 8
_REMEDY = (
    f"请给出面图层文件，或用 --node 改问一个持有 {COUNTIES} 图层的上级节点 "
    f"name a file of polygons, or with --node a node that reaches the collection {COUNTIES} of this division"
)


@dataclass(frozen=True, slots=True)
class NamedArea:
    """A polygon and what it is called."""

    wkb: bytes
    """WKB, EPSG:4490, lon/lat."""
    name: str


def area_of(text: str, mesh: Client) -> NamedArea:
    """Return the area that a division code or a file names; `mesh` is asked for a division's counties.

    Raises:
        InvalidQuestion: the file cannot be read or is no layer of polygons, or the mesh does not have every county.
        InvalidCrs: the file's layer says no CRS, or coordinates cannot be of it.
        TooLarge: the polygon is over the limit of a subscription.
        NodeUnavailable, DeadlineExceeded: the mesh does not answer.
    """
    if not is_division(text):
        drawn = shapely.from_wkb(polygon_of(Path(text), _OPTION, MAX_AREA_BYTES))
        return NamedArea(_encoded(text, [drawn]), Path(text).name)
    gazetteer = Gazetteer.load()
    return NamedArea(_division(text, mesh, gazetteer), f"{text} {gazetteer.name(text)}")


def _division(code: str, mesh: Client, gazetteer: Gazetteer) -> bytes:
    """Return the union of a division's counties; every one that the gazetteer knows must be there."""
    try:
        counties = mesh.query(COUNTIES, division=code, fields=("adcode", "geometry")).table()
    except (NotFound, Incomplete) as failure:
        detail = f"{code}: {failure.chinese} {failure.english} {_REMEDY}"
        raise InvalidQuestion(part=_OPTION, detail=detail) from failure
    lacking = sorted(_counties(code, gazetteer) - set(counties["adcode"].to_pylist()))
    if lacking:
        names = ", ".join(f"{item} {gazetteer.name(item)}" for item in lacking[:_SHOWN])
        more = f" … +{len(lacking) - _SHOWN}" if len(lacking) > _SHOWN else ""
        detail = f"{code}: 所问节点缺县界 the node asked lacks the bounds of: {names}{more}; {_REMEDY}"
        raise InvalidQuestion(part=_OPTION, detail=detail)
    return _encoded(code, shapely.make_valid(shapely.from_wkb(counties["geometry"].to_numpy())))


def _counties(code: str, gazetteer: Gazetteer) -> set[str]:
    """Return the lowest divisions at or below a code; the code itself if the gazetteer does not know it."""
    below = gazetteer.children(code)
    if not below:
        return {code}
    return {lowest for entry in below for lowest in _counties(entry.code, gazetteer) if contains(code, lowest)}


def _encoded(name: str, shapes: Iterable[shapely.Geometry]) -> bytes:
    """Return the polygons of the shapes' union as WKB; lines that a repair has left are dropped."""
    parts = shapely.get_parts(shapely.union_all(list(shapes)))
    wkb: bytes = shapely.to_wkb(shapely.union_all(parts[shapely.get_dimensions(parts) == 2]))
    if len(wkb) > MAX_AREA_BYTES:
        raise TooLarge(what=f"{_OPTION} {name}", size=len(wkb), limit=MAX_AREA_BYTES)
    return wkb
