"""More questions on the command line: what reaches the node, and what is shown."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import geopandas
import pyarrow as pa
import pytest
import shapely

from guotu.client import connect
from guotu.model.errors import InvalidQuestion
from guotu.model.question import (
    Aggregate,
    AggregateFunction,
    Bins,
    CompletenessMode,
    Nearest,
    Quantiles,
    Query,
    Stats,
)
from tests.support.canned_node import CannedNode, Script, answer_frames
from tests.support.cli_runner import asked, document, run

COUNT = (Aggregate(AggregateFunction.COUNT, "", "count"),)


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


PLACE = shapely.Point(104.06, 30.67)
PLACES = {
    "numbers": ["104.06", "30.67"],
    "text": ["POINT (104.06 30.67)"],
    "file": ["place.geojson"],
}


def near_frames() -> list[object]:
    rows = pa.record_batch([pa.array([0.0, 12.5]), pa.array(["a", "b"])], ["distance_m", "bsm"])
    return list(answer_frames([rows], rows.schema))


@pytest.mark.parametrize("place", PLACES)
def test_the_nearest_are_of_a_place(
    node: CannedNode, script: Script, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    geopandas.GeoSeries([PLACE], crs="EPSG:4490").to_file("place.geojson")
    script.frames = near_frames()  # type: ignore[assignment]
    result = run(
        node, "nearest", "landcover", *PLACES[place], "--k", "2", "--max-distance", "500", "--fields", "bsm",
        "--where", "igbp = 13", "--json",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert document(result)["rows"][1] == {"distance_m": 12.5, "bsm": "b"}
    question = asked(script)
    assert isinstance(question, Query)
    assert question.nearest is not None
    assert shapely.from_wkb(question.nearest.wkb).equals_exact(PLACE, 1e-9)
    assert (question.nearest.within_m, question.limit, question.fields) == (500.0, 2, ("bsm",))
    assert question.selection.filter == "igbp = 13"


@pytest.mark.parametrize(("words", "told"), [
    (["104.06"], "neither a file nor WKT"), (["a", "b"], "no number"), (["1", "2", "3"], "LON LAT"),
    (["30.67", "104.06"], "longitude first"), (["nan", "30"], "longitude first"), (["POINT EMPTY"], "longitude first"),
])  # fmt: skip
def test_what_is_no_place_is_refused(node: CannedNode, script: Script, words: list[str], told: str) -> None:
    result = run(node, "nearest", "landcover", *words, "--json")
    assert (result.exit_code, document(result)["error"]["reason"]) == (2, "INVALID_QUESTION")
    assert told in result.stdout
    assert script.questions == []


def test_the_nearest_from_python(node: CannedNode, script: Script) -> None:
    script.frames = near_frames()  # type: ignore[assignment]
    with connect(node.address) as mesh:
        for place in ((104.06, 30.67), PLACE, shapely.to_wkb(PLACE)):
            mesh.nearest("landcover", place, 3, max_distance=7, fields=["bsm"], division="510100").table()
        with pytest.raises(InvalidQuestion, match="longitude, latitude"):
            mesh.nearest("landcover", "there")
    one, two, three = script.questions
    assert one == two == three
    assert isinstance(one, Query)
    assert one.nearest == Nearest(shapely.to_wkb(PLACE), 7.0)
    assert (one.limit, one.selection.division) == (3, "510100")


def class_frames() -> list[object]:
    rows = pa.record_batch(
        [pa.array([1, 2]), pa.array([0.0, 5.0]), pa.array([5.0, 9.5]), pa.array([3, 4])],
        ["bin", "low", "high", "count"],
    )
    return list(answer_frames([rows], rows.schema))


@pytest.mark.parametrize(("given", "bins"), [
    (["--bins", "2"], Bins("area_m2", 2)),
    (["--range", "0,9.5"], Bins("area_m2", 10, ("0", "9.5"))),
    (["--edges", "0,5,9.5"], Bins("area_m2", 0, ("0", "5", "9.5"))),
])  # fmt: skip
def test_classes(node: CannedNode, script: Script, given: list[str], bins: Bins) -> None:
    script.frames = class_frames()  # type: ignore[assignment]
    result = run(node, "histogram", "landcover", "area_m2", *given, "--partial")
    assert result.exit_code == 0, result.output
    assert "9.5" in result.stdout
    question = asked(script)
    assert (question.bins, question.aggregates) == (bins, COUNT)
    assert question.options.completeness is CompletenessMode.ALLOW_PARTIAL


@pytest.mark.parametrize(
    "given", [["--range", "3"], ["--edges", "0,1", "--range", "0,1"], ["--edges", "0,1", "--bins", "2"]]
)
def test_classes_are_given_in_one_way(node: CannedNode, script: Script, given: list[str]) -> None:
    result = run(node, "histogram", "landcover", "area_m2", *given)
    assert result.exit_code == 2
    assert given[0] in result.stderr
    assert script.questions == []


@pytest.mark.parametrize("words", [["count", "landcover"], ["histogram", "landcover", "igbp"]])
def test_counts_of_a_partial_answer_are_marked(node: CannedNode, script: Script, words: list[str]) -> None:
    script.frames = values()  # type: ignore[assignment]
    assert "至少" not in run(node, *words).stdout
    script.frames = values(partial=True)  # type: ignore[assignment]
    part = run(node, *words, "--partial")
    assert (part.exit_code, "count 至少 at least" in part.stdout) == (3, True)
    assert "igbp 至少" not in part.stdout


def test_quantiles(node: CannedNode, script: Script) -> None:
    script.frames = class_frames()  # type: ignore[assignment]
    result = run(node, "quantiles", "landcover", "area_m2", "--at", "0.5,1", "--where", "igbp = 13", "--json")
    assert result.exit_code == 0
    question = asked(script)
    assert (question.quantiles, question.aggregates) == (Quantiles("area_m2", (0.5, 1.0)), ())
    assert question.selection.filter == "igbp = 13"
    wrong = run(node, "quantiles", "landcover", "area_m2", "--at", "half", "--json")
    assert (wrong.exit_code, document(wrong)["error"]["reason"]) == (2, "INVALID_QUESTION")


def test_classes_and_quantiles_from_python(node: CannedNode, script: Script) -> None:
    script.frames = class_frames()  # type: ignore[assignment]
    with connect(node.address) as mesh:
        mesh.histogram("landcover", "area_m2", 4, range=(0, 8), boundary="成都市").table()
        mesh.histogram("landcover", "area_m2", edges=(0, 1.5, 8)).table()
        mesh.quantiles("landcover", "area_m2", (0.1,)).table()
    first, second, third = script.questions
    assert isinstance(first, Stats)
    assert (first.bins, first.selection.boundary) == (Bins("area_m2", 4, ("0", "8")), "成都市")
    assert isinstance(second, Stats)
    assert second.bins == Bins("area_m2", 0, ("0", "1.5", "8"))
    assert isinstance(third, Stats)
    assert third.quantiles == Quantiles("area_m2", (0.1,))


@pytest.mark.parametrize("words", [
    ["histogram", "landcover", "area_m2"], ["quantiles", "landcover", "area_m2"], ["distinct", "landcover", "igbp"],
    ["count", "landcover", "--estimate"], ["nearest", "landcover", "104", "30"],
])  # fmt: skip
def test_they_can_be_explained(node: CannedNode, words: list[str]) -> None:
    result = run(node, "explain", *words, "--analyze")
    assert result.exit_code == 3
    assert "concatenate by dataset" in result.stdout


def test_counts_exactly_or_about(node: CannedNode, script: Script) -> None:
    rows = pa.record_batch([pa.array([7])], ["count"])
    script.frames = list(answer_frames([rows], rows.schema))
    assert run(node, "count", "landcover", "--within", "510100", "--json").exit_code == 0
    exact = script.questions.pop()
    assert isinstance(exact, Stats)
    assert (exact.aggregates, exact.estimate, exact.selection.division) == (COUNT, False, "510100")
    assert run(node, "count", "landcover", "--estimate").exit_code == 0
    about = script.questions.pop()
    assert isinstance(about, Stats)
    assert (about.aggregates, about.estimate) == ((), True)
    with connect(node.address) as mesh:
        mesh.count("landcover", estimate=True, division="510100").table()
    assert script.questions.pop() == replace(about, selection=exact.selection)
