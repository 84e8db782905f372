"""`python -m demo` as a newcomer runs it: what it finds, what it shows, and that nothing is left."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from decimal import ROUND_HALF_UP, Decimal

import pyarrow.parquet as pq
import pytest

from demo.owners import LAYERS, NODES
from tests.support.demo_sandbox import Ran, new_sandbox

CHECKS = {
    "datasets", "classes", "provinces", "sum", "border", "named", "division", "within", "largest", "overlay", "partial",
    "marked", "refused", "elsewhere", "again", "replica", "diff", "old", "relief",
}  # fmt: skip


@pytest.fixture(scope="module")
def ran() -> Iterator[Ran]:
    """One run from beginning to end."""
    with new_sandbox() as sandbox:
        path = sandbox.home / "out" / "report.json"
        done = sandbox.run("--report", str(path))
        assert done.returncode == 0, done.stdout + done.stderr
        yield Ran(sandbox, done.stdout, json.loads(path.read_text(encoding="utf-8")))


def test_leaves_nothing_behind(ran: Ran) -> None:
    ran.sandbox.assert_clean()


def test_every_node_and_dataset_is_reported(ran: Ran) -> None:
    assert {node["node"]: node["name"] for node in ran.report["nodes"]} == NODES
    rows: dict[str, int] = defaultdict(int)
    for dataset in ran.report["datasets"]:
        assert dataset["version"] == 1
        assert len(dataset["digest"]) > 0
        rows[dataset["collection"]] += dataset["rows"]
    assert rows == {layer.collection: pq.read_metadata(layer.path).num_rows for layer in LAYERS}
    owners = {dataset["node"] for dataset in ran.report["datasets"]}
    assert owners == set(NODES) - {"100000"}


def test_totals_are_those_of_the_file(ran: Ran) -> None:
    """Again, apart from the demo's own code: the answer in the report against the file."""
    columns = pq.read_table(LAYERS[1].path).select(["igbp", "area_m2"]).to_pydict()
    area: dict[int, Decimal] = defaultdict(Decimal)
    for igbp, square_metres in zip(columns["igbp"], columns["area_m2"], strict=True):
        area[igbp] += Decimal(str(square_metres))
    answer = ran.question("classes")["result"]
    assert {row["igbp"]: Decimal(row["sum_area_m2"]) for row in answer} == area
    assert sum(row["count"] for row in answer) == len(columns["igbp"])
    for square_metres in area.values():
        hectares = (square_metres / 10000).quantize(Decimal("0.01"), ROUND_HALF_UP)
        assert f" {hectares} " in ran.output


def test_answers_are_accounted_for(ran: Ran) -> None:
    for question in ran.report["questions"]:
        assert question["milliseconds"] > 0
        assert question["command"].startswith("guotu ")
        assert question["outcomes"], question["name"]
        if question["name"] in ("partial", "refused"):
            continue
        assert question["completeness"]["complete"], question["name"]
        assert len(question["digest"]) == 64
        assert question["cut"]
        assert question["error"] is None


def test_only_the_owners_are_asked(ran: Ran) -> None:
    outcomes = {item["dataset"]: (item["outcome"], item["reason"]) for item in ran.question("division")["outcomes"]}
    pruned = {dataset for dataset, (outcome, _) in outcomes.items() if outcome == "PRUNED"}
    assert pruned >= {"500000/county", "520000/county", "510700/county"}
    assert outcomes["510100/county"][0] == "ANSWERED"


def test_a_lost_node_is_marked_and_comes_back(ran: Ran) -> None:
    partial = ran.question("partial")
    missing = [item["dataset"] for item in partial["outcomes"] if item["outcome"] != "ANSWERED"]
    assert missing == ["510100/landcover"]
    assert not partial["completeness"]["complete"]
    assert 0.9 < partial["completeness"]["rows_share"] < 1
    assert 0.9 < partial["completeness"]["territory_share"] < 1
    refused = ran.question("refused")
    assert refused["error"]["reason"] == "INCOMPLETE_ANSWER"
    assert refused["result"] is None
    assert ran.question("again")["digest"] == ran.question("classes")["digest"] != partial["digest"]


def test_replicas_of_all_land_cover_are_proven(ran: Ran) -> None:
    first = ran.report["replication"]["first"]
    owned = {item["dataset"]: item["rows"] for item in ran.report["datasets"] if item["collection"] == "landcover"}
    assert {item["dataset"]: item["rows"] for item in first["datasets"]} == owned
    assert {item["version"] for item in first["datasets"]} == {1}
    assert first["rows"] == pq.read_metadata(LAYERS[1].path).num_rows
    assert first["shipped_bytes"] > 0 < first["seconds"]


def test_an_edit_ships_its_change_and_is_proven(ran: Ran) -> None:
    found = ran.report["replication"]
    edit = found["edit"]
    assert edit["shipped_bytes"] == edit["delta_bytes"] < edit["whole_bytes"] / 5
    assert 0 < edit["published_s"] <= edit["proven_s"]
    assert (edit["dataset"], edit["version"]) == ("520000/landcover", 2)
    owner, replica = found["ends"]
    assert (owner["node"], replica["node"]) == ("520000", "100000")
    assert all(end["sound"] and end["version"] == 2 and end["digest"] == end["signed"] for end in (owner, replica))
    for member in ("rows", "digest", "answers"):
        assert owner[member] == replica[member]
    assert owner["digest"] not in {item["digest"] for item in ran.report["datasets"]}
    assert owner["answers"]["1"] == found["before"] != owner["answers"]["2"]
    for text in (owner["digest"], f"{edit['shipped_bytes']:,} B", "摘要相同 the digests are equal"):
        assert text in ran.output


def test_the_difference_is_the_edit(ran: Ran) -> None:
    found = ran.report["replication"]
    assert (found["diff"]["since"], found["diff"]["until"]) == (1, 2)
    assert {name: found["diff"]["change"][name] for name in ("inserts", "updates", "deletes")} == {
        "inserts": 5, "updates": 5, "deletes": 2,
    }  # fmt: skip
    assert found["diff"]["change"] == found["edit"]["change"]
    for command in (found["first"]["command"], found["edit"]["command"], found["diff"]["command"]):
        assert f"$ {command}" in ran.output
    assert "新增 insert" in ran.output


def test_every_check_is_made_and_passes(ran: Ran) -> None:
    checks = {check["name"]: check for check in ran.report["checks"]}
    assert set(checks) == CHECKS
    assert all(check["passed"] and check["compared"] for check in checks.values())
    assert ran.report["passed"] is True


def test_screen_is_bilingual_and_shows_the_commands(ran: Ran) -> None:
    for question in ran.report["questions"]:
        assert question["title"] in ran.output
        assert f"$ {question['command']}" in ran.output
    for expected in ("节点 node", "不完整 PARTIAL", "跳过 PRUNE", "核对全部通过 all 19 checks passed"):
        assert expected in ran.output
    assert "\x1b[" not in ran.output
