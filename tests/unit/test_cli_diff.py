"""`guotu diff`: what is asked, what is shown, what is written."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import geopandas
import pyarrow as pa
import pyarrow.parquet as pq
import pyogrio
import pytest
import shapely
from click.testing import CliRunner, Result

from guotu.model.area import official_area_m2
from guotu.model.errors import UnknownVersion
from guotu.model.schema import change_schema
from node.cli.program import program
from tests.support.canned_care import ComparingNode, ComparingServicer
from tests.support.sync_samples import PARCELS, TABLE

SQUARE, WIDER = shapely.box(104.0, 30.0, 104.01, 30.01), shapely.box(104.0, 30.0, 104.02, 30.01)
SCHEMA = change_schema(PARCELS)


def feature(key: str, name: str | None, shape: shapely.Geometry) -> dict[str, Any]:
    values = dict.fromkeys((field.name for field in SCHEMA.field("after").type), None)
    return values | {"BSM": key, "DLMC": name, "TBMJ": 12.5, "geometry": shapely.to_wkb(shape)}


CHANGES = [
    {"BSM": "1", "op": "insert", "before": None, "after": feature("1", "水田", SQUARE)},
    {"BSM": "2", "op": "update", "before": feature("2", "旱地", SQUARE), "after": feature("2", None, WIDER)},
    {"BSM": "3", "op": "delete", "before": feature("3", "乔木林地", SQUARE), "after": None},
]
HECTARES = f"{official_area_m2([SQUARE])[0] / 1e4:.2f}"


@pytest.fixture
def servicer() -> ComparingServicer:
    batch = pa.RecordBatch.from_pylist(CHANGES, schema=SCHEMA)
    return ComparingServicer([batch.slice(0, 2), batch.slice(0, 0), batch.slice(2)], SCHEMA)


@pytest.fixture
def node(servicer: ComparingServicer) -> Iterator[ComparingNode]:
    server = ComparingNode(servicer)
    yield server
    server.stop()


def run(node: ComparingNode, *arguments: str) -> Result:
    return CliRunner().invoke(program, ["--node", node.address, "diff", "510000/dltb", *arguments])


def test_a_table_counts_the_changes_and_shows_what_changed(node: ComparingNode, servicer: ComparingServicer) -> None:
    result = run(node, "11", "12")
    assert (result.exit_code, result.stderr) == (0, "")
    request = servicer.asked[0]
    assert (request.dataset, request.since, request.until) == ("510000/dltb", 11, 12)
    lines = result.stdout.splitlines()
    for kind in ("新增 inserts", "变更 updates", "删除 deletes"):
        assert any(line.strip().startswith(kind) and HECTARES in line for line in lines)
    (name,) = [line for line in lines if "DLMC" in line and "变更 update" in line]
    assert name.split()[:3] == ["变更", "update", "2"]
    assert "地类名称" in name
    assert "旱地" in name
    assert name.rstrip().endswith("（空 null）")
    assert any("几何 geometry" in line and "5 点 pts" in line and "公顷 ha" in line for line in lines)
    assert any("新增 insert" in line and "DLMC=水田" in line for line in lines)
    assert not any("TBMJ" in line and "变更 update" in line for line in lines)


def test_a_limit_shows_fewer_and_counts_all(node: ComparingNode) -> None:
    result = run(node, "11", "12", "--limit", "1")
    assert "乔木林地" not in result.stdout
    assert "1 / 3" in result.stdout
    assert "删除 deletes" in result.stdout


def test_json_gives_the_summary_alone(node: ComparingNode) -> None:
    found = json.loads(run(node, "11", "0", "--json").stdout)
    assert (found["dataset"], found["since"], found["until"]) == ("510000/dltb", 11, 9)
    change = found["change"]
    assert (change["inserts"], change["updates"], change["deletes"]) == (1, 1, 1)
    assert f"{change['inserted_ha']:.2f}" == HECTARES
    assert change["updated_after_m2"] == pytest.approx(2 * change["updated_before_m2"], rel=1e-4)


def test_geojson_has_both_sides_of_each_attribute(node: ComparingNode, tmp_path: Path) -> None:
    found = json.loads(run(node, "11", "12", "--format", "geojson").stdout)
    assert found["type"] == "FeatureCollection"
    first, second, third = found["features"]
    assert first["properties"]["op"] == "insert"
    assert (first["properties"]["before_DLMC"], first["properties"]["after_DLMC"]) == (None, "水田")
    assert (second["properties"]["before_DLMC"], second["properties"]["after_DLMC"]) == ("旱地", None)
    assert shapely.geometry.shape(second["geometry"]).equals(WIDER)
    assert shapely.geometry.shape(third["geometry"]).equals(SQUARE)
    assert found["guotu"]["change"]["deletes"] == 1
    target = tmp_path / "d.geojson"
    assert run(node, "11", "12", "-o", str(target)).exit_code == 0
    assert len(geopandas.read_file(target)) == 3


def test_a_geopackage_has_a_layer_for_each_side(node: ComparingNode, tmp_path: Path) -> None:
    target = tmp_path / "d.gpkg"
    result = run(node, "11", "12", "--out", str(target))
    assert result.exit_code == 0, result.stderr
    assert "3 要素 features" in result.stderr
    assert sorted(name for name, _ in pyogrio.list_layers(target)) == ["after", "before", "guotu"]
    before, after = (geopandas.read_file(target, layer=layer) for layer in ("before", "after"))
    assert (before["op"].tolist(), after["op"].tolist()) == (["update", "delete"], ["insert", "update"])
    assert before.crs.to_epsg() == 4490
    assert after.geometry.iloc[1].equals(WIDER)
    assert [path.name for path in tmp_path.iterdir()] == ["d.gpkg"]


def test_parquet_is_the_difference_as_it_is(node: ComparingNode, tmp_path: Path) -> None:
    target = tmp_path / "d.parquet"
    found = json.loads(run(node, "11", "12", "-o", str(target), "--json").stdout)
    assert found["file"] == str(target)
    table = pq.read_table(target)
    assert table.schema.equals(SCHEMA)
    assert table.to_pylist() == CHANGES
    account = json.loads(pq.read_metadata(target).metadata[b"guotu"])
    assert (account["since"], account["until"], account["change"]["inserts"]) == (11, 12, 1)


def test_equal_versions_have_no_difference(node: ComparingNode, servicer: ComparingServicer, tmp_path: Path) -> None:
    servicer.batches = []
    assert json.loads(run(node, "11", "12", "--json").stdout)["change"]["updates"] == 0
    assert run(node, "11", "12").exit_code == 0
    for name in ("d.geojson", "d.gpkg", "d.parquet"):
        result = run(node, "11", "12", "-o", str(tmp_path / name))
        assert result.exit_code == 0, result.stderr
    assert json.loads((tmp_path / "d.geojson").read_text())["features"] == []
    assert len(geopandas.read_file(tmp_path / "d.gpkg", layer="after")) == 0


def test_a_dataset_without_geometry(node: ComparingNode, servicer: ComparingServicer, tmp_path: Path) -> None:
    schema = change_schema(TABLE)
    rows = [{"DM": 1, "op": "update", "before": {"DM": 1, "MC": "甲"}, "after": {"DM": 1, "MC": "乙"}}]
    servicer.schema, servicer.batches = schema, [pa.RecordBatch.from_pylist(rows, schema=schema)]
    assert "甲" in run(node, "1", "2").stdout
    (found,) = json.loads(run(node, "1", "2", "--format", "geojson").stdout)["features"]
    assert (found["geometry"], found["properties"]["after_MC"]) == (None, "乙")
    assert run(node, "1", "2", "-o", str(tmp_path / "d.gpkg")).exit_code == 0
    assert pyogrio.read_dataframe(tmp_path / "d.gpkg", layer="after")["MC"].tolist() == ["乙"]


@pytest.mark.parametrize("name", ["d.geojson", "d.gpkg", "d.parquet"])
def test_a_failure_on_the_way_leaves_no_file(
    node: ComparingNode, servicer: ComparingServicer, tmp_path: Path, name: str
) -> None:
    servicer.error = UnknownVersion(dataset="510000/dltb", version=11)
    (tmp_path / name).write_text("as it was")
    result = run(node, "11", "12", "-o", str(tmp_path / name))
    assert result.exit_code == 5
    assert (tmp_path / name).read_text() == "as it was"
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize(
    "arguments",
    [
        ("11",), ("0", "12"), ("11", "-1"), ("a", "b"), ("11", "12", "--format", "csv"), ("11", "12", "-o", "x.doc"),
        ("11", "12", "--format", "gpkg"), ("11", "12", "--format", "table", "-o", "x.gpkg"),
        ("11", "12", "--format", "parquet", "--json"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused(node: ComparingNode, servicer: ComparingServicer, arguments: Any) -> None:
    assert run(node, *arguments).exit_code == 2
    assert servicer.asked == []
