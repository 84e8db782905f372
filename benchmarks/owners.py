"""Who owns which generated parcels: three cities their counties, their provinces the rest, the nation nothing."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from benchmarks.parcels import allocate, read_counties, write_parquet
from guotu.model.division import NATION, contains, prefix_of

OWNERS = ("500000", "510000", "510100", "510700", "520000", "520100")
"""Nodes that own parcels; the nation owns none."""
MESH_NODES = (NATION, *OWNERS)
CACHE = Path(__file__).parent / "cache"


def owner_of(county: str) -> str:
    """Return the nearest owner above a county (GB/T 2260, six digits).

    Raises:
        ValueError: nobody owns it.
    """
    above = [node for node in OWNERS if contains(node, county)]
    if not above:
        raise ValueError(f"county {county}: no owner above it; add its province to OWNERS")
    return max(above, key=lambda node: len(prefix_of(node)))


def owned_parcels(rows: int, seed: int, cache: Path = CACHE) -> dict[str, Path]:
    """Return the GeoParquet file of each owner, from the cache or else made.

    About `rows` parcels in all (`benchmarks.parcels.allocate`), with the DLTB schema, EPSG:4490 lon/lat.
    """
    owners = {county.adcode: owner_of(county.adcode) for county in read_counties()}
    return _cached(cache / f"dltb-{rows}-{seed}", owners, rows, seed)


def province_parcels(province: str, rows: int, seed: int, cache: Path = CACHE) -> Path:
    """Return a GeoParquet file of about `rows` parcels, all in one province, from the cache or else made."""
    counties = read_counties()
    owners = {county.adcode: province for county in counties if contains(province, county.adcode)}
    counts = allocate(counties, rows)
    mine = sum(int(count) for county, count in zip(counties, counts, strict=True) if county.adcode in owners)
    folder = cache / f"dltb-{province}-{rows}-{seed}"
    return _cached(folder, owners, round(rows * rows / mine), seed)[province]


def _cached(folder: Path, owners: Mapping[str, str], total: int, seed: int) -> dict[str, Path]:
    if not folder.is_dir():
        _make(folder, owners, total, seed)
    return {node: folder / f"{node}.parquet" for node in sorted(set(owners.values()))}


def _make(folder: Path, owners: Mapping[str, str], total: int, seed: int) -> None:
    """Write the files beside their place first, so that an interrupted run leaves nothing that looks finished."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=f"{folder.name}.", dir=folder.parent))
    try:
        write_parquet(unfinished, owners, total=total, seed=seed)
        unfinished.rename(folder)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
