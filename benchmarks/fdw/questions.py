"""The questions, each for the mesh and in several forms as SQL for the national database."""

from __future__ import annotations

import shapely

from benchmarks.fdw.members import MEMBERS, SRID, TABLE
from benchmarks.fdw.projects import overlaid
from benchmarks.fdw.variant import Variant
from benchmarks.windows import Place, disc
from guotu.model.asking import aggregates, selection, sort_keys
from guotu.model.collection import GEOMETRY, Collection, FieldType
from guotu.model.question import Query, Stats

_WINDOWS = (
    (Place("重庆 Chongqing", 107.40, 29.80), 75.0),
    (Place("贵阳 Guiyang", 106.71, 26.60), 108.0),
    (Place("成都 Chengdu", 103.70, 30.66), 178.0),
    (Place("绵阳 Mianyang", 104.40, 31.20), 178.0),
    (Place("赤水 Chishui, where three provinces meet", 105.90, 28.75), 104.0),
)
"""Windows of about 20,000 of 900,000 parcels, side in km."""
_DISCS = ((106.0, 29.3, 200.0), (105.2, 30.6, 160.0), (107.5, 27.4, 150.0), (104.3, 29.0, 180.0), (107.2, 29.6, 140.0))
"""Centres in degrees, radii in km."""
_CLASSES = ("0101", "0103", "0301", "0702", "1006")
_TOP = 100
_PROJECTS = 3
_COUNTY = 'left("ZLDWDM", 6)'
_AREA = '"TBMJ"'


def variants(collection: Collection, keys: list[str]) -> dict[str, list[Variant]]:
    """Return the variants of each question; `keys` are some keys of each member's parcels."""
    return {
        "retrieve": [_retrieved(collection, place, side) for place, side in _WINDOWS],
        "count": [counted(collection, *circle) for circle in _DISCS],
        "group_by": [grouped(collection, ("county", "DLBM"))],
        "group_by_class": [grouped(collection, ("DLBM",))],
        "overlay": [overlaid(collection, seed) for seed in range(_PROJECTS)],
        "topn": [_largest(collection, land) for land in _CLASSES],
        "point": [looked_up(collection, key) for key in keys],
    }


def _retrieved(collection: Collection, place: Place, side_km: float) -> Variant:
    """All columns of the parcels that meet a window."""
    return window(collection, place.name, place.window(side_km))


def window(collection: Collection, name: str, box: tuple[float, float, float, float]) -> Variant:
    """All columns of the parcels that meet a window, degrees."""
    mesh = Query(collection.id, selection("", box, None, ""))
    meets = f"ST_Intersects({GEOMETRY}, ST_MakeEnvelope($1, $2, $3, $4, {SRID}))"
    return Variant("retrieve", name, mesh, {"plain": f"{_select(collection)} WHERE {meets}"}, box, (collection.key,))


def counted(collection: Collection, lon: float, lat: float, radius_km: float) -> Variant:
    """The number of parcels within a polygon."""
    polygon = disc(lon, lat, radius_km)
    mesh = Stats(collection.id, aggregates(True, [], [], [], []), (), selection("", None, polygon, ""))
    inside = f"ST_Within({GEOMETRY}, ST_GeomFromWKB($1, {SRID}))"
    forms = {
        "plain": f"SELECT count(*) AS count FROM {TABLE} WHERE {inside}",
        "by county first": (
            "SELECT coalesce(sum(n), 0)::bigint AS count FROM "
            f"(SELECT count(*) AS n FROM {TABLE} WHERE {inside} GROUP BY {_COUNTY}) AS parts"
        ),
        "by member": (
            "SELECT sum(n)::bigint AS count FROM "
            f"({_each_member(f'SELECT count(*) AS n FROM {{table}} WHERE {inside}')}) AS parts"
        ),
    }
    return Variant("count", f"{lon},{lat} {radius_km:g} km", mesh, forms, (shapely.to_wkb(polygon),), ())


def grouped(collection: Collection, groups: tuple[str, ...]) -> Variant:
    """Count and exact area by class, and by county, of everything."""
    mesh = Stats(collection.id, aggregates(True, ["TBMJ"], [], [], []), groups)
    keys = f'{_COUNTY} AS county, "DLBM"' if "county" in groups else '"DLBM"'
    names = ", ".join(f'"{name}"' for name in groups)
    places = ", ".join(str(place + 1) for place in range(len(groups)))
    one = f"SELECT {keys}, count(*) AS count, sum({_AREA}) AS area FROM {{table}} GROUP BY {places}"
    again = f'SELECT {names}, sum(count)::bigint AS count, sum(area) AS "sum_TBMJ" FROM ({{parts}}) AS parts'
    by_county = (
        f'SELECT {_COUNTY} AS county, "DLBM", count(*) AS count, sum({_AREA}) AS area FROM {TABLE} GROUP BY 1, 2'
    )
    forms = {
        "plain": f'SELECT {keys}, count(*) AS count, sum({_AREA}) AS "sum_TBMJ" FROM {TABLE} GROUP BY {places}',
        "by member": f"{again.format(parts=_each_member(one))} GROUP BY {places}",
    }
    if "county" not in groups:
        forms["by county first"] = f"{again.format(parts=by_county)} GROUP BY {places}"
    name = "group_by" if "county" in groups else "group_by_class"
    return Variant(name, "全部 everything", mesh, forms, (), groups)


def _largest(collection: Collection, land: str) -> Variant:
    """All columns of the largest parcels of a class."""
    mesh = Query(collection.id, selection(f"DLBM = '{land}'", None, None, ""), sort=sort_keys(["-TBMJ"]), limit=_TOP)
    wanted = f'WHERE "DLBM" = $1 ORDER BY {_AREA} DESC, "{collection.key}" LIMIT {_TOP}'
    each = _each_member(f"(SELECT * FROM {{table}} {wanted})")
    forms = {
        "plain": f"{_select(collection)} {wanted}",
        "by member": f"{_select(collection, f'({each}) AS parts')} {wanted}",
    }
    return Variant("topn", land, mesh, forms, (land,), (collection.key,))


def looked_up(collection: Collection, key: str) -> Variant:
    """All columns of one parcel; its key begins with the code of its county."""
    mesh = Query(collection.id, selection(f"{collection.key} = '{key}'", None, None, ""))
    wanted = f'WHERE "{collection.key}" = $1'
    forms = {
        "plain": f"{_select(collection)} {wanted}",
        "with its county": f"{_select(collection)} {wanted} AND {_COUNTY} = left($1, 6)",
    }
    return Variant("point", key, mesh, forms, (key,), (collection.key,))


def _select(collection: Collection, source: str = TABLE) -> str:
    """Return a selection of all columns with the types in which the mesh answers: decimals as doubles."""
    columns = [
        f'"{field.name}"::double precision AS "{field.name}"' if field.type is FieldType.DECIMAL else f'"{field.name}"'
        for field in collection.fields
    ]
    return f"SELECT {', '.join([*columns, GEOMETRY])} FROM {source}"


def _each_member(statement: str) -> str:
    """Return a statement for each member's own table, and all rows of these."""
    return " UNION ALL ".join(statement.format(table=f"{TABLE}_{member}") for member in MEMBERS)
