"""Distinct values and their like on the command line: what reaches the node, and what is shown."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pytest

from guotu.client import connect
from guotu.model.question import Aggregate, AggregateFunction, CompletenessMode, Stats
from tests.support.canned_node import CannedNode, Script, answer_frames
from tests.support.cli_runner import asked, document, run

COUNT = (Aggregate(AggregateFunction.COUNT, "", "count"),)


@pytest.fixture
def script() -> Script:
    return Script()


@pytest.fixture
def node(script: Script) -> Iterator[CannedNode]:
    server = CannedNode(script)
    yield server
    server.stop()


def values(*, partial: bool = False) -> list[object]:
    rows = pa.record_batch([pa.array([13, 255]), pa.array([7, 1])], ["igbp", "count"])
    return list(answer_frames([rows], rows.schema, partial=partial))


def test_distinct_values_are_groups_that_are_counted(node: CannedNode, script: Script) -> None:
    script.frames = values()  # type: ignore[assignment]
    result = run(node, "distinct", "landcover", "igbp", "--top", "5", "--within-division", "成都市", "--json")
    assert result.exit_code == 0
    assert document(result)["rows"] == [{"igbp": 13, "count": 7}, {"igbp": 255, "count": 1}]
    question = asked(script)
    assert (question.collection, question.group_by, question.aggregates) == ("landcover", ("igbp",), COUNT)
    assert (question.top, question.selection.boundary) == (5, "成都市")


def test_it_says_how_many_there_are(node: CannedNode, script: Script) -> None:
    script.frames = values()  # type: ignore[assignment]
    whole = run(node, "distinct", "landcover", "igbp")
    assert whole.exit_code == 0
    assert "\n2 个不同取值 distinct values" in whole.stdout
    script.frames = values(partial=True)  # type: ignore[assignment]
    part = run(node, "distinct", "landcover", "igbp", "--partial")
    assert part.exit_code == 3
    assert "至少 at least 2 个不同取值 distinct values" in part.stdout


def test_from_python(node: CannedNode, script: Script) -> None:
    script.frames = values()  # type: ignore[assignment]
    with connect(node.address) as mesh:
        found = mesh.distinct("landcover", ["igbp"], where="igbp > 3", partial=True, dataset="510100/landcover")
        assert found.table()["count"].to_pylist() == [7, 1]
    question = asked(script)
    assert isinstance(question, Stats)
    assert (question.group_by, question.aggregates, question.selection.filter) == (("igbp",), COUNT, "igbp > 3")
    assert question.options.completeness is CompletenessMode.ALLOW_PARTIAL
    assert question.options.dataset == "510100/landcover"
