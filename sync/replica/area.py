"""Area: the part of a dataset that a replica is limited to."""

from __future__ import annotations

import hashlib

import numpy as np
import pyarrow as pa
import shapely
from numpy.typing import NDArray

from guotu.model.collection import GEOMETRY
from guotu.model.errors import InvalidQuestion
from guotu.model.schema import CORNERS
from sync.manifest import BASE, ObjectRef

Bools = NDArray[np.bool_]


class Area:
    """A polygon, EPSG:4490 lon/lat. A row belongs if its geometry intersects it, or if it has none."""

    def __init__(self, wkb: bytes, name: str) -> None:
        """Read the polygon.

        Raises:
            InvalidQuestion: it is not a polygon with an area, or not valid.
        """
        self.wkb = wkb
        self.name = name
        self._polygon = _polygon(wkb)
        self._bounds = shapely.bounds(self._polygon)
        shapely.prepare(self._polygon)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the polygon's bytes, hex."""
        return hashlib.sha256(self.wkb).hexdigest()

    def keep(self, rows: pa.RecordBatch) -> Bools:
        """Tell of rows with the schema `stored_schema` which belong, shape (rows,); a `Keep` of `sync.prepared`."""
        belongs = np.ones(rows.num_rows, dtype=bool)
        if GEOMETRY not in rows.schema.names:
            return belongs
        boxes = np.column_stack([rows.column(name).to_numpy(zero_copy_only=False) for name in CORNERS])
        solid = np.flatnonzero(~np.isnan(boxes).any(axis=1))
        belongs[solid] = self._near(boxes[solid])
        doubtful = solid[belongs[solid]]
        # A box that lies inside needs no look at the geometry.
        doubtful = doubtful[~shapely.covers(self._polygon, shapely.box(*boxes[doubtful].T))]
        wkb = rows.column(GEOMETRY).take(pa.array(doubtful)).to_numpy(zero_copy_only=False)
        belongs[doubtful] = shapely.intersects(self._polygon, shapely.from_wkb(wkb))
        return belongs

    def needs(self, item: ObjectRef) -> bool:
        """Tell whether an object can hold rows that belong; every delta counts, since features move."""
        if item.kind != BASE or item.extent is None:
            return True
        extent = item.extent
        box = np.array([[extent.xmin, extent.ymin, extent.xmax, extent.ymax]])
        return bool(self._near(box)[0] and shapely.intersects(self._polygon, shapely.box(*box[0])))

    def _near(self, boxes: NDArray[np.float64]) -> Bools:
        """Tell which boxes, shape (n, 4), share a point with the polygon's."""
        xmin, ymin, xmax, ymax = self._bounds
        near: Bools = (boxes[:, 0] <= xmax) & (boxes[:, 2] >= xmin) & (boxes[:, 1] <= ymax) & (boxes[:, 3] >= ymin)
        return near


def fingerprint_of(area: Area | None) -> str:
    """Return the fingerprint of an area; empty for everything."""
    return "" if area is None else area.fingerprint


def _polygon(wkb: bytes) -> shapely.Geometry:
    try:
        polygon = shapely.from_wkb(wkb)
    except shapely.errors.GEOSException as failure:
        raise InvalidQuestion(part="area", detail=f"不是 WKB not WKB: {failure}") from failure
    if polygon.geom_type not in ("Polygon", "MultiPolygon") or not polygon.area > 0:
        raise InvalidQuestion(part="area", detail="应为面 must be a polygon with an area")
    if not polygon.is_valid:
        raise InvalidQuestion(part="area", detail=f"面无效 not valid: {shapely.is_valid_reason(polygon)}")
    return polygon
