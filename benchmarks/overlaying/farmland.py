"""Synthetic 永久基本农田保护图斑: discs around cultivated parcels, which cross the borders of parcels."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import shapely
from numpy.typing import NDArray

from benchmarks.dltb import schema
from benchmarks.parcels import geo_metadata
from guotu.model.area import ellipsoidal_area_m2
from guotu.model.collection import GEOMETRY

COLLECTION = "yjjbntbhtb"
_TAKEN = ("BSM", "YSDM", "ZLDWDM", "ZLDWMC", "TBBH", "DLBM", "DLMC", "TBMJ", "SJNF", GEOMETRY)
_M_PER_DEG = 111_000.0
_RADIUS = 0.8
"""Of a disc, in radii of one as large as its parcel."""


def farmland(files: Mapping[str, Path], plots: int, seed: int, folder: Path) -> dict[str, Path]:
    """Write a GeoParquet file of plots for each owner of parcels, about `plots` in all; returns them by owner."""
    rows = {node: pq.ParquetFile(file).metadata.num_rows for node, file in files.items()}
    made = {}
    for number, (node, file) in enumerate(files.items()):
        luck = np.random.default_rng([seed, 61, number])
        made[node] = folder / f"farmland-{node}.parquet"
        pq.write_table(_plots(file, round(plots * rows[node] / sum(rows.values())), luck), made[node])
    return made


def _plots(file: Path, count: int, luck: np.random.Generator) -> pa.Table:
    parcels = pq.read_table(file, columns=list(_TAKEN))
    bounds = _county_bounds(parcels)
    tilled = np.flatnonzero(pc.starts_with(parcels["DLBM"], "01").to_numpy())
    chosen = np.sort(luck.choice(tilled, min(count, len(tilled)), replace=False))
    parcels, bounds = parcels.take(chosen), bounds[chosen]
    centres = shapely.centroid(shapely.from_wkb(parcels[GEOMETRY].to_numpy()))
    radius = _RADIUS * np.sqrt(parcels["TBMJ"].to_numpy() / np.pi) / _M_PER_DEG
    discs = np.asarray(shapely.buffer(centres, radius, quad_segs=4))
    boxes = shapely.bounds(discs)
    inside = (boxes[:, :2] >= bounds[:, :2]).all(axis=1) & (boxes[:, 2:] <= bounds[:, 2:]).all(axis=1)
    return _named(parcels.filter(pa.array(inside)), discs[inside])


def _county_bounds(parcels: pa.Table) -> NDArray[np.float64]:
    """Return, for each parcel, the bounds of all parcels of its county, shape (n, 4), degrees."""
    counties = pc.utf8_slice_codeunits(parcels["ZLDWDM"], 0, 6).combine_chunks().dictionary_encode()
    index, boxes = counties.indices.to_numpy(), shapely.bounds(shapely.from_wkb(parcels[GEOMETRY].to_numpy()))
    low, high = np.full((len(counties.dictionary), 2), np.inf), np.full((len(counties.dictionary), 2), -np.inf)
    np.minimum.at(low, index, boxes[:, :2])
    np.maximum.at(high, index, boxes[:, 2:])
    bounds: NDArray[np.float64] = np.hstack([low, high])[index]
    return bounds


def _named(parcels: pa.Table, discs: NDArray[np.object_]) -> pa.Table:
    """Return plots with the attributes of their parcels."""
    areas = pa.array(np.floor(ellipsoidal_area_m2(discs) * 100 + 0.5) / 100)
    geometry = pa.field(GEOMETRY, pa.binary(), metadata=schema().field(GEOMETRY).metadata)
    columns = {
        "BSM": parcels["BSM"],
        "YSDM": parcels["YSDM"],
        "XZQDM": pc.utf8_slice_codeunits(parcels["ZLDWDM"], 0, 12),
        "XZQMC": parcels["ZLDWMC"],
        "YJJBNTTBBH": parcels["BSM"],
        **{name: parcels[name] for name in ("TBBH", "DLBM", "DLMC", "SJNF")},
        "YJJBNTTBMJ": areas,
        "YJJBNTMJ": areas,
    }
    plots = pa.table(columns).append_column(geometry, pa.array(shapely.to_wkb(discs, byte_order=1), pa.binary()))
    return plots.replace_schema_metadata({"geo": geo_metadata(shapely.total_bounds(discs))})
