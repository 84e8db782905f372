"""`guotu subscribe`, `unsubscribe`, `replicas`: what reaches the node's socket, and what is shown."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import geopandas
import pyarrow as pa
import pytest
import shapely
from click.testing import CliRunner, Result

from guotu.model.crs import geometry_field
from guotu.model.errors import IncompleteAnswer, InvalidQuestion, NotFound, UnknownCollection
from node.cli import replicas as replicas_command
from node.cli.program import program
from node.cli.wording import duration
from tests.support.canned_node import CannedNode, Script, answer_frames
from tests.support.canned_subscriptions import CURRENT, CannedSubscriptions

COUNTIES = geopandas.read_parquet(Path(__file__).parents[2] / "demo/data/county.parquet")
SCHEMA = pa.schema([pa.field("adcode", pa.string(), False), geometry_field("geometry", "EPSG:4490")])


@pytest.fixture
def script() -> Script:
    return Script()


@pytest.fixture
def service() -> CannedSubscriptions:
    return CannedSubscriptions()


@pytest.fixture
def node(script: Script, service: CannedSubscriptions, config: Path) -> Iterator[CannedNode]:
    server = CannedNode(script, config.parent / "guotu-data" / "admin.sock", [service.add_to])
    yield server
    server.stop()


def operate(config: Path, *arguments: str) -> Result:
    return CliRunner().invoke(program, ["--config", str(config), *arguments])


def only(service: CannedSubscriptions) -> Any:
    (request,) = service.asked
    return request


def counties(prefix: str, without: str = "-") -> Any:
    """An answer of the counties whose codes begin with a prefix, in two batches."""
    found = COUNTIES[COUNTIES.adcode.str.startswith(prefix) & (COUNTIES.adcode != without)]
    columns = [pa.array(found.adcode, pa.string()), pa.array(shapely.to_wkb(found.geometry.values), pa.binary())]
    whole = pa.record_batch(columns, schema=SCHEMA)
    return answer_frames([whole.slice(0, 3), whole.slice(3)], SCHEMA)


@pytest.mark.usefixtures("node")
def test_every_option_of_a_subscription_reaches_the_node(config: Path, service: CannedSubscriptions) -> None:
    result = operate(
        config, "subscribe", "landcover", "--from", "510000", "--from", "500000,520000", "--schedule", "20:00-06:00",
        "--json",
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    request = only(service)
    assert (request.subject, list(request.owners)) == ("landcover", ["510000", "500000", "520000"])
    assert (request.schedule, request.area_wkb, request.area_name) == ("20:00-06:00", b"", "")
    assert json.loads(result.stdout) == {
        "subject": "landcover", "created": True, "datasets": ["500000/dltb", "510000/dltb"], "area_name": "",
    }  # fmt: skip


@pytest.mark.usefixtures("node")
def test_people_are_told_what_a_subscription_covers(config: Path, service: CannedSubscriptions) -> None:
    shown = operate(config, "subscribe", "dltb").stdout
    assert "已订阅 subscribed  dltb" in shown
    assert "500000/dltb, 510000/dltb" in shown
    service.created, service.datasets = False, ()
    shown = operate(config, "subscribe", "dltb").stdout
    assert "subscription changed" in shown
    assert "none yet" in shown


@pytest.mark.usefixtures("node")
def test_a_division_s_area_is_the_union_of_its_counties(
    config: Path, service: CannedSubscriptions, script: Script
) -> None:
    script.frames = counties("5101")
    result = operate(config, "subscribe", "510000/dltb", "--area", "510100", "--json")
    assert result.exit_code == 0, result.stdout
    (question,) = script.questions
    assert (question.collection, question.selection.division) == ("county", "510100")
    request = only(service)
    assert request.area_name == json.loads(result.stdout)["area_name"] == "510100 成都市"
    area = shapely.from_wkb(request.area_wkb)
    parts = COUNTIES[COUNTIES.adcode.str.startswith("5101")].geometry
    assert area.is_valid
    assert area.geom_type in ("Polygon", "MultiPolygon")
    assert shapely.symmetric_difference(area, shapely.union_all(parts.values)).area < 1e-12


@pytest.mark.usefixtures("node")
def test_an_area_with_a_county_missing_is_an_error_that_names_it(
    config: Path, service: CannedSubscriptions, script: Script
) -> None:
    script.frames = counties("5101", without="510104")
    result = operate(config, "subscribe", "510000/dltb", "--area", "510100")
    assert result.exit_code == 2
    assert "510104 锦江区" in result.stderr
    assert "--node" in result.stderr
    assert service.asked == []


@pytest.mark.usefixtures("node")
@pytest.mark.parametrize(
    "error", [UnknownCollection(collection="county"), IncompleteAnswer(missing="510100/county UNREACHABLE")]
)
def test_an_area_that_nobody_can_draw_is_an_error_with_its_remedy(
    config: Path, service: CannedSubscriptions, script: Script, error: Any
) -> None:
    script.error = error
    found = json.loads(operate(config, "subscribe", "510000/dltb", "--area", "510100", "--json").stdout)["error"]
    assert found["reason"] == "INVALID_QUESTION"
    assert error.english in found["message"]
    assert "a file of polygons" in found["message"]
    assert service.asked == []


@pytest.mark.usefixtures("node")
def test_another_node_may_be_asked_for_the_counties(
    config: Path, service: CannedSubscriptions, script: Script
) -> None:  # fmt: skip
    other_script = Script(frames=counties("510104"))
    other = CannedNode(other_script)
    try:
        result = operate(config, "--node", other.address, "subscribe", "510000/dltb", "--area", "510104")
    finally:
        other.stop()
    assert result.exit_code == 0, result.stderr
    assert (len(other_script.questions), script.questions) == (1, [])
    assert only(service).area_name == "510104 锦江区"


@pytest.mark.usefixtures("node")
def test_a_file_s_area_is_taken_in_its_crs(
    config: Path, service: CannedSubscriptions, script: Script, tmp_path: Path
) -> None:
    square = shapely.box(104.0, 30.0, 104.1, 30.1)
    file = tmp_path / "流域.gpkg"
    geopandas.GeoSeries([square, shapely.box(104.1, 30.0, 104.2, 30.1)], crs="EPSG:4490").to_crs("EPSG:4544").to_file(
        file
    )
    assert operate(config, "subscribe", "dltb", "--area", str(file)).exit_code == 0
    request = only(service)
    assert request.area_name == "流域.gpkg"
    assert shapely.hausdorff_distance(shapely.from_wkb(request.area_wkb), shapely.box(104, 30, 104.2, 30.1)) < 1e-6
    assert script.questions == []


@pytest.mark.usefixtures("node")
def test_a_file_that_is_no_area_is_refused(config: Path, service: CannedSubscriptions, tmp_path: Path) -> None:
    points = tmp_path / "points.gpkg"
    geopandas.GeoSeries([shapely.Point(104, 30)], crs="EPSG:4490").to_file(points)
    for file in (points, tmp_path / "missing.shp"):
        result = operate(config, "subscribe", "dltb", "--area", str(file), "--json")
        assert result.exit_code == 2
        assert json.loads(result.stdout)["error"]["facts"]["part"] == "--area"
    assert service.asked == []


@pytest.mark.usefixtures("node")
def test_what_the_node_refuses_is_told(config: Path, service: CannedSubscriptions) -> None:
    service.error = InvalidQuestion(part="schedule", detail="25:00")
    result = operate(config, "subscribe", "dltb", "--schedule", "25:00-26:00")
    assert (result.exit_code, "25:00" in result.stderr) == (2, True)
    service.error = NotFound(detail="no subscription")
    assert operate(config, "unsubscribe", "dltb").exit_code == 5
    assert operate(config, "replicas").exit_code == 5


@pytest.mark.usefixtures("node")
def test_unsubscribing_tells_what_is_let_go(config: Path, service: CannedSubscriptions) -> None:
    result = operate(config, "unsubscribe", "dltb", "--json")
    assert json.loads(result.stdout) == {"subject": "dltb", "datasets": ["500000/dltb", "510000/dltb"]}
    assert "510000/dltb" in operate(config, "unsubscribe", "dltb").stdout
    assert [request.subject for request in service.asked] == ["dltb", "dltb"]


@pytest.mark.usefixtures("node")
def test_replicas_show_lag_progress_errors_and_what_covers_nothing(config: Path, service: CannedSubscriptions) -> None:
    service.subjects = ("dltb", "xzq")
    shown = operate(config, "replicas").stdout
    for expected in (
        "500000/dltb", "4 版 versions, 2 h 3 min", "取数 fetching", "3.0 MiB / 12.0 MiB (25%)", "peer silent",
        "510100 成都市", "510700", "最新 current", "1,000", "no dataset yet",
    ):  # fmt: skip
        assert expected in shown
    found = json.loads(operate(config, "replicas", "--json").stdout)
    first, second = found["replicas"]
    assert (first["dataset"], first["lag_versions"], first["lag_ms"]) == ("500000/dltb", 4, 7_384_000)
    assert first["quarantined"] == ["510700"]
    assert (second["state"], second["lag_versions"], second["last_error"]) == ("current", 0, "")
    assert found["subscriptions"] == ["dltb", "xzq"]


@pytest.mark.usefixtures("node")
def test_watching_prints_a_line_at_each_change(
    config: Path, service: CannedSubscriptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    behind = replace(CURRENT, head=13, state="planning")

    def pause(seconds: float) -> None:
        if len(service.asked) >= 4:
            raise KeyboardInterrupt

    monkeypatch.setattr(replicas_command.time, "sleep", pause)
    service.looks = [[CURRENT], [CURRENT], [behind], [behind]]
    result = operate(config, "replicas", "--watch", "--json")
    states = [json.loads(line)["replicas"][0]["state"] for line in result.stdout.splitlines()]
    assert (states, result.exit_code) == (["current", "planning"], 130)
    service.asked, service.looks = [], [[CURRENT], [behind]]
    result = operate(config, "replicas", "--watch")
    assert (result.stdout.count("最新 current"), result.stdout.count("计划 planning")) == (1, 1)


@pytest.mark.parametrize("command", [["subscribe", "dltb"], ["unsubscribe", "dltb"], ["replicas"]])
def test_without_a_running_node_the_remedy_is_told(config: Path, command: list[str]) -> None:
    result = operate(config, *command)
    assert result.exit_code == 2
    assert "guotu node serve" in result.stderr


def test_spans_of_time_have_two_units() -> None:
    spans = [0, 59_999, 61_000, 3_600_000, 90_000_000]
    assert [duration(span) for span in spans] == ["0 s", "59 s", "1 min 1 s", "1 h 0 min", "1 d 1 h"]
