"""Looking for features near of boxes: by the cell of a grid that the south-west corner of each lies in.

A feature that is narrower than a cell meets a box only if that corner lies in a cell that the box touches, or in the
one west or south of such. So one look into a hash table tells it, however many boxes there are; wider features are
few, and are given anyhow.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from guotu.model.schema import CORNERS
from node.stores.sql.identifiers import column, quote
from node.stores.sql.parameters import Parameters

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

CELLS = "guotu_near"
"""Name by which a statement finds the cells."""
_CELL = "cell"
_ROW = 1 << 20
_FINEST_DEG = 0.03
_MOST_CELLS = 20_000
_CELLS_A_BOX = 8
"""If there are many boxes; the smallest touches four, however coarse the grid."""
_PARTS = 8
_NARROW = 0.999
"""Of a cell's side: what a narrow feature is at most, so that no rounding of a quotient matters."""


@dataclass(frozen=True, slots=True)
class Grid:
    """A grid, and those of its cells where features near of some boxes may begin."""

    per_degree: float
    """Cells."""
    cells: Ints
    window: tuple[float, ...]
    """Box around all boxes: xmin, ymin, xmax, ymax, degrees."""

    @classmethod
    def around(cls, boxes: Floats) -> Grid:
        """Return the grid for boxes (xmin, ymin, xmax, ymax in degrees, shape (n, 4)), as fine as keeps cells few."""
        side = max(_FINEST_DEG, float(np.mean(boxes[:, 2:] - boxes[:, :2])) / _PARTS)
        while _count(boxes, side) > max(_MOST_CELLS, _CELLS_A_BOX * len(boxes)):
            side *= 2
        window = (*boxes[:, :2].min(axis=0).tolist(), *boxes[:, 2:].max(axis=0).tolist())
        return cls(1 / side, _cells(boxes, 1 / side), window)

    def table(self) -> pa.Table:
        """Return the cells as a table."""
        return pa.table({_CELL: self.cells})

    def condition(self, parameters: Parameters) -> str:
        """Return what is true of features near of the boxes, and perhaps of others."""
        xmin, ymin, xmax, ymax = map(column, CORNERS)
        west, south, east, north = (parameters.bind(side, "DOUBLE") for side in self.window)
        scale = parameters.bind(self.per_degree, "DOUBLE")
        narrow = parameters.bind(_NARROW / self.per_degree, "DOUBLE")
        cell = f"floor({xmin} * {scale})::BIGINT * {_ROW} + floor({ymin} * {scale})::BIGINT"
        known = f"{cell} IN (SELECT {_CELL} FROM {quote(CELLS)})"  # noqa: S608 (names are quoted)
        within = f"{xmin} <= {east} AND {xmax} >= {west} AND {ymin} <= {north} AND {ymax} >= {south}"
        return f"{within} AND ({xmax} - {xmin} > {narrow} OR {ymax} - {ymin} > {narrow} OR {known})"


def _ranges(boxes: Floats, per_degree: float) -> tuple[Ints, Ints]:
    """Return the first cell, and how many there are, east and north, for each box; each of shape (n, 2)."""
    low = np.floor(boxes[:, :2] * per_degree).astype(np.int64) - 1
    high = np.floor(boxes[:, 2:] * per_degree).astype(np.int64)
    return low, high - low + 1


def _count(boxes: Floats, side: float) -> int:
    _, sizes = _ranges(boxes, 1 / side)
    return int(sizes.prod(axis=1).sum())


def _cells(boxes: Floats, per_degree: float) -> Ints:
    low, sizes = _ranges(boxes, per_degree)
    counts = sizes.prod(axis=1)
    at = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    east, north = np.divmod(at, np.repeat(sizes[:, 1], counts))
    cells: Ints = np.unique((np.repeat(low[:, 0], counts) + east) * _ROW + np.repeat(low[:, 1], counts) + north)
    return cells
