"""The zones that parcels are laid over, and how near two answers have to be."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import shapely
from numpy.typing import NDArray

from benchmarks.agreement import Disagreement, require_same
from benchmarks.fdw.members import SRID, TABLE
from benchmarks.fdw.projects import projects
from benchmarks.fdw.variant import Variant
from guotu.model.area import ellipsoidal_area_m2
from guotu.model.collection import GEOMETRY, Collection
from guotu.model.question import LayerOverlay, Overlay
from guotu.model.zones import ZONE, Zones, zones_of

PLAIN, STRAIGHT = "plain", "straight edges"
_EDGE_DEG = 0.0005
"""Longest edge of what areas are compared by, about 50 m: engines take an edge as a geodesic, the survey as straight in
degrees, which is the same to a tenth of a millimetre then. Of an edge of some km it is many square metres."""
_LEAST_M2 = 0.00005
"""What two polygons have in common counts from here, as in guotu."""
_PPM, _LEAST_DIFFERENCE_M2 = 1e-6, 0.02
_REGION_POINTS = 2000
_KEY = (ZONE, "DLBM")


@dataclass(frozen=True, slots=True)
class ZoneSet:
    """One set of zones, and the question about it, for all sides."""

    name: str
    question: Overlay
    duckdb_sql: str
    duckdb_cuts_sql: str
    """Every pair: `zone`, `DLBM`, `area_m2` of a parcel that lies within, else `cut` (WKB): to compare areas by."""
    postgis: Variant
    """In two forms: as it is measured, and with areas whose edges are straight in degrees, to compare by."""


def zone_sets(collection: Collection, seed: int) -> Iterator[ZoneSet]:
    """Yield 50 projects of 3 to 18 km, 2,000 plots of 200 to 800 m, and one region of 150 km with a rough outline."""
    yield _zone_set(collection, "projects", projects(seed))
    yield _zone_set(collection, "plots", _plots(seed))
    yield _zone_set(collection, "region", _region(seed))


def _plots(seed: int) -> NDArray[np.object_]:
    luck = np.random.default_rng([seed, 51])
    centres = luck.uniform((104.3, 27.2), (108.0, 31.0), (2000, 2))
    return np.asarray(shapely.buffer(shapely.points(centres), luck.uniform(0.001, 0.004, 2000), quad_segs=5))


def _region(seed: int) -> NDArray[np.object_]:
    angle = np.linspace(0, 2 * np.pi, _REGION_POINTS, endpoint=False)
    radius = 0.7 + 0.02 * np.random.default_rng([seed, 52]).random(_REGION_POINTS)
    ring = np.stack([106.2 + radius * np.cos(angle), 29.2 + radius * np.sin(angle)], axis=1)
    return np.array([shapely.Polygon(ring)], object)


def _zone_set(collection: Collection, name: str, shapes: NDArray[np.object_]) -> ZoneSet:
    zones = zones_of([f"{number:04d}" for number in range(len(shapes))], shapes)
    question = Overlay(collection.id, zones, ("DLBM",), shares=False)
    return ZoneSet(name, question, duckdb_sums(), duckdb_cuts(), _postgis(name, question, zones))


_COVERED = f"ST_CoveredBy(parcel.{GEOMETRY}, zones.area)"
_CUT = f"ST_Intersection(parcel.{GEOMETRY}, zones.area)"
_PAIRS = f"{TABLE} AS parcel JOIN zones ON ST_Intersects(parcel.{GEOMETRY}, zones.area)"


def duckdb_sums() -> str:
    """Return the sums: parcels that lie within count with the area that was computed once; others are cut."""
    part = f"CASE WHEN {_COVERED} THEN parcel.TBMJ::DOUBLE ELSE ST_Area_Spheroid({_CUT}) END"
    pairs = f"SELECT zones.name AS zone, parcel.DLBM, {part} AS common FROM {_PAIRS}"
    return f"SELECT zone, DLBM, {_sums()} FROM ({pairs}) WHERE common >= {_LEAST_M2} GROUP BY 1, 2"


def duckdb_cuts() -> str:
    """Return every pair: `zone`, `DLBM`, `area_m2` of a parcel that lies within, else `cut` (WKB)."""
    within = f"CASE WHEN {_COVERED} THEN parcel.TBMJ::DOUBLE END AS area_m2"
    return (
        f"SELECT zones.name AS zone, parcel.DLBM, {within}, "
        f"CASE WHEN {_COVERED} THEN NULL ELSE ST_AsWKB({_CUT}) END AS cut FROM {_PAIRS}"
    )


def summed(pairs: pa.Table) -> pa.Table:
    """Return the answer that DuckDB's pairs make, what it cut measured by the survey's formula."""
    crossing = pc.is_valid(pairs["cut"]).to_numpy()
    areas = pc.fill_null(pairs["area_m2"], 0.0).to_numpy().copy()
    areas[crossing] = ellipsoidal_area_m2(shapely.from_wkb(pairs["cut"].drop_null().to_numpy(zero_copy_only=False)))
    some = pairs.select(list(_KEY)).append_column("area_m2", pa.array(areas)).filter(pa.array(areas >= _LEAST_M2))
    sums = some.group_by(list(_KEY)).aggregate([([], "count_all"), ("area_m2", "sum")])
    return sums.rename_columns([*_KEY, "count", "area_m2"])


def _postgis(name: str, question: Overlay, zones: Zones) -> Variant:
    given = f"SELECT name, ST_GeomFromWKB(wkb, {SRID}) AS area FROM unnest($1::text[], $2::bytea[]) AS given(name, wkb)"
    forms = {form: f"WITH zones AS MATERIALIZED ({given}) {sql}" for form, sql in _postgis_sums().items()}
    parameters = (zones.names.to_pylist(), shapely.to_wkb(zones.shapes).tolist())
    return Variant("overlay", name, question, forms, parameters, _KEY)


def layer_variant(question: LayerOverlay) -> Variant:
    """Return the question about a layer over a layer as PostGIS is asked it, the zones in a table of that name."""
    return Variant("overlay", "layer", question, _postgis_sums(), (), _KEY)


def _postgis_sums() -> dict[str, str]:
    def sql(cut: str) -> str:
        part = f'CASE WHEN {_COVERED} THEN parcel."TBMJ"::double precision ELSE ST_Area({cut}::geography) END'
        pairs = f'SELECT zones.name AS zone, parcel."DLBM", {part} AS common FROM {_PAIRS}'
        return (
            f'SELECT zone, "DLBM", {_sums("numeric(38, 4)")} FROM ({pairs}) AS pairs '
            f"WHERE common >= {_LEAST_M2} GROUP BY 1, 2"
        )

    return {PLAIN: sql(_CUT), STRAIGHT: sql(f"ST_Segmentize({_CUT}, {_EDGE_DEG})")}


def _sums(kind: str = "DECIMAL(38, 4)") -> str:
    return f"count(*) AS count, sum(common)::{kind} AS area_m2"


def require_close(name: str, found: pa.Table, expected: pa.Table) -> dict[str, float]:
    """Compare two answers: same rows and counts, areas to 1 ppm or 0.02 m², of each row and of all; tells the worst.

    Returns:
        The largest difference of a row that is above 0.02 m² in ppm, 0 if there is none, the largest in m², and the
        difference of the sums in ppm.

    Raises:
        Disagreement: they differ by more.
    """
    found, expected = (table.sort_by([(key, "ascending") for key in _KEY]) for table in (found, expected))
    require_same(name, found.drop_columns(["area_m2"]), expected.drop_columns(["area_m2"]), _KEY)
    left, right = (table["area_m2"].cast(pa.float64()).to_numpy() for table in (found, expected))
    apart = np.abs(left - right)
    far = apart > np.maximum(_LEAST_DIFFERENCE_M2, right * _PPM)
    total = float(right.sum())
    whole = abs(float(left.sum()) - total)
    if far.any() or whole > max(_LEAST_DIFFERENCE_M2, total * _PPM):
        place = int(np.argmax(apart / np.maximum(_LEAST_DIFFERENCE_M2, right * _PPM)))
        row = found.slice(place, 1).to_pylist()[0]
        raise Disagreement(
            f"{name}: areas of {int(far.sum())} rows differ, {row} is {right[place]}; sums by {whole} m²"
        )
    large = apart > _LEAST_DIFFERENCE_M2
    return {
        "row_ppm": round(float((apart[large] / right[large]).max() * 1e6) if large.any() else 0.0, 4),
        "row_m2": round(float(apart.max()), 4),
        "sum_ppm": round(whole / total * 1e6, 6),
    }
