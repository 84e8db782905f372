"""Deterministic synthetic 地类图斑 (DLTB) parcels at any scale, cut out of real county outlines.

Not survey data: outlines of counties are real, everything inside them is drawn at random. Each county is
seeded by (seed, adcode), so one county of a run can be made again by itself.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import shapely
from numpy.typing import NDArray

from benchmarks.dltb import attributes, crs_projjson, schema
from benchmarks.parcel_area import parcel_areas
from benchmarks.tessellation import tessellate
from benchmarks.villages import Villages, blocks

DEFAULT_COUNTIES = Path(__file__).parent.parent / "demo" / "data" / "county.parquet"
DEFAULT_TOTAL = 1_000_000
_ROW_GROUP = 65_536


@dataclass(frozen=True)
class County:
    """A county to fill: six-digit GB/T 2260 code, name, outline (EPSG:4490, lon/lat degrees)."""

    adcode: str
    name: str
    outline: shapely.Geometry


def read_counties(path: Path = DEFAULT_COUNTIES) -> list[County]:
    """Read counties in order of code from Parquet columns adcode, name, geometry (WKB, EPSG:4490, lon/lat).

    Raises:
        ValueError: a code occurs twice.
    """
    table = pq.read_table(path, columns=["adcode", "name", "geometry"]).sort_by("adcode")
    codes = table["adcode"].to_pylist()
    if len(set(codes)) < len(codes):
        raise ValueError(f"{path}: adcode is not unique; keep one row per county")
    outlines = shapely.from_wkb(table["geometry"].to_numpy(zero_copy_only=False))
    return [County(*row) for row in zip(codes, table["name"].to_pylist(), outlines, strict=True)]


def allocate(counties: list[County], total: int) -> NDArray[np.int64]:
    """Parcels per county: in proportion to its area, but one for each part of its outline at the least.

    They add up to `total`, unless the least is more.
    """
    outlines = shapely.orient_polygons(np.array([county.outline for county in counties], dtype=object))
    least = shapely.get_num_geometries(outlines)
    share = parcel_areas(outlines)
    spare = max(0, total - int(least.sum())) * share / share.sum()
    count = np.floor(spare).astype(np.int64)
    short = round(spare.sum()) - int(count.sum())
    count[np.argsort(count - spare, kind="stable")[:short]] += 1
    result: NDArray[np.int64] = least + count
    return result


def generate_county(county: County, count: int, seed: int) -> pa.Table:
    """Fill one county with `count` parcels that partition it; the same arguments give the same bytes.

    Rows are in order of village and, within it, from south to north. Schema: `benchmarks.dltb.schema`.
    """
    rng = np.random.Generator(np.random.PCG64([seed, int(county.adcode)]))
    shapes = tessellate(county.outline, count, rng)
    middle = shapely.get_coordinates(shapely.centroid(shapes))
    village = blocks(middle[:, 0], middle[:, 1])
    order = np.lexsort((middle[:, 0], middle[:, 1], village))
    shapes = shapes[order]
    villages = Villages.number(county.adcode, county.name, village[order], rng)
    columns = attributes(county.adcode, villages, parcel_areas(shapes), rng)
    geometry = pa.array(shapely.to_wkb(shapes, byte_order=1), pa.binary())
    return pa.table([*columns.values(), geometry], schema=schema())


def generate(
    path: Path = DEFAULT_COUNTIES, total: int = DEFAULT_TOTAL, seed: int = 0
) -> Iterator[tuple[str, pa.Table]]:
    """Yield (adcode, parcels) in order of code, one county in memory at a time."""
    counties = read_counties(path)
    for county, count in zip(counties, allocate(counties, total), strict=True):
        yield county.adcode, generate_county(county, int(count), seed)


def write_parquet(
    directory: Path,
    owners: Mapping[str, str],
    path: Path = DEFAULT_COUNTIES,
    total: int = DEFAULT_TOTAL,
    seed: int = 0,
) -> dict[str, Path]:
    """Write `<node>.parquet` (GeoParquet 1.1, zstd) for each node that `owners` (adcode -> node id) names.

    Counties missing in `owners` are not generated; the share of the others stays what it is among all.

    Raises:
        ValueError: `owners` names a county that the file does not have.
    """
    counties = read_counties(path)
    unknown = sorted(set(owners) - {county.adcode for county in counties})
    if unknown:
        raise ValueError(f"{path}: no county {', '.join(unknown)}; correct the map of owners")
    shares: dict[str, list[tuple[County, int]]] = {}
    for county, count in zip(counties, allocate(counties, total), strict=True):
        if county.adcode in owners:
            shares.setdefault(owners[county.adcode], []).append((county, int(count)))
    directory.mkdir(parents=True, exist_ok=True)
    files = {node: directory / f"{node}.parquet" for node in sorted(shares)}
    for node, file in files.items():
        _write(file, shares[node], seed)
    return files


def _write(file: Path, counties: list[tuple[County, int]], seed: int) -> None:
    """Write the parcels of some counties to one file, one county in memory at a time."""
    bounds = shapely.total_bounds([county.outline for county, _ in counties])
    with closing(pq.ParquetWriter(file, schema(), compression="zstd")) as writer:
        for county, count in counties:
            writer.write_table(generate_county(county, count, seed), row_group_size=_ROW_GROUP)
        writer.add_key_value_metadata({"geo": geo_metadata(bounds)})


def geo_metadata(bounds: NDArray[np.float64]) -> str:
    """File metadata `geo` of GeoParquet 1.1.0 (https://geoparquet.org/releases/v1.1.0/)."""
    column = {
        "encoding": "WKB",
        "geometry_types": ["Polygon"],
        "crs": json.loads(crs_projjson()),
        "orientation": "counterclockwise",
        "bbox": bounds.tolist(),
    }
    content = {"version": "1.1.0", "primary_column": "geometry", "columns": {"geometry": column}}
    return json.dumps(content, ensure_ascii=False)
