"""Pages by the command line and the Python client: what is asked, where the next page is told."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from guotu.answering import PARTIAL
from guotu.client import connect
from guotu.model.answer import Frame, Trailer
from guotu.model.question import Page
from tests.support.canned_node import CannedNode, Script
from tests.support.cli_answers import row_frames
from tests.support.cli_runner import asked, document, run


def page_frames(token: str) -> list[Frame]:
    """Return an answer whose next page has this token."""
    return [replace(frame, next_page=token) if isinstance(frame, Trailer) else frame for frame in row_frames()]


@pytest.fixture
def script() -> Script:
    return Script(frames=page_frames("next-1"))


@pytest.fixture
def node(script: Script) -> Iterator[CannedNode]:
    server = CannedNode(script)
    yield server
    server.stop()


def test_a_page_is_asked_for_and_tells_the_next(node: CannedNode, script: Script) -> None:
    result = run(node, "query", "landcover", "--page-size", "4", "--page", "token-0", "--json")
    assert document(result)["next_page"] == "next-1"
    assert asked(script).page == Page(4, "token-0")
    assert asked(script).limit == 0


@pytest.mark.parametrize("words", [[], ["--format", "csv"]])
def test_people_are_told_how_to_go_on(node: CannedNode, script: Script, words: list[str]) -> None:
    result = run(node, "query", "landcover", "--page-size", "4", *words)
    assert (result.exit_code, asked(script).limit) == (0, 0)
    assert "下一页 next page: --page next-1\n" in result.stderr
    script.frames = page_frames("")
    assert "next page" not in run(node, "query", "landcover", "--page-size", "4", *words).stderr


@pytest.mark.parametrize("form", ["parquet", "csv", "gpkg", "geojson", "fgb", "geojsonl"])
def test_the_file_of_a_page_leads_to_the_next(node: CannedNode, script: Script, tmp_path: Path, form: str) -> None:
    first = tmp_path / f"1.{form}"
    result = run(node, "query", "landcover", "--page-size", "4", "-o", str(first))
    assert f"--page {first}" in result.stderr
    script.frames = page_frames("")
    second = tmp_path / f"2.{form}"
    assert run(node, "query", "landcover", "--page-size", "4", "--page", str(first), "-o", str(second)).exit_code == 0
    assert script.questions[-1].page == Page(4, "next-1")
    result = run(node, "query", "landcover", "--page-size", "4", "--page", str(second), "--json")
    assert (result.exit_code, document(result)["error"]["reason"]) == (2, "INVALID_QUESTION")


@pytest.mark.parametrize("words", [["--page", "x"], ["--page-size", "0"], ["--page-size", "5", "--limit", "3"]])
def test_options_that_do_not_go_together_are_refused(node: CannedNode, script: Script, words: list[str]) -> None:
    assert run(node, "query", "landcover", *words).exit_code == 2
    assert script.questions == []


def test_what_the_client_makes_of_a_partial_answer_says_so(node: CannedNode, script: Script) -> None:
    with connect(node.address) as mesh:
        for partial in (True, False):
            script.frames = row_frames(partial=partial)
            frame = mesh.query("landcover", partial=True).geodataframe()
            script.frames = row_frames(partial=partial)
            table = mesh.query("landcover", partial=True).table()
            assert ("UNREACHABLE" in frame.attrs.get(PARTIAL, "")) == partial
            assert (PARTIAL.encode() in (table.schema.metadata or {})) == partial


def test_the_client_turns_pages(node: CannedNode, script: Script) -> None:
    with connect(node.address) as mesh:
        rows = 0
        for page in mesh.pages("landcover", page_size=4, sort=["-area_m2"], fields=["bsm"]):
            rows += page.table().num_rows
            script.frames = page_frames("next-2" if page.next_page == "next-1" else "")
    assert rows == 12
    told: list[Any] = [question.page for question in script.questions]
    assert told == [Page(4), Page(4, "next-1"), Page(4, "next-2")]
    assert {question.options.receipt for question in script.questions} == {True}


@pytest.mark.parametrize(("given", "told"), [
    (["--page-size", "4", "--page", "gone.parquet"], "no such file"),
    (["-o", "nowhere/out.csv"], "no such folder"),
    (["-o", "/dev/null", "--format", "csv"], "no regular file"),
    (["-o", "pipe.csv"], "no regular file"),
    (["--cut", "gone.parquet"], "cannot be read"),
])  # fmt: skip
def test_what_is_not_there_is_told_before_anybody_is_asked(
    node: CannedNode, script: Script, given: list[str], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe.csv")
    result = run(node, "query", "landcover", *given, "--json")
    assert (result.exit_code, document(result)["error"]["reason"]) == (2, "INVALID_QUESTION")
    assert told in result.stdout
    assert script.questions == []
