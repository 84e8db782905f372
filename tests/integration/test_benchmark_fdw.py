"""The comparison with postgres_fdw runs from end to end on a little data; what it measures is not judged here."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.benchmark_run import run_benchmark


def test_fdw_compares_three_systems_that_agree(tmp_path: Path) -> None:
    result = run_benchmark("fdw", tmp_path, "--rows", "1000", "--rounds", "1", "--crowd", "0.3", "--patience", "5")

    questions = {"retrieve", "count", "group_by", "group_by_class", "overlay", "topn", "point"}
    systems = {"fdw", "guotu_postgis", "guotu_duckdb"}
    assert set(result["questions"]) == questions
    for question, told in result["questions"].items():
        assert set(told["seconds"]) == systems
        assert min(told["rows"]) > 0
        for store in ("postgis", "duckdb"):
            expected = told["seconds"]["fdw"] / told["seconds"][f"guotu_{store}"]
            assert result[f"speedup_{store}"][question] == pytest.approx(expected, rel=0.05, abs=0.01)
    assert set(result["within_budget"]["postgis"]) == questions
    assert set(result["within_budget"]["duckdb"]) == {"retrieve", "group_by", "group_by_class", "overlay"}
    assert all(crowd["answers_per_s"] > 0 for crowd in result["crowd"].values())
    for name in systems - {"fdw"}:
        silent, *_ = result["failures"][name]["silent"]
        assert "marked partial" in silent["answer"]
    for trouble in ("silent", "refusing"):
        assert not any(told["complete"] for told in result["failures"]["fdw"][trouble])
