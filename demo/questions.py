"""The questions of the demonstration, all asked of the nation."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import shapely

from demo.command_line import command_of
from guotu.model.asking import aggregates, sort_keys
from guotu.model.question import CompletenessMode, Overlay, Query, Question, Selection, Stats
from guotu.model.records import Extent
from guotu.model.zones import zones_of

BORDER = Extent(105.5, 29.5, 106.5, 30.5)
"""A window over the border of 四川 and 重庆; degrees, lon/lat, EPSG:4490."""
NAMED = "江区"
"""How the names of the counties asked for end."""
DIVISION = "510100"
ELSEWHERE = "510700"
LARGEST = 10
_CHENGDU, _RADIUS_DEG = (104.07, 30.67), 1.2


@dataclass(frozen=True, slots=True)
class DemoQuestion:
    """One question with its name in the report and its title on the screen."""

    name: str
    title: str
    question: Question
    polygon: Path | None = None
    """File of the polygon that it asks within, or about."""
    explained: bool = False
    """Asked how it is answered, and answered."""

    @property
    def command(self) -> str:
        """The command line that asks the same."""
        return command_of(self.question, self.polygon, self.explained)

    @property
    def kind(self) -> str:
        """What is asked: "query", "stats", "overlay" or "explain"."""
        if self.explained:
            return "explain"
        return {Query: "query", Stats: "stats", Overlay: "overlay"}[type(self.question)]

    def partial(self, name: str, title: str) -> DemoQuestion:
        """Return the same question under another name, content with a partial answer."""
        options = replace(self.question.options, completeness=CompletenessMode.ALLOW_PARTIAL)
        return replace(self, name=name, title=title, question=replace(self.question, options=options))

    def named(self, name: str, title: str) -> DemoQuestion:
        """Return the same question under another name."""
        return replace(self, name=name, title=title)


def around_chengdu() -> shapely.Polygon:
    """Return a round polygon about 成都; degrees with four decimals, lon/lat, EPSG:4490."""
    circle = shapely.buffer(shapely.Point(_CHENGDU), _RADIUS_DEG, quad_segs=8)
    return shapely.Polygon(np.round(shapely.get_coordinates(circle), 4))


def write_polygon(path: Path) -> Path:
    """Write `around_chengdu` as GeoJSON; return the path."""
    path.write_text(shapely.to_geojson(around_chengdu()) + "\n", encoding="utf-8")
    return path


def classes() -> DemoQuestion:
    """Patches and area of each class of land cover."""
    area = aggregates(True, ("area_m2",), (), (), ())
    question = Stats("landcover", area, ("igbp", "igbp_name"))
    return DemoQuestion("classes", "各类土地的图斑数与面积 patches and area of each class", question)


def provinces() -> DemoQuestion:
    """Patches and area of each class in each province."""
    area = aggregates(True, ("area_m2",), (), (), ())
    question = Stats("landcover", area, ("province", "igbp", "igbp_name"))
    return DemoQuestion("provinces", "各省各类土地的面积 area of each class by province", question)


def named_counties() -> DemoQuestion:
    """Counties by the end of their name."""
    selection = Selection(filter=f"name LIKE '%{NAMED}'")
    question = Query("county", selection, ("adcode", "name", "parent"))
    return DemoQuestion("named", f"名称以“{NAMED}”结尾的区县 counties by name", question)


def border_patches() -> DemoQuestion:
    """Patches in a window over a border, with their shapes."""
    question = Query("landcover", Selection(bbox=BORDER))
    return DemoQuestion("border", "川渝交界处的图斑，含图形 patches at a border, with their shapes", question)


def largest_patches() -> DemoQuestion:
    """The largest patches of all."""
    fields = ("bsm", "adcode", "igbp_name", "area_m2")
    question = Query("landcover", fields=fields, sort=sort_keys(("-area_m2", "bsm")), limit=LARGEST)
    return DemoQuestion("largest", f"面积最大的 {LARGEST} 个图斑 the {LARGEST} largest patches", question)


def division_counties() -> DemoQuestion:
    """Counties of one division: only its owner is asked."""
    question = Query("county", Selection(division=DIVISION), ("adcode", "name", "parent"))
    return DemoQuestion("division", "成都市的区县 counties of one division", question)


def counties_elsewhere() -> DemoQuestion:
    """Counties of a division that has nothing to do with the node that is lost."""
    question = Query("county", Selection(division=ELSEWHERE), ("adcode", "name", "parent"))
    return DemoQuestion("elsewhere", "绵阳市的区县，与断电节点无关 counties of another division", question)


def counties_around(polygon: Path) -> DemoQuestion:
    """Counties within a polygon."""
    selection = Selection(within=shapely.to_wkb(around_chengdu()))
    question = Query("county", selection, ("adcode", "name", "parent"))
    return DemoQuestion("within", "成都周边多边形内的区县 counties within a polygon", question, polygon)


def classes_around(polygon: Path) -> DemoQuestion:
    """What lies within a polygon, of each class: patches cut where its border cuts them."""
    question = Overlay("landcover", zones_of(["1"], np.array([around_chengdu()])), ("igbp", "igbp_name"))
    title = "成都周边多边形内各类土地的面积与占比 area and share of each class within a polygon"
    return DemoQuestion("overlay", title, question, polygon)


def border_explained() -> DemoQuestion:
    """How the question about the border is answered, and what happens."""
    asked = border_patches()
    return replace(asked, name="explain", title="这是怎样回答的 how that is answered", explained=True)
