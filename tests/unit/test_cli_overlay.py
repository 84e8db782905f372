"""`guotu overlay` against a node that gives answers made beforehand: what is asked, what is shown, how it ends."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pyarrow.csv
import pytest

from demo.questions import classes_around, write_polygon
from guotu.model.errors import DeadlineExceeded
from guotu.model.question import CompletenessMode, Overlay
from tests.support.canned_node import CannedNode, Script
from tests.support.cli_answers import OVERLAY, overlay_frames
from tests.support.cli_runner import asked, document, run


@pytest.fixture
def script() -> Script:
    return Script(frames=list(overlay_frames()))


@pytest.fixture
def node(script: Script) -> Iterator[CannedNode]:
    server = CannedNode(script)
    yield server
    server.stop()


@pytest.fixture
def zones(tmp_path: Path) -> str:
    return str(write_polygon(tmp_path / "zones.geojson"))


def test_the_question_is_what_the_options_say(node: CannedNode, script: Script, zones: str) -> None:
    words = ["--group-by", "igbp,county", "--where", "igbp = 13", "--partial", "--scope", "self", "--json"]
    assert run(node, "overlay", zones, "--with", "500000/landcover", "--version", "3", *words).exit_code == 0
    question = asked(script)
    assert isinstance(question, Overlay)
    assert (question.collection, question.group_by, question.shares) == ("landcover", ("igbp", "county"), True)
    assert (question.selection.filter, question.options.dataset) == ("igbp = 13", "500000/landcover")
    assert dict(question.options.cut) == {"500000/landcover": 3}
    assert question.options.completeness is CompletenessMode.ALLOW_PARTIAL
    assert question.zones.names.to_pylist() == ["1"]


def test_the_demo_tells_the_command_that_asks_the_same(node: CannedNode, script: Script, zones: str) -> None:
    demo = classes_around(Path(zones))
    assert run(node, *demo.command.split()[1:], "--json").exit_code == 0
    assert asked(script) == replace(demo.question, options=replace(demo.question.options, receipt=True))


def test_a_table_shows_names_hectares_half_up_and_shares(node: CannedNode, zones: str) -> None:
    result = run(node, "overlay", zones, "--with", "landcover", "--group-by", "igbp")
    assert result.exit_code == 0
    for expected in ("甲地", "13 城镇", "123456789.1250", "12345.68", "98.77%", "125.00%", "ANSWERED"):
        assert expected in result.stdout
    (line,) = (line for line in result.stdout.splitlines() if "49.9999" in line)
    assert line.split()[-4:] == ["1", "49.9999", "0.00", "0.01%"]


def test_json_and_files_keep_every_digit(node: CannedNode, script: Script, zones: str, tmp_path: Path) -> None:
    result = run(node, "overlay", zones, "--with", "landcover", "--group-by", "igbp", "--json")
    rows = json.loads(result.stdout, parse_float=Decimal)["rows"]
    assert [row["area_m2"] for row in rows] == OVERLAY["area_m2"].to_pylist()
    target = tmp_path / "out.csv"
    assert run(node, "overlay", zones, "--with", "landcover", "--group-by", "igbp", "-o", str(target)).exit_code == 0
    assert pyarrow.csv.read_csv(target)["zone"].to_pylist() == OVERLAY["zone"].to_pylist()


def test_several_answers_are_one_array(node: CannedNode, script: Script, zones: str) -> None:
    words = ["overlay", zones, "--with", "landcover", "--with", "dltb", "--json"]
    result = run(node, *words)
    assert result.exit_code == 0
    assert len(document(result)) == 2
    assert [question.collection for question in script.questions] == ["landcover", "dltb"]
    script.frames = list(overlay_frames(partial=True))
    assert run(node, *words, "--partial").exit_code == 3


@pytest.mark.parametrize("frames", [0, 1])
def test_an_array_ends_with_what_failed(node: CannedNode, script: Script, zones: str, frames: int) -> None:
    """Before the header or after it: what is printed is one JSON document all the same."""
    script.frames = list(overlay_frames())[:frames]
    script.error = DeadlineExceeded(node="510000", seconds=1)
    result = run(node, "overlay", zones, "--with", "landcover", "--with", "dltb", "--json")
    (failed,) = document(result)
    assert failed["error"]["reason"] == "DEADLINE_EXCEEDED"
    assert result.exit_code == 7


@pytest.mark.parametrize(
    "words",
    [
        ["--with", "landcover", "--with", "dltb", "-o", "x.csv"],
        ["--with", "landcover", "--format", "csv", "--json"],
        ["--with", "landcover", "-o", "x.gpkg"],
        [],
    ],
)
def test_wrong_usage(node: CannedNode, script: Script, zones: str, words: list[str]) -> None:
    assert run(node, "overlay", zones, *words).exit_code == 2
    assert not script.questions


def test_one_overlay_is_explained_at_a_time(node: CannedNode, zones: str) -> None:
    result = run(node, "explain", "overlay", zones, "--with", "landcover", "--analyze", "--json")
    assert document(result)["plan"]["steps"][0]["node"] == "510100"
    assert run(node, "explain", "overlay", zones, "--with", "landcover", "--with", "dltb").exit_code == 2
