"""What the command line asks: every option of a question reaches the node, and what cannot be meant is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pytest
import shapely
from click.testing import CliRunner

from guotu.client import connect
from guotu.model.errors import InvalidQuestion
from guotu.model.question import CompletenessMode, Query, Scope, Stats
from guotu.model.records import Extent
from node.cli.program import program
from tests.support.canned_node import CannedNode, Script
from tests.support.cli_answers import group_frames, row_frames
from tests.support.cli_runner import asked, document, run

ANGLES = np.linspace(0, 2 * np.pi, 80_000)
CIRCLE = np.column_stack([104 + np.cos(ANGLES), 30 + np.sin(ANGLES)])


def test_every_option_of_a_query_reaches_the_node(node: CannedNode, script: Script) -> None:
    script.frames = row_frames()
    result = run(
        node, "query", "landcover", "--where", "igbp = 13", "--bbox", "103.9,30.5,104.2,30.8", "--fields", "bsm, igbp",
        "--sort", "-area_m2,bsm", "--limit", "7", "--crs", "EPSG:4544", "--scope", "self", "--partial",
        "--version", "510000/landcover@3", "--version", "510100/landcover@12", "--json",
    )  # fmt: skip
    assert result.exit_code == 0
    question = asked(script)
    assert isinstance(question, Query)
    assert (question.collection, question.fields, question.limit, question.crs) == (
        "landcover", ("bsm", "igbp"), 7, "EPSG:4544",
    )  # fmt: skip
    assert question.selection.filter == "igbp = 13"
    assert question.selection.bbox == Extent(103.9, 30.5, 104.2, 30.8)
    assert [(key.field, key.descending) for key in question.sort] == [("area_m2", True), ("bsm", False)]
    assert question.options.scope is Scope.SELF
    assert question.options.completeness is CompletenessMode.ALLOW_PARTIAL
    assert question.options.cut == {"510000/landcover": 3, "510100/landcover": 12}
    assert question.options.dataset == ""


def test_every_option_of_a_grouping_question_reaches_the_node(node: CannedNode, script: Script) -> None:
    script.frames = group_frames()
    result = run(
        node, "stats", "landcover", "--group-by", "igbp,county", "--sum", "area_m2", "--count", "--count", "bsm",
        "--min", "area_m2", "--max", "area_m2", "--avg", "area_m2,igbp", "--within", "510100", "--json",
    )  # fmt: skip
    assert result.exit_code == 0
    question = asked(script)
    assert isinstance(question, Stats)
    assert question.group_by == ("igbp", "county")
    assert [item.alias for item in question.aggregates] == [
        "count", "count_bsm", "sum_area_m2", "min_area_m2", "max_area_m2", "avg_area_m2", "avg_igbp",
    ]  # fmt: skip
    assert question.selection.division == "510100"


@pytest.mark.parametrize("versions", [["--version", "3"], ["--version", "510100/landcover@3"]])
def test_a_dataset_in_place_of_a_collection_is_asked_alone(
    node: CannedNode, script: Script, versions: list[str]
) -> None:  # fmt: skip
    for command, frames in (("query", row_frames), ("stats", group_frames)):
        script.frames = frames()
        assert run(node, command, "510100/landcover", *versions, "--json").exit_code == 0
        question = script.questions.pop()
        assert (question.collection, question.options.dataset) == ("landcover", "510100/landcover")
        assert question.options.cut == {"510100/landcover": 3}
    assert run(node, "explain", "query", "510100/landcover", *versions).exit_code == 0


def test_a_dataset_without_a_version_is_asked_at_its_head(node: CannedNode, script: Script) -> None:
    script.frames = group_frames()
    result = run(node, "stats", "510100/landcover", "--group-by", "igbp,county", "--sum", "area_m2", "--count")
    assert result.exit_code == 0
    assert (asked(script).options.dataset, asked(script).options.cut) == ("510100/landcover", {})
    assert "510104 锦江区" in result.stdout


@pytest.mark.parametrize(("arguments", "wanted"), [
    (["landcover", "--version", "3"], "NODE/landcover --version 3"),
    (["51/landcover"], "dataset id"),
    (["510100/landcover", "--version", "0"], "from 1"),
    (["510100/landcover", "--version", "510100@3"], "dataset id"),
])  # fmt: skip
def test_a_version_or_dataset_that_cannot_be_meant_is_refused(
    node: CannedNode, script: Script, arguments: list[str], wanted: str
) -> None:  # fmt: skip
    for command in ("query", "stats"):
        result = run(node, command, *arguments, "--json")
        error = document(result)["error"]
        assert (result.exit_code, error["reason"]) == (2, "INVALID_QUESTION")
        assert wanted in error["message"]
    assert script.questions == []


def test_the_client_asks_for_a_dataset_at_a_version(node: CannedNode, script: Script) -> None:
    with connect(node.address) as mesh:
        script.frames = row_frames()
        mesh.query("landcover", dataset="510100/landcover", version=3).table()
        script.frames = group_frames()
        mesh.stats("landcover", dataset="510100/landcover", cut={"510000/landcover": 2}).table()
        with pytest.raises(InvalidQuestion):
            mesh.query("landcover", version=3)
    first, second = (question.options for question in script.questions)
    assert (first.dataset, first.cut) == ("510100/landcover", {"510100/landcover": 3})
    assert (second.dataset, second.cut) == ("510100/landcover", {"510000/landcover": 2})


def test_within_takes_polygons_of_a_file_in_their_crs(node: CannedNode, script: Script, tmp_path: Path) -> None:
    script.frames = row_frames()
    square = shapely.box(104.0, 30.0, 104.1, 30.1)
    file = tmp_path / "site.shp"
    geopandas.GeoSeries([square], crs="EPSG:4490").to_crs("EPSG:4544").to_file(file)
    assert run(node, "query", "landcover", "--within", str(file), "--json").exit_code == 0
    sent = shapely.from_wkb(asked(script).selection.within)
    assert shapely.hausdorff_distance(sent, square) < 1e-6


@pytest.mark.parametrize(("shape", "crs", "reason"), [
    (shapely.Point(104, 30), "EPSG:4490", "INVALID_QUESTION"),
    (shapely.box(104, 30, 105, 31), None, "INVALID_CRS"),
    (shapely.Polygon(CIRCLE), "EPSG:4490", "TOO_LARGE"),
])  # fmt: skip
def test_within_refuses_what_is_no_place(
    node: CannedNode, tmp_path: Path, shape: Any, crs: str | None, reason: str
) -> None:  # fmt: skip
    file = tmp_path / "site.gpkg"
    geopandas.GeoSeries([shape], crs=crs).to_file(file)
    result = run(node, "query", "landcover", "--within", str(file), "--json")
    assert (result.exit_code, document(result)["error"]["reason"]) == (2, reason)


def test_a_cut_is_read_from_an_earlier_answer(node: CannedNode, script: Script, tmp_path: Path) -> None:
    script.frames = row_frames()
    receipt = tmp_path / "earlier.json"
    receipt.write_text(run(node, "query", "landcover", "--json").stdout)
    script.frames = row_frames()
    assert run(node, "query", "landcover", "--cut", str(receipt), "--json").exit_code == 0
    assert script.questions[-1].options.cut == {"510100/landcover": 3}
    assert script.questions[-1].options.closed
    assert not script.questions[0].options.closed


def test_a_version_beside_a_cut_takes_the_place_of_the_one_in_it(
    node: CannedNode, script: Script, tmp_path: Path
) -> None:
    file = tmp_path / "cut.json"
    file.write_text('{"510000/landcover": 7, "510100/landcover": 8}')
    script.frames = row_frames()
    words = ("query", "landcover", "--cut", str(file), "--version", "510100/landcover@3", "--json")
    assert run(node, *words).exit_code == 0
    options = asked(script).options
    assert (options.cut, options.closed) == ({"510000/landcover": 7, "510100/landcover": 3}, True)


@pytest.mark.parametrize("content", [
    "[]", "{", "{}", '{"510100/landcover": 0}', '{"nonsense": 1}', '{"510100/dltb": true}',
])  # fmt: skip
def test_a_cut_that_is_none_is_refused(node: CannedNode, tmp_path: Path, content: str) -> None:
    file = tmp_path / "cut.json"
    file.write_text(content)
    result = run(node, "query", "landcover", "--cut", str(file), "--json")
    assert (result.exit_code, document(result)["error"]["reason"]) == (2, "INVALID_QUESTION")


@pytest.mark.parametrize(
    "arguments",
    [
        ["query"], ["query", "x", "--bbox", "1,2,3"], ["query", "x", "--limit", "-1"], ["query", "x", "--scope", "all"],
        ["query", "x", "--json", "--format", "csv"], ["stats", "x", "-o", "a.gpkg"], ["nothing"],
        ["--timeout", "0", "nodes"],
    ],
)  # fmt: skip
def test_usage_that_cannot_be_meant_ends_with_2(arguments: list[str]) -> None:
    assert CliRunner().invoke(program, arguments).exit_code == 2
