"""GCJ-02 against a well-known pair, and there and back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from guotu.model.gcj02 import gcj_to_wgs, wgs_to_gcj


def test_the_shift_at_tiananmen_is_the_public_one():
    lon, lat = wgs_to_gcj(np.array([116.404]), np.array([39.915]))
    assert lon[0] == pytest.approx(116.41024449916938, abs=1e-9)
    assert lat[0] == pytest.approx(39.91640428150164, abs=1e-9)


def test_outside_china_nothing_moves():
    lon, lat = np.array([2.35, 139.7, 103.8]), np.array([48.85, 35.7, 0.5])
    for moved in (wgs_to_gcj(lon, lat), gcj_to_wgs(lon, lat)):
        assert moved[0].tolist() == lon.tolist()
        assert moved[1].tolist() == lat.tolist()


@given(st.lists(st.tuples(st.floats(73, 136), st.floats(3, 54)), min_size=1, max_size=50).map(np.array))
def test_there_and_back_is_the_same_place(points):
    lon, lat = points.T
    shifted = wgs_to_gcj(lon, lat)
    back_lon, back_lat = gcj_to_wgs(*shifted)
    assert np.abs(back_lon - lon).max() < 1e-6
    assert np.abs(back_lat - lat).max() < 1e-6
    moved_m = np.hypot((shifted[0] - lon) * np.cos(np.radians(lat)), shifted[1] - lat) * 111_320
    assert moved_m.max() < 2_000
