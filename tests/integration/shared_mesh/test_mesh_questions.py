"""What people ask, through real processes: answers equal what the files say."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import urllib.request
from decimal import Decimal
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import shapely

from demo.mesh import LocalMesh
from guotu.model.answer import Outcome
from tests.support.small_mesh import DATA, eventually, owner_of, run_guotu


def landcover_rows() -> list[dict[str, object]]:
    columns = ["bsm", "adcode", "igbp", "area_m2", "geometry"]
    rows = pq.read_table(DATA / "landcover_2019.parquet", columns=columns).to_pylist()
    return [row for row in rows if owner_of(str(row["adcode"]))]


def test_totals_by_class_equal_the_file_to_the_digit(mesh: LocalMesh) -> None:
    with mesh.client("100000") as client:
        answer = client.stats("landcover", group_by=["igbp"], sum=["area_m2"], count=True)
        got = {row["igbp"]: (row["count"], row["sum_area_m2"]) for row in answer.table().to_pylist()}
    expected: dict[object, tuple[int, Decimal]] = {}
    for row in landcover_rows():
        count, total = expected.get(row["igbp"], (0, Decimal(0)))
        expected[row["igbp"]] = (count + 1, total + Decimal(repr(row["area_m2"])))
    assert got == expected


def test_window_returns_the_features_that_meet_it(mesh: LocalMesh) -> None:
    window = shapely.box(105.2, 29.0, 106.8, 30.4)
    with mesh.client("100000") as client:
        answer = client.query("landcover", bbox=window.bounds, fields=["bsm"])
        got = set(answer.table()["bsm"].to_pylist())
    rows = landcover_rows()
    shapes = shapely.from_wkb([row["geometry"] for row in rows])
    meets = shapely.intersects(shapes, window)
    assert got == {row["bsm"] for row, hit in zip(rows, meets, strict=True) if hit}
    assert got


def test_members_outside_the_window_are_pruned_and_say_why(mesh: LocalMesh) -> None:
    with mesh.client("100000") as client:
        answer = client.query("landcover", bbox=(103.9, 30.5, 104.2, 30.8))
        outcomes = {member.dataset: member for member in answer.completeness.members}
    assert outcomes["510100/landcover"].outcome is Outcome.ANSWERED
    pruned = outcomes["500000/landcover"]
    assert pruned.outcome is Outcome.PRUNED
    assert pruned.reason in ("OUTSIDE_WINDOW", "OUTSIDE_COVERAGE")


def test_same_question_on_the_same_cut_has_the_same_digest(mesh: LocalMesh) -> None:
    with mesh.client("100000") as client:
        first = client.query("landcover", where="igbp = 13")
        second = client.query("landcover", where="igbp = 13", cut=dict(first.cut))
        other = client.query("landcover", where="igbp = 12")
        assert first.digest == second.digest != other.digest


def test_sorted_and_limited_rows_are_the_top_of_all(mesh: LocalMesh) -> None:
    with mesh.client("100000") as client:
        answer = client.query("landcover", fields=["bsm", "area_m2"], sort=["-area_m2"], limit=25)
        got = answer.table()["area_m2"].to_pylist()
    expected = sorted((row["area_m2"] for row in landcover_rows()), reverse=True)[:25]
    assert got == expected


def test_division_selects_its_counties_and_prunes_the_rest(mesh: LocalMesh) -> None:
    with mesh.client("100000") as client:
        answer = client.query("county", division="510100", fields=["adcode"])
        codes = answer.table()["adcode"].to_pylist()
        outcomes = {member.dataset: member.outcome for member in answer.completeness.members}
    assert codes
    assert all(code.startswith("5101") for code in codes)
    assert outcomes["500000/county"] is Outcome.PRUNED


def test_groups_by_division_level_close_on_the_total(mesh: LocalMesh) -> None:
    with mesh.client("100000") as client:
        by_province = client.stats("landcover", group_by=["province"], sum=["area_m2"]).table().to_pylist()
        total = client.stats("landcover", sum=["area_m2"]).table().to_pylist()[0]["sum_area_m2"]
    assert {row["province"] for row in by_province} == {"500000", "510000"}
    assert sum(row["sum_area_m2"] for row in by_province) == total


def test_scope_self_asks_nobody_else(mesh: LocalMesh) -> None:
    with mesh.client("510000") as client:
        alone = client.query("county", scope="self")
        whole = client.query("county", scope="subtree")
        assert alone.table().num_rows < whole.table().num_rows
        assert [member.dataset for member in alone.completeness.members] == ["510000/county"]


def test_coordinates_come_in_the_crs_asked_for(mesh: LocalMesh) -> None:
    with mesh.client("100000") as client:
        frame = client.query("county", where="adcode = '510104'", crs="EPSG:4544").geodataframe()
    assert frame.crs.to_epsg() == 4544
    xmin, ymin, xmax, ymax = frame.total_bounds
    assert 100_000 < xmin < xmax < 900_000
    assert 3_300_000 < ymin < ymax < 3_500_000


@pytest.mark.parametrize("form", ["geojson", "gpkg", "fgb", "parquet", "csv"])
def test_every_format_holds_every_row(mesh: LocalMesh, tmp_path: Path, form: str) -> None:
    target = tmp_path / f"out.{form}"
    ran = run_guotu("query", "county", "--format", form, "-o", target, node=mesh.address("100000"))
    assert ran.code == 0, ran.err
    with mesh.client("100000") as client:
        expected = client.query("county", fields=["adcode"]).table().num_rows
    if form == "parquet":
        assert pq.read_metadata(target).num_rows == expected
    elif form == "csv":
        assert len(target.read_text("utf-8-sig").splitlines()) == expected + 1
    else:
        import pyogrio

        assert pyogrio.read_info(target)["features"] == expected


def test_explain_tells_who_is_asked_and_what_happened(mesh: LocalMesh) -> None:
    ran = run_guotu(
        "explain", "stats", "landcover", "--group-by", "igbp", "--count", "--analyze", "--json",
        node=mesh.address("100000"),
    )  # fmt: skip
    assert ran.code == 0, ran.err
    text = json.dumps(ran.json)
    for word in ("510000", "510100", "500000", "ANSWERED", "group by igbp"):
        assert word in text
    plan, nodes = ran.json["plan"], ["100000"]
    while plan is not None:  # down to the store of the city
        (step,) = (step for step in plan["steps"] if "510100/landcover" in step["cut"])
        (attempt,) = step["attempts"]
        assert attempt["ending"] == "ANSWERED"
        assert 0 <= attempt["sign_ms"] <= attempt["rows_ms"] <= attempt["ended_ms"]
        nodes.append(step["node"])
        plan = step["plan"]
    assert nodes == ["100000", "510000", "510100", "510100"]
    assert attempt["store_ms"] > 0


def test_listings_know_the_mesh(mesh: LocalMesh) -> None:
    address = mesh.address("100000")
    nodes = run_guotu("nodes", "--json", node=address)
    datasets = run_guotu("datasets", "--json", node=address)
    versions = run_guotu("versions", "510100/county", "--json", node=address)
    collections = run_guotu("collections", "--json", node=address)
    assert all(name in nodes.out for name in ("100000", "510000", "510100", "500000"))
    assert "510100/landcover" in datasets.out
    assert versions.code == 0
    assert "dltb" in collections.out


def test_a_stranger_with_reflection_only_can_ask(mesh: LocalMesh) -> None:
    """grpcurl is written in Go and knows nothing of guotu but what reflection tells it."""
    question = {
        "collection": "landcover",
        "aggregates": [{"function": "AGGREGATE_FUNCTION_COUNT", "alias": "n"}],
        "options": {"scope": "SCOPE_SUBTREE"},
    }
    command = [
        str(Path(sys.executable).with_name("grpcurl")), "-plaintext", "-d", json.dumps(question),
        mesh.address("100000"), "guotu.v1.QueryService/Aggregate",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    assert '"complete": true' in done.stdout
    assert '"rows": "1"' in done.stdout
    health = subprocess.run(
        [command[0], "-plaintext", mesh.address("100000"), "grpc.health.v1.Health/Check"],
        capture_output=True, text=True, timeout=200,
    )  # fmt: skip
    assert "SERVING" in health.stdout


def test_metrics_and_logs_follow_a_question(mesh: LocalMesh) -> None:
    with mesh.client("100000") as client:
        answer = client.stats("county", count=True)
        answer.table()
        request_id = answer.header.request_id
    # A node notes a question when it has answered, and who asked may have the answer before.
    eventually(lambda: all(request_id in mesh.log(node).read_text() for node in ("100000", "510000", "510100")))
    address = mesh.nodes["100000"].metrics_address
    text = urllib.request.urlopen(f"http://{address}/metrics", timeout=60).read().decode()
    for name in ("guotu_requests_total", "guotu_member_seconds", "guotu_registry_stale", "guotu_answer_rows_total"):
        assert name in text
    assert re.search(r'guotu_member_outcomes_total\{member="510000",outcome="ANSWERED"\} [1-9]', text)
