"""The demonstration's checks can fail: on the smallest difference, and on nothing else."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import demo.__main__ as program
from demo.checks import Check, compare_sequences, compare_sets, compare_totals, compare_values, totals_of
from demo.owners import LAYERS, split
from demo.report import Report
from demo.screen import Screen
from demo.source_data import SourceData, Total


@pytest.fixture(scope="module")
def source() -> SourceData:
    return SourceData()


def answer_of(totals: dict[int, Total]) -> pa.Table:
    """Return an answer with these totals, as a node gives it."""
    return pa.table(
        {
            "igbp": list(totals),
            "count": [total.count for total in totals.values()],
            "sum_area_m2": pa.array([total.area_m2 for total in totals.values()], pa.decimal128(38, 1)),
        }
    )


def compare_classes(source: SourceData, altered: dict[int, Total]) -> Check:
    expected = source.totals(lambda patch: patch.igbp)
    return compare_totals("classes", "", expected, totals_of(answer_of(altered), "igbp"))


def test_totals_as_they_are_pass(source: SourceData) -> None:
    assert compare_classes(source, source.totals(lambda patch: patch.igbp)).passed


@pytest.mark.parametrize(("patches", "square_metres"), [(0, "100"), (0, "-100"), (1, "0"), (-1, "0")])
def test_smallest_difference_in_a_total_fails(source: SourceData, patches: int, square_metres: str) -> None:
    altered = source.totals(lambda patch: patch.igbp)
    altered[13] += Total(patches, Decimal(square_metres))
    check = compare_classes(source, altered)
    assert not check.passed
    assert len(check.differences) == 1
    assert check.differences[0].startswith("13: ")


def test_missing_and_unexpected_groups_fail(source: SourceData) -> None:
    altered = source.totals(lambda patch: patch.igbp)
    altered[99] = altered.pop(13)
    told = " ".join(compare_classes(source, altered).differences)
    assert "13: " in told
    assert "99: " in told


def test_tampered_copy_of_the_data_fails(source: SourceData, tmp_path: Path) -> None:
    """One patch of one owner's part is a hectare larger than in the file."""
    part = next(part for part in split(LAYERS[1], tmp_path) if part.node == "510700")
    table = pq.read_table(part.path)
    areas = table["area_m2"].to_pylist()
    areas[0] += 10_000.0
    pq.write_table(table.set_column(table.schema.get_field_index("area_m2"), "area_m2", pa.array(areas)), part.path)
    found = source.totals(lambda patch: patch.igbp, without="510700")
    read = pq.read_table(part.path).select(["igbp", "area_m2"]).to_pydict()
    for igbp, area in zip(read["igbp"], read["area_m2"], strict=True):
        found[igbp] = found[igbp] + Total(1, Decimal(repr(area)))
    check = compare_classes(source, found)
    assert [difference.split(":")[0] for difference in check.differences] == [str(read["igbp"][0])]


def test_row_sets_fail_on_any_difference() -> None:
    assert compare_sets("x", "", ["a", "b"], ["b", "a"]).passed
    assert compare_sets("x", "", ["a", "b"], ["a"]).differences == ("缺少 missing b",)
    assert compare_sets("x", "", ["a"], ["a", "b"]).differences == ("多余 not expected b",)
    assert not compare_sets("x", "", ["a"], ["a", "a"]).passed
    assert not compare_sets("x", "", [], []).passed
    assert compare_sequences("x", "", ["a", "b"], ["a", "b"]).passed
    assert not compare_sequences("x", "", ["a", "b"], ["b", "a"]).passed
    assert not compare_sequences("x", "", ["a", "b"], ["a"]).passed
    assert not compare_values("x", "", {"digest": "1"}, {"digest": "2"}).passed
    assert len(compare_sets("x", "", map(str, range(100)), []).differences) == 21


def test_failed_check_makes_the_exit_code_one(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
                                               source: SourceData, tmp_path: Path) -> None:  # fmt: skip
    altered = source.totals(lambda patch: patch.igbp)
    altered[13] = replace(altered[13], area_m2=altered[13].area_m2 + 100)
    failed = compare_classes(source, altered)

    def run_with_a_wrong_answer(report: Report, screen: Screen) -> None:
        report.checks = [failed]
        screen.checks(report.checks)

    monkeypatch.setattr(program, "run", run_with_a_wrong_answer)
    path = tmp_path / "report.json"
    assert program.main(["--no-color", "--report", str(path)]) == 1
    shown = capsys.readouterr().out
    assert failed.differences[0] in shown
    assert "未通过 checks failed" in shown
    assert json.loads(path.read_text(encoding="utf-8"))["passed"] is False
