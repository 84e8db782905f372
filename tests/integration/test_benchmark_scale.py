"""The simulated tree answers from end to end, small; what is measured is not judged here, but for counted bytes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.benchmark_run import run_benchmark

SMALL = ("--provinces", "2", "--prefectures", "4", "--counties", "16", "--rows", "60", "--rounds", "2", "--hosts", "1")


def test_scale_measures_the_root_as_members_join(tmp_path: Path) -> None:
    result = run_benchmark("scale", tmp_path, *SMALL)

    assert list(result["tree"]) == ["3", "7", "23"]
    assert list(result["flat"]) == ["3", "23"]
    assert result["member_growth"] == pytest.approx(23 / 3, abs=0.01)
    growth = result["tree_growth"]
    assert set(growth) == {"count", "group_by", "retrieve"}
    assert result["root_growth"] == max(max(item["latency"], item["bytes"]) for item in growth.values())
    for question, ratios in growth.items():
        few, many = result["tree"]["3"][question], result["tree"]["23"][question]
        assert ratios["bytes"] == pytest.approx(many["bytes"] / few["bytes"], abs=0.01)
        assert ratios["bytes"] < result["flat_growth"][question]["bytes"]
        assert few["latency_ms"] > 0
        assert few["members_cpu_ms"] > 0
    assert growth["retrieve"]["bytes"] < 2
