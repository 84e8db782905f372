"""Bringing the geometries of one layer to where the mesh keeps them: EPSG:4490, two dimensions."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import shapely

from guotu.model.area import Objects
from guotu.model.crs import MESH_CRS, transform_geometries
from node.ingest.crs_claim import CrsClaim
from node.ingest.kinds import FaultKind
from node.ingest.placement import Placement
from node.ingest.tally import RowNames, Tally


class Placer:
    """Transforms WKB of one layer; watches whether its coordinates agree with the CRS it states."""

    def __init__(self, claim: CrsClaim, tally: Tally) -> None:
        self.placement = Placement(claim.crs, claim.name)
        self.crs_name = claim.name
        self._source = claim.source
        self._tally = tally

    def watch(self, shapes: pa.Array, names: RowNames) -> None:
        """Only look at where geometries lie."""
        self.placement.take(shapely.bounds(_parsed(shapes)), names)

    def place(self, shapes: pa.Array, names: RowNames) -> pa.Array:
        """Return WKB in EPSG:4490, x before y, two dimensions (ISO, little endian where anything changed).

        What cannot be parsed or transformed stays as it is; the inspector then tells what is wrong with it.
        """
        geometries = _parsed(shapes)
        self.placement.take(shapely.bounds(geometries), names)
        deep = shapely.has_z(geometries) | shapely.has_m(geometries)
        if deep.any():
            self._tally.add(FaultKind.NOTICE_DIMENSION_DROPPED, count=int(deep.sum()))
            geometries = shapely.force_2d(geometries)
        elif self._source == MESH_CRS:
            return shapes
        moved = self._moved(geometries)
        unread = shapely.is_missing(geometries)
        wkb = shapely.to_wkb(moved, byte_order=1, flavor="iso")
        wkb[unread] = shapes.to_numpy(zero_copy_only=False)[unread]
        return pa.array(wkb, pa.binary())

    def _moved(self, geometries: Objects) -> Objects:
        """Transform; of rows that cannot be transformed keep the coordinates."""
        try:
            return transform_geometries(geometries, self._source, MESH_CRS)
        except ValueError:
            if len(geometries) == 1:
                return geometries
        half = len(geometries) // 2
        parts: Objects = np.concatenate([self._moved(geometries[:half]), self._moved(geometries[half:])])
        return parts


def _parsed(shapes: pa.Array) -> Objects:
    with np.errstate(invalid="ignore"):  # NaN is the inspector's to tell
        parsed: Objects = shapely.from_wkb(shapes.to_numpy(zero_copy_only=False), on_invalid="ignore")
    return parsed
