"""The Hilbert curve visits every cell once, and goes from each to a neighbour."""

import numpy as np
import pytest

from guotu.model.hilbert import hilbert_index


def walk(order):
    """Cells in the order of the curve, shape (4**order, 2)."""
    side = 1 << order
    row, column = np.divmod(np.arange(side * side), side)
    index = hilbert_index(column + 0.5, row + 0.5, bounds=(0, 0, side, side), order=order)
    assert sorted(index.tolist()) == list(range(side * side))
    return np.column_stack([column, row])[np.argsort(index)]


@pytest.mark.parametrize("order", range(1, 9))
def test_the_curve_visits_every_cell_and_steps_to_neighbours(order):
    steps = np.abs(np.diff(walk(order), axis=0))
    assert (steps.sum(axis=1) == 1).all()


def test_the_curve_starts_south_west_and_ends_south_east():
    cells = walk(5).tolist()
    assert (cells[0], cells[-1]) == ([0, 0], [31, 0])


@pytest.mark.parametrize("order", range(1, 16))
def test_a_finer_curve_refines_a_coarser_one(order):
    rng = np.random.default_rng(order)
    x, y = rng.uniform(73, 136, 500), rng.uniform(3, 54, 500)
    nested = hilbert_index(x, y, order=16) >> np.uint32(2 * (16 - order))
    assert (nested == hilbert_index(x, y, order=order)).all()


def test_the_finest_index_fills_32_bits():
    index = hilbert_index(np.array([73.0, 136.0]), np.array([3.0, 3.0]))
    assert index.dtype == np.uint32
    assert index.tolist() == [0, 2**32 - 1]


def test_points_outside_take_the_nearest_cell_and_nan_the_minimum():
    outside = hilbert_index(np.array([0.0, 200.0, np.nan]), np.array([-90.0, 3.0, np.nan]))
    assert outside.tolist() == [0, 2**32 - 1, 0]


def test_no_points_no_index():
    assert hilbert_index(np.array([]), np.array([])).shape == (0,)


@pytest.mark.parametrize("order", [0, 17])
def test_order_is_limited(order):
    with pytest.raises(ValueError, match="order"):
        hilbert_index(np.zeros(1), np.zeros(1), order=order)


def test_empty_bounds_are_refused():
    with pytest.raises(ValueError, match="bounds"):
        hilbert_index(np.zeros(1), np.zeros(1), bounds=(1, 0, 1, 1))
