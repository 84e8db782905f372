"""Survey: one pass over a spool that hashes each row and finds where it lies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import shapely
from numpy.typing import NDArray

from guotu.model.collection import GEOMETRY, Collection
from guotu.model.coverage import CoverageBuilder, territory_m2
from guotu.model.hilbert import hilbert_index
from guotu.model.records import Extent
from sync.rowhash import Objects, row_hashes
from sync.setdigest import SetDigest
from sync.spool import Spool, row_bytes

Floats = NDArray[np.float64]
Advance = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Survey:
    """What the rows of a spool are."""

    rows: int
    extent: Extent | None
    coverage_wkb: bytes
    """Polygon that covers every feature, little-endian ISO WKB, EPSG:4490 lon/lat; empty if there is no extent."""
    territory_m2: float
    digest: SetDigest
    places: NDArray[np.uint32]
    """Place of each row on the Hilbert curve, shape (rows,); zeros without geometry."""
    sizes: NDArray[np.int64]
    """Bytes of each row, about, shape (rows,)."""


def survey(spool: Spool, advance: Advance) -> Survey:
    """Read all rows once; `advance` is told after each block how many there were."""
    walk = _Walk(spool.collection)
    for block in spool.blocks():
        walk.take(block)
        advance(block.num_rows)
    return walk.result()


def order_of(spool: Spool, places: NDArray[np.uint32]) -> NDArray[np.int64]:
    """Return row numbers in the order of the curve, ties and rows without geometry by key. Shape (rows,)."""
    table = pa.table({"place": places, "key": spool.keys()})
    indices = pc.sort_indices(table, sort_keys=[("place", "ascending"), ("key", "ascending")])
    return np.asarray(indices).astype(np.int64)


def read_geometries(column: pa.Array) -> Objects:
    """Return the geometries of a WKB column, None for null. Shape (n,)."""
    return np.asarray(shapely.from_wkb(column.to_numpy(zero_copy_only=False)), dtype=object)


def extent_of(bounds: Floats) -> Extent | None:
    """Return the extent of boxes of shape (n, 4), NaN for an empty or missing one; None if all are."""
    solid = bounds[~np.isnan(bounds).any(axis=1)]
    if not len(solid):
        return None
    return Extent(*map(float, (*solid[:, :2].min(axis=0), *solid[:, 2:].max(axis=0))))


class _Walk:
    """What was learnt on the way."""

    def __init__(self, collection: Collection) -> None:
        self._collection = collection
        self._digest = SetDigest()
        self._coverage = CoverageBuilder()
        self._extents: list[Floats] = []
        self._places = [np.zeros(0, np.uint32)]
        self._sizes = [np.zeros(0, np.int64)]

    def take(self, block: pa.RecordBatch) -> None:
        geometries = self._locate(block) if self._collection.has_geometry else None
        if geometries is None:
            self._places.append(np.zeros(block.num_rows, np.uint32))
        hashes = row_hashes(block, self._collection, geometries)
        self._digest.add(block.column(self._collection.key), hashes)
        self._sizes.append(row_bytes(block))

    def _locate(self, block: pa.RecordBatch) -> Objects:
        geometries = read_geometries(block.column(GEOMETRY))
        bounds = shapely.bounds(geometries)
        self._coverage.add(*bounds.T)
        extent = extent_of(bounds)
        if extent is not None:
            self._extents.append(np.array([extent.xmin, extent.ymin, extent.xmax, extent.ymax]))
        centres = (bounds[:, :2] + bounds[:, 2:]) / 2
        self._places.append(hilbert_index(centres[:, 0], centres[:, 1]))
        return geometries

    def result(self) -> Survey:
        polygon = self._coverage.polygon()
        places = np.concatenate(self._places)
        return Survey(
            rows=len(places),
            extent=extent_of(np.vstack([np.empty((0, 4)), *self._extents])),
            coverage_wkb=b"" if polygon is None else shapely.to_wkb(polygon, byte_order=1, flavor="iso"),
            territory_m2=round(territory_m2(polygon), 2),
            digest=self._digest,
            places=places,
            sizes=np.concatenate(self._sizes),
        )
