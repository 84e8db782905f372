"""The benchmarks run from end to end on a little data; what they measure is not judged here."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.benchmark_run import run_benchmark

QUESTIONS = {"retrieve", "filter", "group_by", "count"}
STAGES = {"read", "validate", "digest", "layout", "write", "load", "commit", "waiting", "total"}


def test_federation_compares_the_mesh_with_one_engine(tmp_path: Path) -> None:
    result = run_benchmark("federation", tmp_path, "--rows", "5000", "--rounds", "1", "--settle", "0")

    assert set(result["ratio_to_single_engine"]) == QUESTIONS
    assert all(ratio > 0 for ratio in result["ratio_to_single_engine"].values())
    assert {type(within) for within in result["within_budget"].values()} == {bool}
    for question in QUESTIONS:
        times = result["milliseconds"][question]
        expected = times["mesh"] / times["single_engine"]
        assert result["ratio_to_single_engine"][question] == pytest.approx(expected, rel=0.05)  # of rounded times
        assert all(variant["rows"] > 0 for variant in result["variants"][question].values())
    assert len(result["resident_mib"]) == 7
    assert all(node["peak"] >= node["at_rest"] * 0.5 > 0 for node in result["resident_mib"].values())
    assert result["stream_everything"]["rows"] == result["rows"] == sum(result["rows_by_node"].values())
    assert set(result["publish"]["seconds"]) == STAGES
    assert result["publish"]["rows"] == result["rows"] >= 4_500


def test_publish_measures_every_stage_of_every_format(tmp_path: Path) -> None:
    result = run_benchmark("publish", tmp_path, "--rows", "2000")

    for name in ("geoparquet", "gpkg"):
        measured = result[name]
        assert measured["rows"] == pytest.approx(2000, rel=0.05)
        assert set(measured["seconds"]) == STAGES
        assert measured["seconds"]["total"] >= measured["seconds"]["digest"] > 0
        assert measured["node_peak_mib"] > 0


def test_stores_compares_both(tmp_path: Path) -> None:
    result = run_benchmark("stores", tmp_path, "--rows", "2000")

    measures = {"load", "change"}
    for version in (1, 2):
        names = ("window", "first_100", "largest_100", "all", "groups", "overlay")
        measures |= {f"{name}@{version}" for name in names}
    assert set(result["duckdb_ms"]) == set(result["postgis_ms"]) == set(result["postgis_to_duckdb"]) == measures
    assert set(result["table_ms"]) == {"make", "change", "compare"}
    for name, ratio in result["postgis_to_duckdb"].items():
        assert ratio == pytest.approx(result["postgis_ms"][name] / result["duckdb_ms"][name], rel=0.01)


def test_table_publishes_again_and_again(tmp_path: Path) -> None:
    result = run_benchmark("table", tmp_path, "--rows", "2000")

    measures = {"first", "unchanged", "scan", "peer_copy", "edited"}
    assert set(result["seconds"]) == set(result["rows_per_s"]) == measures
    assert result["rows"] == pytest.approx(2000, rel=0.05)
    assert result["edits"]["updates"] > 0
    assert "scan" in result["stages"]["edited"]
    ratio = result["seconds"]["unchanged"] / result["seconds"]["peer_copy"]
    assert result["unchanged_to_peer_copy"] == pytest.approx(ratio, rel=0.01)
