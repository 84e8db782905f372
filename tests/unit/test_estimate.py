"""Estimates: from what is advertised alone, within bounds that hold, with their method."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import shapely

from federation.estimate import estimated
from federation.planning.planner import Planner
from federation.validate import check_stats
from guotu.model.answer import Outcome
from guotu.model.errors import InvalidQuestion
from guotu.model.question import Aggregate, AggregateFunction, Options, Selection, Stats
from guotu.model.records import DatasetRecord, Extent
from registry.gazetteer import Gazetteer
from tests.support.federation_parts import PARCELS, FixedDirectory, dataset, view
from tests.support.scripted_mesh import Mesh, three

ABOUT = Stats("dltb", (), estimate=True)
RECORDS = [
    dataset("510100", rows=1000, box=(104.0, 30.0, 105.0, 31.0)),
    dataset("510700", version=3, rows=500, box=(105.0, 30.0, 106.0, 31.0)),
    dataset("520000", rows=70, box=(106.0, 26.0, 108.0, 28.0)),
]


def about(selection: Selection, records: Sequence[DatasetRecord] = RECORDS, options: Options | None = None) -> Any:
    """Return the row of an estimate at the nation's node."""
    question = Stats("dltb", (), selection=selection, options=options or Options(), estimate=True)
    directory = FixedDirectory(view([record.node for record in records], records))
    planner = Planner("100000", directory, dict)
    plan, bound = planner.plan(question, PARCELS)
    found = Gazetteer.load().find(selection.division) if selection.division else ()
    bounds = found[0].bounds if found else None
    (row,) = estimated(plan, bound, PARCELS, planner.advertised("dltb"), bounds).to_pylist()
    return row


CASES: list[tuple[Selection, int, int, int, str]] = [
    (Selection(), 1570, 1570, 1570, "advertised rows"),
    (Selection(bbox=Extent(104.0, 30.0, 104.5, 31.0)), 500, 0, 1000, "share"),
    (Selection(bbox=Extent(104.5, 30.0, 105.5, 31.0)), 750, 0, 1500, "share"),
    (Selection(bbox=Extent(103.0, 29.0, 106.5, 32.0)), 1500, 1500, 1500, "share"),
    (Selection(bbox=Extent(80, 40, 81, 41)), 0, 0, 0, "share"),
    (Selection(filter="S_INTERSECTS(geometry, POINT(104.5 30.5))"), 1, 0, 1000, "share"),
    (Selection(filter="DLBM = '0101'"), 1570, 0, 1570, "not counted in"),
    (Selection(filter="DLBM = '0101'", bbox=Extent(104.0, 30.0, 104.5, 31.0)), 500, 0, 1000, "not counted in"),
    (Selection(filter="NOT S_INTERSECTS(geometry, BBOX(103,29,106,32))"), 1570, 0, 1570, "not counted in"),
    (Selection(division="510000"), 1500, 0, 1500, "share"),
    (Selection(division="520000"), 70, 0, 70, "share"),
]


@pytest.mark.parametrize(("selection", "estimate", "least", "most", "method"), CASES)
def test_rows_by_the_share_of_what_they_cover(
    selection: Selection, estimate: int, least: int, most: int, method: str
) -> None:
    row = about(selection)
    assert (row["estimate"], row["least"], row["most"]) == (estimate, least, most)
    assert method in row["method"]


def test_the_covered_area_counts_not_its_box() -> None:
    half = shapely.Polygon([(104, 30), (105, 30), (104, 31)])
    record = dataset("510100", rows=1000, box=half.bounds, coverage=half)
    row = about(Selection(bbox=Extent(104.0, 30.5, 105.0, 31.0)), [record])
    assert row["estimate"] == 250


def test_of_a_part_of_an_owners_division_its_bounds_count() -> None:
    chengdu = Gazetteer.load().find("510100")[0].bounds
    assert chengdu is not None
    xmin, ymin, xmax, ymax = chengdu
    record = dataset("510000", rows=1000, box=(xmin, ymin, xmax + (xmax - xmin), ymax))
    assert about(Selection(division="510100"), [record])["estimate"] == 500


def test_older_versions_have_no_bounds() -> None:
    row = about(Selection(), options=Options(cut={"510700/dltb": 2}))
    assert (row["estimate"], row["least"], row["most"]) == (1570, None, None)
    assert "newest versions" in row["method"]


async def test_nobody_is_asked() -> None:
    mesh = Mesh(*three(), gone=("510200",))
    heard = await mesh.ask(ABOUT)
    assert heard.failure is None
    assert [row["estimate"] for row in heard.rows] == [105]
    assert heard.notices == ["ESTIMATE"]
    assert heard.header.cut == {"510000/dltb": 2, "510100/dltb": 3, "510200/dltb": 4}
    assert {(member.outcome, member.reason) for member in heard.outcomes.values()} == {(Outcome.PRUNED, "ESTIMATED")}
    assert heard.trailer.completeness.complete
    assert all(not member.asked for member in mesh.members.values())


def test_it_stands_alone() -> None:
    count = (Aggregate(AggregateFunction.COUNT, "", "n"),)
    for wrong in (Stats("dltb", count, estimate=True), Stats("dltb", (), ("DLBM",), estimate=True)):
        with pytest.raises(InvalidQuestion, match="estimate"):
            check_stats(wrong, PARCELS)


def test_a_coverage_that_crosses_itself_spoils_no_estimate() -> None:
    bow = shapely.Polygon([(104, 30), (105, 31), (105, 30), (104, 31)])
    record = dataset("510100", rows=1000, box=bow.bounds, coverage=bow)
    row = about(Selection(bbox=Extent(104.0, 30.0, 104.5, 31.0)), [record])
    assert (row["estimate"], row["most"]) == (500, 1000)
