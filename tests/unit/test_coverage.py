"""The coverage polygon: what it looks like, and what it refuses."""

import numpy as np
import pytest
import shapely

from guotu.model.area import sheet_area_m2
from guotu.model.coverage import MAX_CELLS, MIN_BYTES, CoverageBuilder, territory_m2


def built(*boxes, max_bytes=2048):
    builder = CoverageBuilder(max_bytes)
    builder.add(*np.array(boxes, dtype=np.float64).reshape(-1, 4).T)
    return builder.polygon()


def test_nothing_added_covers_nothing():
    assert CoverageBuilder().polygon() is None
    assert built((np.nan, np.nan, np.nan, np.nan)) is None


def test_one_small_box_takes_one_fine_cell():
    assert built((114.001, 30.002, 114.003, 30.004)).equals(shapely.box(114, 30, 114.01, 30.01))


def test_grid_lines_are_exact_decimals():
    assert built((0.29, 0.57, 0.3, 0.58)).bounds == (0.29, 0.57, 0.3, 0.58)


def test_a_hair_beyond_a_grid_line_is_not_lost():
    lines = np.arange(-9000, 9000) / 100
    below, above = np.nextafter(lines, -np.inf), np.nextafter(lines, np.inf)
    lost = (np.floor(below * 100) / 100 > below) | (np.ceil(above * 100) / 100 < above)
    assert lost.any(), "no product rounds across a line, so this would show nothing"
    for low, high in zip(below[lost][::50], above[lost][::50], strict=True):
        corners = shapely.points([(low, low), (high, high)])
        assert shapely.covers(built((low, low, high, high)), corners).all()


def test_a_gap_stays_open():
    ring = [(10, 10, 10.3, 10.1), (10, 10.2, 10.3, 10.3), (10, 10, 10.1, 10.3), (10.2, 10, 10.3, 10.3)]
    hollow = built(*ring)
    assert hollow.equals(shapely.box(10, 10, 10.3, 10.3) - shapely.box(10.1, 10.1, 10.2, 10.2))
    assert len(hollow.interiors) == 1


def test_far_islands_stay_apart():
    islands = built((110, 20, 110.1, 20.1), (120, 40, 120.1, 40.1))
    assert len(shapely.get_parts(islands)) == 2
    assert islands.area < 0.05


def test_a_province_of_parcels_fits_and_is_not_its_box():
    rng = np.random.default_rng(7)
    along = rng.uniform(0, 4, 5000)
    x, y = 110 + along, 25 + along + rng.normal(0, 0.05, 5000)
    diagonal = built(*np.column_stack([x, y, x + 0.001, y + 0.001]))
    assert len(shapely.to_wkb(diagonal)) <= 2048
    assert diagonal.area < 0.5 * shapely.box(*diagonal.bounds).area


def test_scatter_that_fits_no_grid_falls_back_to_the_extent():
    x, y = np.meshgrid(np.arange(-170.0, 170, 20), np.arange(-80.0, 80, 20))
    dots = np.column_stack([x.ravel(), y.ravel(), x.ravel() + 1, y.ravel() + 1])
    assert built(*dots, max_bytes=200).equals(shapely.box(-170, -80, 151, 61))


def test_the_whole_world_is_a_rectangle():
    assert built((-180, -90, 180, 90)).equals(shapely.box(-180, -90, 180, 90))
    assert built((180, 90, 180, 90)).bounds == (179.99, 89.99, 180, 90)


def test_many_huge_boxes_are_cheap():
    rng = np.random.default_rng(3)
    low = rng.uniform((-180, -90), (0, 0), (200_000, 2))
    high = rng.uniform((0, 0), (180, 90), (200_000, 2))
    builder = CoverageBuilder()
    builder.add(*low.T, *high.T)
    assert shapely.covers(builder.polygon(), shapely.box(*low[:500].T, *high[:500].T)).all()
    assert sum(grid._differences.size for grid in builder._grids) < 2 * MAX_CELLS


@pytest.mark.parametrize("box", [(500_000, 3e6, 500_010, 3e6), (0, 0, 1, 91), (-181, 0, 0, 1), (2, 0, 1, 1)])
def test_boxes_that_are_not_degrees_are_refused(box):
    with pytest.raises(ValueError, match="degrees"):
        built(box)


def test_a_size_too_small_for_a_rectangle_is_refused():
    with pytest.raises(ValueError, match="93"):
        CoverageBuilder(MIN_BYTES - 1)


def test_territory_of_a_degree_cell_is_that_of_the_sheet_formula():
    hollow = shapely.box(110, 30, 114, 34) - shapely.box(111, 31, 112, 32)
    expected = sheet_area_m2(4, 30, 34) - sheet_area_m2(1, 31, 32)
    assert territory_m2(hollow) == pytest.approx(expected, rel=1e-5)
    assert territory_m2(None) == 0
