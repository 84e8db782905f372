"""Commands against a node that gives answers made beforehand: what is asked, what is shown, how it ends."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import geopandas
import pytest
from click.testing import CliRunner

from guotu.model.answer import Notice
from guotu.model.errors import DeadlineExceeded, IncompleteAnswer, InvalidFilter, NobodyAnswered
from node.cli.program import program
from tests.support.canned_node import CannedNode, Script
from tests.support.cli_answers import ROWS, group_frames, row_frames
from tests.support.cli_runner import asked, document, run


def test_lists_are_shown_in_both_languages_and_as_json(node: CannedNode) -> None:
    for command, expected in (
        (["nodes"], "节点 node"),
        (["collections"], "图层 collection"),
        (["collections", "dltb"], "扣除地类系数"),
        (["datasets"], "数据集 dataset"),
        (["versions", "510000/county"], "版本 version"),
        (["explain", "query", "landcover"], "询问 ASK"),
    ):
        result = run(node, *command)
        assert (result.exit_code, result.stderr) == (0, ""), command
        assert expected in result.stdout
        assert document(run(node, *command, "--json"))


def test_json_lists_have_what_a_program_needs(node: CannedNode) -> None:
    (found,) = document(run(node, "nodes", "--json"))["nodes"]
    assert (found["node"], found["name"], found["division"]) == ("510000", "四川省", "510000")
    assert found["public_key"] == "01" * 32
    (dataset,) = document(run(node, "datasets", "--json"))["datasets"]
    assert (dataset["dataset"], dataset["version"], dataset["rows"]) == ("510000/county", 2, 21)
    (version,) = document(run(node, "versions", "510000/county", "--json"))["versions"]
    assert (version["version"], version["message"]) == (2, "第二版")
    collection = document(run(node, "collections", "dltb", "--json"))
    assert collection["key"] == "BSM"
    assert collection["code_lists"]["dlbm"]["codes"]["0101"] == "水田"


def test_rows_as_json_are_one_document_with_the_whole_account(node: CannedNode, script: Script) -> None:
    script.frames = row_frames()
    result = run(node, "query", "landcover", "--json")
    found = document(result)
    assert [row["bsm"] for row in found["rows"]] == ROWS["bsm"].to_pylist()
    assert found["rows"][0]["geometry"]["type"] == "Polygon"
    assert found["cut"] == {"510100/landcover": 3}
    assert len(bytes.fromhex(found["digest"])) == 32
    assert found["completeness"]["complete"] is True
    assert found["completeness"]["members"][0]["outcome"] == "ANSWERED"
    assert found["milliseconds"] == 12.5
    assert (result.exit_code, asked(script).limit) == (0, 0)


def test_a_table_asks_for_a_screenful_and_shows_the_account(node: CannedNode, script: Script) -> None:
    script.frames = row_frames()
    result = run(node, "query", "landcover")
    assert (result.exit_code, asked(script).limit) == (0, 50)
    for expected in ("0101", "Polygon 5 点 pts", "ANSWERED", "完整 complete", "510100/landcover@3", "12 ms"):
        assert expected in result.stdout
    assert max(map(len, result.stdout.splitlines())) < 300


def test_a_partial_answer_is_marked_everywhere(node: CannedNode, script: Script, tmp_path: Path) -> None:
    for arguments in ([], ["--json"], ["-o", str(tmp_path / "a.csv")], ["--format", "csv"]):
        script.frames = row_frames(partial=True)
        result = run(node, "query", "landcover", "--partial", *arguments)
        assert result.exit_code == 3, arguments
        if "--json" in arguments:
            assert document(result)["completeness"]["complete"] is False
        else:
            assert "PARTIAL" in result.stderr
            assert "NOT_REGISTERED" in result.stdout + result.stderr


def test_a_file_is_written_and_its_account_told(node: CannedNode, script: Script, tmp_path: Path) -> None:
    script.frames = row_frames()
    target = tmp_path / "a.gpkg"
    result = run(node, "query", "landcover", "-o", str(target), "--json")
    assert document(result)["file"] == str(target)
    assert "rows" not in document(result)
    assert len(geopandas.read_file(target, layer="landcover")) == 4


def test_stdout_takes_rows_alone(node: CannedNode, script: Script) -> None:
    script.frames = row_frames()
    result = run(node, "query", "landcover", "--format", "geojsonseq")
    assert [json.loads(line)["properties"]["bsm"] for line in result.stdout.splitlines()] == ROWS["bsm"].to_pylist()
    assert result.stderr == ""


def test_groups_show_names_exact_sums_and_hectares_half_up(node: CannedNode, script: Script) -> None:
    script.frames = group_frames()
    result = run(node, "stats", "landcover", "--group-by", "igbp,county", "--sum", "area_m2", "--count")
    assert result.exit_code == 0
    for expected in (
        "12345678901234567890123456.7", "1234567890123456789012.35", "sum_area_m2 公顷 ha", "13 城镇", "510104 锦江区",
    ):  # fmt: skip
        assert expected in result.stdout
    (line,) = (line for line in result.stdout.splitlines() if "999999" in line)
    assert line.split()[-3:] == ["1", "50.0", "0.01"]


def test_groups_as_json_keep_every_digit(node: CannedNode, script: Script) -> None:
    script.frames = group_frames()
    result = run(node, "stats", "landcover", "--group-by", "igbp,county", "--sum", "area_m2", "--json")
    rows = json.loads(result.stdout, parse_float=Decimal)["rows"]
    assert rows[0]["sum_area_m2"] == Decimal("12345678901234567890123456.7")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InvalidFilter(where="3", detail="no"), 2),
        (IncompleteAnswer(missing="510700/landcover UNREACHABLE"), 4),
        (NobodyAnswered(missing="510700/landcover UNREACHABLE"), 4),
        (DeadlineExceeded(node="510000", seconds=1), 7),
    ],
)
def test_an_error_of_the_node_is_told_with_its_code(
    node: CannedNode, script: Script, error: Any, code: int
) -> None:  # fmt: skip
    script.error = error
    script.frames = list(row_frames(partial=True)) if code == 4 else []
    result = run(node, "query", "landcover")
    assert (result.exit_code, result.stdout) == (code, "")
    assert error.chinese in result.stderr
    assert error.english in result.stderr
    assert ("NOT_REGISTERED" in result.stderr) == (code == 4)
    result = run(node, "query", "landcover", "--json")
    found = document(result)["error"]
    assert (result.exit_code, found["reason"], found["facts"]) == (code, error.reason, error.facts)
    assert ("completeness" in found) == (code == 4)


def test_an_error_before_the_header_is_a_document_without_rows(node: CannedNode, script: Script) -> None:
    script.error = InvalidFilter(where="3", detail="no")
    found = document(run(node, "stats", "landcover", "--json"))
    assert set(found) == {"error"}
    assert set(found["error"]) == {"reason", "message", "message_zh", "facts"}


def test_nobody_at_the_address_is_unavailable() -> None:
    result = CliRunner().invoke(program, ["--node", "127.0.0.1:1", "--timeout", "60", "nodes", "--json"])
    assert result.exit_code == 6
    assert document(result)["error"]["reason"] == "NODE_UNAVAILABLE"


def test_an_unknown_collection_is_not_found(node: CannedNode) -> None:
    result = run(node, "collections", "nope")
    assert result.exit_code == 5
    assert "nope" in result.stderr


def test_warnings_reach_stderr(node: CannedNode, script: Script) -> None:
    first, *rest = row_frames()
    script.frames = [first, Notice("STALE_REGISTRY", "as of noon", "510000"), *rest]
    result = run(node, "query", "landcover")
    assert "STALE_REGISTRY: as of noon" in result.stderr
    script.frames = [first, Notice("STALE_REGISTRY", "as of noon", "510000"), *rest]
    (warning,) = document(run(node, "query", "landcover", "--json"))["warnings"]
    assert warning == {"reason": "STALE_REGISTRY", "message": "as of noon", "node": "510000"}


def test_explain_shows_who_is_asked_and_what_happened(node: CannedNode) -> None:
    result = run(node, "explain", "stats", "landcover", "--sum", "area_m2", "--analyze")
    assert result.exit_code == 3
    for expected in ("510100", "10.0.0.2:7083", "510100/landcover@3", "OUTSIDE_WINDOW", "filter, projection", "12 ms"):
        assert expected in result.stdout
    assert "可绕道 detour: 510104, 510105" in result.stdout
    found = document(run(node, "explain", "query", "landcover", "--json"))
    assert [step["decision"] for step in found["plan"]["steps"]] == ["ASK", "PRUNE"]
    assert found["analysis"] is None


def test_a_file_that_cannot_be_written_is_named(node: CannedNode, script: Script, tmp_path: Path) -> None:
    script.frames = row_frames()
    result = run(node, "query", "landcover", "-o", str(tmp_path / "no" / "a.csv"))
    assert result.exit_code == 2
    assert str(tmp_path / "no") in result.stderr


def test_brackets_in_data_are_no_markup(node: CannedNode, script: Script) -> None:
    script.error = InvalidFilter(where="[red]3[/red]", detail="[bold]x")
    assert "[red]3[/red]" in run(node, "query", "landcover").stderr


@pytest.mark.parametrize("words", [[], ["explain"]])
def test_a_group_without_a_command_shows_its_help(words: list[str]) -> None:
    result = CliRunner().invoke(program, words)
    assert (result.exit_code, "示例 examples:" in result.output, "用法有误" in result.output) == (2, True, False)
