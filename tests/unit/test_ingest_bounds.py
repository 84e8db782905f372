from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guotu.model.gcj02 import gcj_to_wgs, wgs_to_gcj
from node.ingest.bounds import BoundsWatch
from node.ingest.kinds import FaultKind as K
from node.ingest.report import Fault
from node.ingest.tally import Notes, RowNames, Tally
from registry.gazetteer import Gazetteer
from tests.support.inspection import gazetteer_bounds

# Counties of all corners of the country.
COUNTIES = ("510104", "110105", "440106", "230102", "650102", "460105", "350203", "150102")


def box_of(code: str) -> np.ndarray:
    entry = Gazetteer.load().get(code)
    assert entry is not None
    return np.array(entry.bounds)


def watch(division: str, *batches: np.ndarray, codes: list[str | None] | None = None) -> dict[K, Fault]:
    watching, tally = BoundsWatch(division, gazetteer_bounds(), 0.001), Tally()
    done = 0
    for bounds in batches:
        notes = Notes(tally, RowNames(None, done))
        counties = None
        if codes is not None:
            some = pa.array(codes[done : done + len(bounds)], pa.string())
            counties = watching.check_codes(some, notes.about("ZLDWDM"))
        watching.take(bounds, counties, notes)
        done += len(bounds)
    watching.finish(tally)
    return {fault.kind: fault for fault in tally.findings()}


def rim(box: np.ndarray, count: int = 50, size: float = 0.0002) -> np.ndarray:
    """Small boxes along the four edges, inside."""
    xmin, ymin, xmax, ymax = box
    x, y = np.linspace(xmin, xmax - size, count), np.linspace(ymin, ymax - size, count)
    west = np.concatenate([x, x, np.full(count, xmin), np.full(count, xmax - size)])
    south = np.concatenate([np.full(count, ymin), np.full(count, ymax - size), y, y])
    return np.column_stack([west, south, west + size, south + size])


def moved(bounds: np.ndarray, move: object) -> np.ndarray:
    return np.column_stack([*move(bounds[:, 0], bounds[:, 1]), *move(bounds[:, 2], bounds[:, 3])])  # type: ignore[operator]


@settings(deadline=None)
@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 0.0009))
def test_what_lies_inside_or_within_the_tolerance_is_plain(right: float, up: float, over: float):
    xmin, ymin, xmax, ymax = box_of("510104")
    x, y = xmin - over + right * (xmax - xmin), ymin - over + up * (ymax - ymin)
    assert watch("510104", np.array([[x, y, x + over, y + over]])) == {}


@pytest.mark.parametrize("side", range(4))
def test_what_crosses_a_side_is_told_with_both_extents(side: int):
    box = box_of("510104")
    bounds = np.array([[*(box[:2] + 0.01), *(box[2:] - 0.01)]])
    bounds[0, side] += (-0.012, -0.012, 0.012, 0.012)[side]
    fault = watch("510104", bounds)[K.OUT_OF_BOUNDS]
    assert (fault.count, fault.detail, fault.keys) == (1, "510104", ("#1",))
    assert fault.values[1] == "[104.0573 30.5494 104.1683 30.6727]"


def test_extents_grow_over_batches():
    first, second = np.array([[103.0, 30, 103.1, 30.1]]), np.array([[105.0, 31, 105.1, 31.1]])
    fault = watch("510104", first, second)[K.OUT_OF_BOUNDS]
    assert (fault.count, fault.keys) == (2, ("#1", "#2"))
    assert fault.values[0] == "[103.0000 30.0000 105.1000 31.1000]"


def test_each_row_is_held_against_its_own_county():
    rows = np.array([[104.16, 30.6, 104.161, 30.601]] * 3)
    findings = watch("510100", rows, codes=["510104001", "510107001", None])
    assert (findings[K.OUT_OF_BOUNDS].detail, findings[K.OUT_OF_BOUNDS].keys) == ("510107", ("#2",))


def test_codes_of_others_and_codes_unknown():
    findings = watch("510100", np.full((4, 4), np.nan), codes=["510104001", "110101001", "510199001", "51"])
    assert findings[K.FOREIGN_DIVISION].values == ("110101001", "51")
    assert findings[K.NOTICE_UNKNOWN_DIVISION].values == ("510199",)


def test_the_nation_takes_every_division():
    findings = watch("100000", np.full((2, 4), np.nan), codes=["510104001", "110101001"])
    assert findings == {}


def test_rows_without_geometry_are_left_out():
    assert watch("510104", np.full((3, 4), np.nan)) == {}


def test_metres_are_said_to_be_metres():
    findings = watch("510104", np.array([[35_409_000, 3_381_000, 35_409_100, 3_381_100.0]]))
    assert set(findings) == {K.COORDINATES_OUT_OF_RANGE}
    assert "EPSG:4523" in findings[K.COORDINATES_OUT_OF_RANGE].detail


@pytest.mark.parametrize("county", COUNTIES)
def test_exchanged_axes_are_told_everywhere(county: str):
    bounds = rim(box_of(county))[:, [1, 0, 3, 2]]
    assert {kind: fault.count for kind, fault in watch(county, bounds).items()} == {K.AXES_SWAPPED: len(bounds)}


@pytest.mark.parametrize("county", COUNTIES)
def test_shifted_coordinates_are_suspected_everywhere(county: str):
    shifted = moved(rim(box_of(county)), wgs_to_gcj)
    findings = watch(county, shifted[:77], shifted[77:])
    assert findings[K.GCJ02_SUSPECTED].count == findings[K.OUT_OF_BOUNDS].count


@pytest.mark.parametrize("county", COUNTIES)
def test_other_displacements_are_not_suspected(county: str):
    box = box_of(county)
    assert set(watch(county, moved(rim(box), gcj_to_wgs))) == {K.OUT_OF_BOUNDS}
    assert set(watch(county, rim(box + np.array([-0.003, -0.003, 0.003, 0.003])))) == {K.OUT_OF_BOUNDS}
    assert watch(county, rim(box)) == {}
