"""Hilbert curve: one number per point, so that rows near on the map are near in the file."""

import numpy as np
from numpy.typing import NDArray

CHINA_BOUNDS = (73.0, 3.0, 136.0, 54.0)
MAX_ORDER = 16
_ONE = np.uint32(1)


def hilbert_index(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    bounds: tuple[float, float, float, float] = CHINA_BOUNDS,
    order: int = MAX_ORDER,
) -> NDArray[np.uint32]:
    """Return the distance along the Hilbert curve of each point, shape (n,), from 0 to 4**order - 1.

    `x` and `y` share the unit of `bounds` (xmin, ymin, xmax, ymax; by default degrees around China). Points
    outside take the nearest cell of the grid of 2**order by 2**order; NaN, as an empty geometry gives, counts
    as the minimum. The curve starts at the south-west corner and ends at the south-east.

    Raises:
        ValueError: `order` is not in 1 to 16, or the bounds are empty.
    """
    if not 1 <= order <= MAX_ORDER:
        raise ValueError(f"order must be 1 to {MAX_ORDER}, got {order}")
    column = _cells(x, bounds[0], bounds[2], order)
    row = _cells(y, bounds[1], bounds[3], order)
    index = np.zeros(column.shape, dtype=np.uint32)
    for bit in range(order - 1, -1, -1):
        right, upper = (column >> np.uint32(bit)) & _ONE, (row >> np.uint32(bit)) & _ONE
        index = (index << np.uint32(2)) | ((np.uint32(3) * right) ^ upper)
        column, row = _turn(column, row, right, upper, np.uint32((1 << bit) - 1))
    return index


def _cells(values: NDArray[np.float64], low: float, high: float, order: int) -> NDArray[np.uint32]:
    """Number the grid cell of each value along one axis."""
    if not low < high:
        raise ValueError(f"bounds are empty: {low} to {high}")
    count = 1 << order
    scaled = np.nan_to_num((np.asarray(values, dtype=np.float64) - low) / (high - low) * count, nan=0.0)
    return np.clip(scaled, 0, count - 1).astype(np.uint32)


def _turn(
    column: NDArray[np.uint32],
    row: NDArray[np.uint32],
    right: NDArray[np.uint32],
    upper: NDArray[np.uint32],
    mask: np.uint32,
) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """Turn each lower quadrant so that its curve starts and ends at the quadrant's doors."""
    flip = (right & (upper ^ _ONE)) * mask
    column, row = (column & mask) ^ flip, (row & mask) ^ flip
    lower = upper == 0
    return np.where(lower, row, column), np.where(lower, column, row)
