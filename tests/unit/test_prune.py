"""Pruning: advertised facts only, with a reason, and never a dataset that may match."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.planning.candidates import Candidates, division_range
from federation.planning.prune import MAY_MATCH, REASONS, RULES, Prunable, decide, decide_all
from federation.planning.reach import Reach
from federation.selection import BoundSelection, bind_selection
from guotu.model.distance import Distances
from guotu.model.division import contains
from guotu.model.question import Selection
from guotu.model.records import DatasetRecord, Extent
from tests.support.federation_parts import CHENGDU, PARCELS, boxes, dataset

L_SHAPE = shapely.Polygon([(104, 30), (106, 30), (106, 30.2), (104.2, 30.2), (104.2, 32), (104, 32)])


def prunable(selection: Selection) -> Prunable:
    return Prunable.of(bind_selection(selection, PARCELS))


def window(*box: float) -> Prunable:
    return prunable(Selection(bbox=Extent(*box)))


def zoned(*boxes: tuple[float, float, float, float]) -> Prunable:
    zones = shapely.STRtree([shapely.box(*box) for box in boxes])
    return Prunable.of(bind_selection(Selection(), PARCELS), zones)


INSIDE = window(104.1, 30.6, 104.11, 30.61)
CASES: list[tuple[Prunable, DatasetRecord, str]] = [
    (prunable(Selection()), dataset("510100"), MAY_MATCH),
    (prunable(Selection(filter="DLBM = '0101'")), dataset("510100"), MAY_MATCH),
    (INSIDE, dataset("510100"), MAY_MATCH),
    (window(*CHENGDU), dataset("510100"), MAY_MATCH),
    (window(100, 20, 110, 40), dataset("510100"), MAY_MATCH),
    (window(104.2, 30.8, 105, 31), dataset("510100"), MAY_MATCH),
    (window(103, 30, 104.0, 30.5), dataset("510100"), MAY_MATCH),
    (window(104.2, 30.4, 105, 30.5), dataset("510100"), MAY_MATCH),
    (window(104.2001, 30.8, 105, 31), dataset("510100"), "OUTSIDE_WINDOW"),
    (window(104, 31, 104.1, 32), dataset("510100"), "OUTSIDE_WINDOW"),
    (window(103, 30.5, 103.9, 30.8), dataset("510100"), "OUTSIDE_WINDOW"),
    (window(104.1, 29, 104.1, 30.4), dataset("510100"), "OUTSIDE_WINDOW"),
    (INSIDE, dataset("510100", rows=0), "EMPTY"),
    (prunable(Selection()), dataset("510100", rows=0), "EMPTY"),
    (INSIDE, dataset("510100", box=None), MAY_MATCH),
    (window(105, 31, 105.5, 31.5), dataset("510100", box=L_SHAPE.bounds, coverage=L_SHAPE), "OUTSIDE_COVERAGE"),
    (window(105, 29, 105.5, 30.1), dataset("510100", box=L_SHAPE.bounds, coverage=L_SHAPE), MAY_MATCH),
    (window(104.2, 30.2, 104.2, 30.2), dataset("510100", box=L_SHAPE.bounds, coverage=L_SHAPE), MAY_MATCH),
    (INSIDE, replace(dataset("510100"), coverage_wkb=b""), MAY_MATCH),
    (INSIDE, replace(dataset("510100"), coverage_wkb=b"not a geometry"), MAY_MATCH),
    (prunable(Selection(filter="FALSE")), dataset("510100"), "FILTER_IS_FALSE"),
    (prunable(Selection(filter="FALSE AND DLBM = 'x'")), dataset("510100", rows=0), "FILTER_IS_FALSE"),
    (prunable(Selection(filter="FALSE OR DLBM = 'x'")), dataset("510100"), MAY_MATCH),
    (prunable(Selection(filter="S_DISJOINT(geometry, POINT(80 40))")), dataset("510100"), MAY_MATCH),
    (prunable(Selection(filter="NOT S_INTERSECTS(geometry, POINT(80 40))")), dataset("510100"), MAY_MATCH),
    (prunable(Selection(filter="S_CONTAINS(geometry, POINT(80 40))")), dataset("510100"), "OUTSIDE_WINDOW"),
    (prunable(Selection(division="510000")), dataset("510100"), MAY_MATCH),
    (prunable(Selection(division="510104")), dataset("510100"), MAY_MATCH),
    (prunable(Selection(division="510104")), dataset("100000"), MAY_MATCH),
    (prunable(Selection(division="510104")), dataset("510104-ly"), MAY_MATCH),
    (prunable(Selection(division="100000")), dataset("510100"), MAY_MATCH),
    (prunable(Selection(division="510200")), dataset("510100"), "OUTSIDE_DIVISION"),
    (prunable(Selection(division="500000")), dataset("510000-ch"), "OUTSIDE_DIVISION"),
    (zoned((80, 40, 81, 41), (104.1, 30.6, 104.11, 30.61)), dataset("510100"), MAY_MATCH),
    (zoned((80, 40, 81, 41), (90, 40, 91, 41)), dataset("510100"), "OUTSIDE_ZONES"),
    (zoned((105, 31, 105.5, 31.5)), dataset("510100", box=L_SHAPE.bounds, coverage=L_SHAPE), "OUTSIDE_ZONES"),
    (zoned((105, 31, 105.5, 31.5)), replace(dataset("510100", box=L_SHAPE.bounds), coverage_wkb=b""), MAY_MATCH),
    (zoned((104.2, 30.8, 105, 31)), dataset("510100"), MAY_MATCH),
    (zoned((80, 40, 81, 41)), dataset("510100", box=None), MAY_MATCH),
    (zoned((80, 40, 81, 41)), replace(dataset("510100"), coverage_wkb=b"not a geometry"), "OUTSIDE_ZONES"),
    (zoned((104, 30, 105, 31)), replace(dataset("510100"), coverage_wkb=b""), MAY_MATCH),
]


@pytest.mark.parametrize(("selection", "record", "reason"), CASES)
def test_decisions_have_reasons(selection: Prunable, record: DatasetRecord, reason: str) -> None:
    assert decide(selection, record) == (reason == MAY_MATCH, reason)


def test_many_are_decided_as_each_alone() -> None:
    records = [record for _, record, _ in CASES]
    together = Candidates(records)
    for selection, _, _ in CASES:
        numbers = decide_all(selection, together)
        assert [REASONS[number] for number in numbers] == [decide(selection, record)[1] for record in records]
        again = decide_all(selection, together)
        assert np.array_equal(numbers, again)


def test_the_first_rule_with_a_reason_decides() -> None:
    order = [reason for reason, _ in RULES]
    assert order == [
        "FILTER_IS_FALSE",
        "EMPTY",
        "OUTSIDE_DIVISION",
        "OUTSIDE_WINDOW",
        "OUTSIDE_COVERAGE",
        "OUTSIDE_ZONES",
        "TOO_FAR",
    ]
    everything_wrong = prunable(Selection(filter="FALSE", bbox=Extent(80, 40, 81, 41), division="650000"))
    assert decide(everything_wrong, dataset("510100", rows=0))[1] == "FILTER_IS_FALSE"
    far = prunable(Selection(bbox=Extent(80, 40, 81, 41), division="650000"))
    assert decide(far, dataset("510100", rows=0))[1] == "EMPTY"
    assert decide(far, dataset("510100"))[1] == "OUTSIDE_DIVISION"


def test_what_is_surely_farther_than_enough_others_is_left_out() -> None:
    records = [
        dataset("510100", rows=3),
        dataset("510700", rows=100, box=(104.5, 31.0, 105.0, 31.5)),
        dataset("520000", rows=100, box=(106.0, 26.0, 107.0, 27.0)),
        dataset("530000", rows=100, box=None),
        dataset("540000", rows=0, box=(104.0, 30.0, 104.1, 30.1)),
    ]
    at = shapely.Point(104.1, 30.6).bounds
    for count, far in ((3, ["510700", "520000"]), (4, ["520000"]), (103, ["520000"]), (104, []), (500, [])):
        verdicts = decide_all(Prunable(None, "", False, reach=Reach(at, count)), Candidates(records))
        found = [
            record.node for record, verdict in zip(records, verdicts, strict=True) if REASONS[verdict] == "TOO_FAR"
        ]
        assert found == far


@settings(deadline=None)
@given(st.lists(st.tuples(boxes(), st.integers(1, 5)), min_size=1, max_size=8), boxes(), st.integers(1, 12))
def test_none_of_the_nearest_is_left_out(
    found: list[tuple[shapely.Geometry, int]], near: shapely.Geometry, count: int
) -> None:
    """Features may lie anywhere in their extent: the nearest ones of those left out, the farthest of those kept."""
    records = [dataset(f"51{number:02d}00", rows=rows, box=box.bounds) for number, (box, rows) in enumerate(found)]
    verdicts = decide_all(Prunable(None, "", False, reach=Reach(near.bounds, count)), Candidates(records))
    corners = [shapely.points(shapely.get_coordinates(box)) for box, _ in found]
    distances = Distances(near)
    farthest = sorted(
        float(distances.of(points).max())
        for points, (_, rows), verdict in zip(corners, found, verdicts, strict=True)
        for _ in range(rows)
        if not verdict
    )
    for (box, _), verdict in zip(found, verdicts, strict=True):
        if verdict:
            assert farthest[count - 1] <= distances.of(np.array([box]))[0]


def test_no_candidates_are_no_trouble() -> None:
    assert decide_all(INSIDE, Candidates([])).shape == (0,)


def test_division_ranges_overlap_just_where_divisions_contain_each_other() -> None:
    codes = [
        "100000",
        "110000",
        "500000",
        "500101",
        "510000",
        "510100",
        "510104",
        "510199",
        "510200",
        "519000",
        "520000",
    ]
    for one in codes:
        for other in codes:
            (low, high), (least, most) = division_range(one), division_range(other)
            assert (low <= most and least <= high) == (contains(one, other) or contains(other, one))


def test_a_coverage_that_does_not_reach_its_extent_is_not_asked_where_the_window_covers_the_extent() -> None:
    """Features fill the extent, so a window over all of it meets one, whatever the outline looks like."""
    record = dataset("510100", coverage=shapely.Point(0, 0))
    assert decide(window(103, 30, 105, 31), record) == (True, MAY_MATCH)


def test_a_window_of_several_parts_prunes_between_them() -> None:
    apart = Prunable.of(
        BoundSelection(None, shapely.MultiPolygon([shapely.box(80, 40, 81, 41), shapely.box(110, 20, 111, 21)]), "")
    )
    assert decide(apart, dataset("510100"))[1] == "OUTSIDE_COVERAGE"
