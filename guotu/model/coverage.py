"""Coverage (覆盖范围): a small polygon that surely contains every feature, to skip nodes by."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import Geod
from shapely.geometry.base import BaseGeometry

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

DEFAULT_MAX_BYTES = 2048
# One rectangle as WKB: byte order, type, ring count, point count and five points.
MIN_BYTES = 93
# The grid steps in degrees as fractions, finest first, so that grid lines are correctly rounded decimals.
LADDER = ((1, 100), (1, 50), (1, 20), (1, 10), (1, 5), (1, 2), (1, 1), (2, 1), (5, 1), (10, 1))
# A grid is given up when the extent has more cells than this: 14° by 14° at the finest step.
MAX_CELLS = 2_000_000
_ALIGN = 64


class CoverageBuilder:
    """Collects the boxes of features in batches and draws a polygon around the grid cells they touch.

    The result depends on the boxes only, not on their order or batches. Memory is bounded (some 40 MB at
    worst), whatever the number or size of the boxes.
    """

    def __init__(self, max_bytes: int = DEFAULT_MAX_BYTES) -> None:
        """Set the greatest size of the polygon's WKB.

        Raises:
            ValueError: `max_bytes` cannot hold even a rectangle, 93 bytes.
        """
        if max_bytes < MIN_BYTES:
            raise ValueError(f"max_bytes must be at least {MIN_BYTES}, got {max_bytes}")
        self._max_bytes = max_bytes
        self._extent: Floats | None = None
        self._grids = [_Grid(*step) for step in LADDER]

    def add(self, xmin: Floats, ymin: Floats, xmax: Floats, ymax: Floats) -> None:
        """Add boxes: four arrays of shape (n,), degrees of longitude and latitude; NaN (empty) is skipped.

        Raises:
            ValueError: a box lies outside longitude ±180, latitude ±90, or has its minimum above its maximum.
        """
        boxes = np.array([xmin, ymin, xmax, ymax], dtype=np.float64)
        boxes = boxes[:, ~np.isnan(boxes).any(axis=0)]
        if not boxes.size:
            return
        low, high = boxes[:2].min(axis=1), boxes[2:].max(axis=1)
        if (low < (-180, -90)).any() or (high > (180, 90)).any() or (boxes[:2] > boxes[2:]).any():
            raise ValueError("boxes must be xmin <= xmax, ymin <= ymax in degrees of longitude and latitude")
        if self._extent is not None:
            low, high = np.minimum(low, self._extent[:2]), np.maximum(high, self._extent[2:])
        self._extent = np.concatenate([low, high])
        self._grids = [grid for grid in self._grids if grid.cell_count(self._extent) <= MAX_CELLS]
        for grid in self._grids:
            grid.add(boxes)

    def polygon(self) -> BaseGeometry | None:
        """Return the coverage (Polygon or MultiPolygon, lon/lat degrees), None where nothing was added.

        The finest grid is taken whose outline fits the size; where none fits, it is the extent.
        """
        if self._extent is None:
            return None
        for grid in self._grids:
            outline = grid.outline(self._max_bytes)
            if outline is not None:
                return outline
        return shapely.box(*self._extent)


def territory_m2(polygon: BaseGeometry | None) -> float:
    """Return the geodesic area of a coverage (degrees) on CGCS2000 in square metres, 0 for None.

    Edges follow parallels and meridians, so they are cut at 0.1° before they are taken as geodesics.
    """
    if polygon is None:
        return 0.0
    geod = Geod(a=6378137.0, rf=298.257222101)
    dense = shapely.orient_polygons(shapely.segmentize(polygon, 0.1))
    area, _ = geod.geometry_area_perimeter(dense)
    return abs(float(area))


@dataclass(slots=True)
class _Grid:
    """Which cells of one step are touched, as second differences: a box costs four entries, however large."""

    numerator: int
    denominator: int
    _origin: tuple[int, int] = (0, 0)
    _differences: NDArray[np.int32] = field(default_factory=lambda: np.zeros((0, 0), dtype=np.int32))

    def cell_count(self, extent: Floats) -> int:
        """Return the number of cells in an extent (xmin, ymin, xmax, ymax)."""
        left, bottom, right, top = self._touched(extent[:, None])[:, 0].tolist()
        return int((right - left) * (top - bottom))

    def add(self, boxes: Floats) -> None:
        """Mark the cells that boxes of shape (4, n) touch."""
        cells = self._touched(boxes)
        self._grow(cells)
        left, bottom, right, top = cells - np.array([*self._origin, *self._origin])[:, None]
        # One flat index and one type: numpy's fast path.
        flat, width = self._differences.reshape(-1), self._differences.shape[1]
        for row, column, sign in ((bottom, left, 1), (top, right, 1), (bottom, right, -1), (top, left, -1)):
            np.add.at(flat, row * width + column, np.int32(sign))

    def outline(self, max_bytes: int) -> BaseGeometry | None:
        """Return the union of the touched cells, None where its WKB is over `max_bytes`."""
        counts = self._differences.cumsum(axis=0, dtype=np.int32).cumsum(axis=1, dtype=np.int32)
        mask = counts > 0
        if 16 * _corner_count(mask) > max_bytes:
            return None
        left, bottom, right, top = np.array(list(_rectangles(mask))).T
        boxes = shapely.box(left, bottom, right, top)
        merged = shapely.simplify(shapely.union_all(boxes), 0)
        union = shapely.transform(merged, lambda cells: self._degrees(cells + self._origin))
        return union if len(shapely.to_wkb(union)) <= max_bytes else None

    def _touched(self, boxes: Floats) -> Ints:
        """Return the half-open ranges (left, bottom, right, top) of cells touched by boxes, shape (4, n)."""
        cells = boxes * self.denominator / self.numerator
        low, high = np.floor(cells[:2]), np.ceil(cells[2:])
        # The product may round across a grid line, either way.
        low += (self._degrees(low + 1) <= boxes[:2]).astype(int) - (self._degrees(low) > boxes[:2])
        high += (self._degrees(high) < boxes[2:]).astype(int) - (self._degrees(high - 1) >= boxes[2:])
        # A point on a grid line takes the cell beyond it, on the last line of the world the one before.
        last = np.array([[180], [90]]) * self.denominator // self.numerator
        low = np.minimum(low, last - 1)
        return np.concatenate([low, np.maximum(high, low + 1)]).astype(np.int64)

    def _degrees(self, cells: Floats) -> Floats:
        return cells * self.numerator / self.denominator

    def _grow(self, cells: Ints) -> None:
        """Widen the window to hold ranges of cells, by whole blocks so that it seldom happens."""
        rows, columns = self._differences.shape
        low, high = cells[:2].min(axis=1), cells[2:].max(axis=1) + 1
        if rows:
            low = np.minimum(low, self._origin)
            high = np.maximum(high, np.add(self._origin, (columns, rows)))
        low, high = low // _ALIGN * _ALIGN, -(-high // _ALIGN) * _ALIGN
        width, height = (high - low).tolist()
        if (height, width) == (rows, columns):
            return
        wider = np.zeros((height, width), dtype=np.int32)
        x, y = np.subtract(self._origin, low).tolist() if rows else (0, 0)
        wider[y : y + rows, x : x + columns] = self._differences
        self._differences, self._origin = wider, (int(low[0]), int(low[1]))


def _corner_count(mask: NDArray[np.bool_]) -> int:
    """Count the vertices of a mask's outline: one where 1 or 3 of 4 cells are set, two where 2 diagonal."""
    padded = np.pad(mask, 1).astype(np.int8)
    a, b, c, d = padded[:-1, :-1], padded[:-1, 1:], padded[1:, :-1], padded[1:, 1:]
    odd = (a + b + c + d) % 2 == 1
    diagonal = (a == d) & (b == c) & (a != b)
    return int(odd.sum() + 2 * diagonal.sum())


def _rectangles(mask: NDArray[np.bool_]) -> Iterator[tuple[int, int, int, int]]:
    """Cut a mask of few corners into rectangles (left, bottom, right, top): runs over bands of equal rows."""
    changed = np.flatnonzero((mask[1:] != mask[:-1]).any(axis=1)) + 1
    edges = np.concatenate([[0], changed, [len(mask)]])
    for bottom, top in pairwise(edges.tolist()):
        steps = np.diff(np.pad(mask[bottom], 1).astype(np.int8))
        for left, right in zip(np.flatnonzero(steps == 1), np.flatnonzero(steps == -1), strict=True):
            yield int(left), bottom, int(right), top
