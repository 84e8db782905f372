"""Projects: polygons whose land classes and areas are asked for, and SQL that lays parcels over them."""

from __future__ import annotations

import numpy as np
import shapely
from numpy.typing import NDArray

from benchmarks.fdw.members import MEMBERS, SRID, TABLE
from benchmarks.fdw.variant import Variant
from guotu.model.collection import GEOMETRY, Collection
from guotu.model.question import Overlay
from guotu.model.zones import ZONE, zones_of

_COUNT = 50
_WHERE = (104.3, 27.2, 108.0, 31.0)
"""Where their centres lie: xmin, ymin, xmax, ymax, degrees; all within the three provinces."""
_RADIUS_DEG = (0.03, 0.18)
_CORNERS = 40
_LEAST_M2 = 0.00005
"""What two polygons have in common counts from here, as in guotu."""
ZONES = "zones"
"""Table at each member into which projects are written for a while."""
_AT_MEMBERS = "projects at the members"
_GIVEN = "unnest($1::text[], $2::bytea[]) AS given(name, wkb)"
_ZONE = f"(SELECT name, ST_GeomFromWKB(wkb, {SRID}) AS area FROM {_GIVEN}) AS zone"
_MEETS = f"ST_Intersects(parcel.{GEOMETRY}, zone.area)"
_PART = (
    f'CASE WHEN ST_CoveredBy(parcel.{GEOMETRY}, zone.area) THEN parcel."TBMJ"::double precision '
    f"ELSE ST_Area(ST_Intersection(parcel.{GEOMETRY}, zone.area)::geography) END"
)
"""A parcel within a project counts with the ellipsoidal area that its owner computed once; only others are cut."""


def overlaid(collection: Collection, seed: int) -> Variant:
    """Parcels and areas by class in each of 50 projects."""
    names, shapes = [f"{number:02d}" for number in range(_COUNT)], projects(seed)
    mesh = Overlay(collection.id, zones_of(names, shapes), ("DLBM",), shares=False)
    parameters = (names, [shapely.to_wkb(shape) for shape in shapes])
    key, name = (ZONE, "DLBM"), f"{_COUNT} projects, {seed}"
    return Variant("overlay", name, mesh, _forms(), parameters, key, {_AT_MEMBERS: _given_to_members()}, ("area_m2",))


def _forms() -> dict[str, str]:
    """Return three ways to ask.

    The parcels that meet a project are fetched and cut at the national database; or each project's classes are asked
    for at the members; or the projects are given to the members, which join them.
    """
    pairs = f'SELECT zone.name, parcel."DLBM", {_PART} AS common FROM'
    at_member = f"{pairs} {TABLE}_{{member}} AS parcel JOIN {ZONES}_{{member}} AS zone ON {_MEETS}"
    parts = " UNION ALL ".join(
        f'SELECT name, "DLBM", count(*) AS n, sum(common) AS m2 FROM ({at_member.format(member=member)}) AS pairs '
        f"WHERE common >= {_LEAST_M2} GROUP BY 1, 2"
        for member in MEMBERS
    )
    classes = (
        f'SELECT "DLBM", count(*) AS n, sum({_PART}) AS m2 FROM {TABLE} AS parcel '
        f'WHERE {_MEETS} AND {_PART} >= {_LEAST_M2} GROUP BY left("ZLDWDM", 6), "DLBM"'
    )
    total = "sum(n)::bigint AS count, sum(m2)::numeric(38, 4) AS area_m2"
    return {
        "parcels fetched": (
            'SELECT name AS zone, "DLBM", count(*) AS count, sum(common)::numeric(38, 4) AS area_m2 '
            f"FROM ({pairs} {_ZONE} JOIN {TABLE} AS parcel ON {_MEETS}) AS pairs "
            f"WHERE common >= {_LEAST_M2} GROUP BY 1, 2"
        ),
        "by project": (
            f'SELECT zone.name AS zone, "DLBM", {total} FROM {_ZONE} CROSS JOIN LATERAL ({classes}) AS groups '
            "GROUP BY 1, 2"
        ),
        _AT_MEMBERS: f'SELECT name AS zone, "DLBM", {total} FROM ({parts}) AS parts GROUP BY 1, 2',
    }


def _given_to_members() -> tuple[str, ...]:
    """Return the statements that write the projects into a table at each member."""
    tables = [f"{ZONES}_{member}" for member in MEMBERS]
    rows = f"SELECT name, ST_GeomFromWKB(wkb, {SRID}) FROM {_GIVEN}"
    return (f"TRUNCATE {', '.join(tables)}", *(f"INSERT INTO {table} {rows}" for table in tables))


def projects(seed: int) -> NDArray[np.object_]:
    """Return 50 star-shaped polygons, EPSG:4490 lon/lat, 3 to 18 km in radius; the same for the same seed."""
    luck = np.random.default_rng([seed, 50])
    made = []
    for _ in range(_COUNT):
        xmin, ymin, xmax, ymax = _WHERE
        x, y = luck.uniform(xmin, xmax), luck.uniform(ymin, ymax)
        radius = luck.uniform(*_RADIUS_DEG) * luck.uniform(0.7, 1.0, _CORNERS)
        angle = np.linspace(0, 2 * np.pi, _CORNERS, endpoint=False)
        made.append(shapely.Polygon(np.stack([x + radius * np.cos(angle), y + radius * np.sin(angle)], axis=1)))
    return np.array(made, object)
