"""Who owns which generated parcels: two cities of Sichuan and one of Guizhou their counties, the provinces the rest."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from benchmarks.parcels import DEFAULT_COUNTIES, read_counties, write_parquet
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
    folder = cache / f"dltb-{rows}-{seed}"
    if not folder.is_dir():
        _make(folder, rows, seed)
    return {node: folder / f"{node}.parquet" for node in OWNERS}


def _make(folder: Path, rows: int, seed: int) -> None:
    """Write the files beside their place first, so that an interrupted run leaves nothing that looks finished."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=f"{folder.name}.", dir=folder.parent))
    try:
        owners = {county.adcode: owner_of(county.adcode) for county in read_counties(DEFAULT_COUNTIES)}
        write_parquet(unfinished, owners, total=rows, seed=seed)
        unfinished.rename(folder)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
