from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Transformer

from guotu.model.crs import gauss_kruger_codes, resolve_crs
from node.ingest.kinds import FaultKind
from node.ingest.placement import ABSENT, DEGREES, UNKNOWN, ZONE, Placement, label_rows, suggestions
from node.ingest.tally import RowNames, Tally

CODES = gauss_kruger_codes()


def meridian(code: int) -> float:
    if code <= 4512:
        return 75.0 + 6 * ((code - 4491) % 11)
    return 75.0 + 3 * ((code - 4513) % 21)


@lru_cache
def mover(code: int) -> Transformer:
    return Transformer.from_crs("EPSG:4490", f"EPSG:{code}", always_xy=True)


def metres(code: int, offset_deg: float, lat: float) -> np.ndarray:
    """A small box at an offset from the zone's meridian, as bounds in the zone's metres."""
    x, y = mover(code).transform(meridian(code) + offset_deg, lat)
    return np.array([[x, y, x + 50, y + 50]])


def judge(code: str, bounds: np.ndarray) -> list:
    placement, tally = Placement(resolve_crs(code), code), Tally()
    placement.take(bounds, RowNames(None, 0))
    placement.judge(tally)
    return tally.findings()


@settings(deadline=None)
@given(st.sampled_from(CODES), st.floats(-1, 1), st.floats(18, 53))
def test_every_zone_recognises_its_own(code: int, share: float, lat: float):
    half = 3.0 if code <= 4512 else 1.5
    bounds = metres(code, share * half, lat)
    assert judge(f"EPSG:{code}", bounds) == []
    assert Placement(resolve_crs(f"EPSG:{code}"), "").is_plain(tuple(bounds[0]))


@settings(deadline=None)
@given(st.sampled_from(CODES), st.floats(-1.4, 1.4), st.floats(18, 53))
def test_metres_are_no_degrees_and_the_zone_is_named(code: int, offset: float, lat: float):
    (fault,) = judge("EPSG:4490", metres(code, offset, lat))
    assert fault.kind is FaultKind.CRS_MISMATCH
    prefixed = 4491 <= code <= 4501 or 4513 <= code <= 4533
    assert fault.values == ((f"EPSG:{code}",) if prefixed else ("EPSG:4534–4554",))


@settings(deadline=None)
@given(st.sampled_from(CODES), st.floats(73, 135), st.floats(4, 53))
def test_degrees_are_no_metres(code: int, lon: float, lat: float):
    (fault,) = judge(f"EPSG:{code}", np.array([[lon, lat, lon + 0.01, lat + 0.01]]))
    assert (fault.kind, fault.values) == (FaultKind.CRS_MISMATCH, ("EPSG:4490",))


@pytest.mark.parametrize("zone", [*range(13, 24), *range(25, 46)])
def test_suggested_codes_have_the_zone_in_their_easting(zone: int):
    (code,) = suggestions(ZONE + zone)
    parameters = {item.name: item.value for item in resolve_crs(code).coordinate_operation.params}
    assert parameters["False easting"] == zone * 1e6 + 500_000
    assert suggestions(2, zone) == (f"EPSG:{int(code[5:]) + (21 if zone >= 25 else 11)}",)


def test_rows_without_geometry_and_rows_with_a_stray_vertex():
    bounds = np.array([[np.nan] * 4, [0, 0, 35_500_000, 3_400_000], [104, 30, 105, 31]])
    assert label_rows(bounds).tolist() == [ABSENT, UNKNOWN, DEGREES]


def test_utm_is_watched_for_degrees_only():
    assert judge("EPSG:3857", np.array([[11_580_000, 3_570_000, 11_580_100, 3_570_100.0]])) == []
    assert judge("EPSG:3857", np.array([[104, 30, 104.1, 30.1]]))[0].kind is FaultKind.CRS_MISMATCH


def test_the_few_are_named():
    rows = np.vstack([*[metres(4523, 0.1, 30)] * 9, metres(4513, 0.1, 30)])
    (fault,) = judge("EPSG:4523", rows)
    assert (fault.kind, fault.count, fault.keys) == (FaultKind.MIXED_CRS, 1, ("#10",))
    assert fault.detail == "EPSG:4523 × 9, EPSG:4513 × 1"
