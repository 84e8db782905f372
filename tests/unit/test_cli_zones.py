"""Zones from files: any format and reference system; what is wrong is told, all of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import shapely

from demo.questions import around_chengdu, write_polygon
from guotu.model.boundary import Boundary
from guotu.model.errors import InvalidQuestion, NodeUnavailable, TooLarge, UnknownBoundary
from node.cli.drawn import Drawn
from node.cli.zones import GivenZones, ZoneFile

SQUARES = shapely.box([104.0, 104.5], 30, [104.4, 104.9], 30.5)
FRAME = gpd.GeoDataFrame(
    {"名称": ["甲地", "乙地"], "code": [7, 8], "note": ["x", None]}, geometry=SQUARES, crs="EPSG:4490"
)


def unasked(division: str, cut: Mapping[str, int]) -> Boundary:
    raise AssertionError(division)


def zone_file(path: Path, field: str | None = None, **told: str) -> GivenZones:
    return GivenZones(ZoneFile(path, field, told.get("layer"), told.get("encoding"), told.get("crs")))


def drawn(*texts: str, crs: str = "") -> GivenZones:
    return GivenZones(None, tuple(Drawn(text, crs) for text in texts))


def refusal(file: GivenZones) -> str:
    with pytest.raises(InvalidQuestion) as refused:
        file.read(unasked, {})
    assert refused.value.facts["part"] == "ZONES"
    return str(refused.value.facts["detail"])


@pytest.mark.parametrize("suffix", ["gpkg", "geojson", "fgb", "parquet"])
def test_every_format(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"zones.{suffix}"
    FRAME.to_parquet(path) if suffix == "parquet" else FRAME.to_file(path)
    zones = zone_file(path, "名称").read(unasked, {})
    names = zones.names.to_pylist()
    assert sorted(names) == sorted(["甲地", "乙地"])
    assert shapely.equals(zones.shapes[names.index("甲地")], SQUARES[0])


def test_a_shapefile_of_another_reference_system_and_encoding(tmp_path: Path) -> None:
    FRAME.to_crs("EPSG:4544").to_file(tmp_path / "zones.shp", encoding="GB18030")
    zones = zone_file(tmp_path / "zones.shp", "名称").read(unasked, {})
    assert zones.names.to_pylist() == ["甲地", "乙地"]
    assert zones.boxes == pytest.approx(shapely.bounds(SQUARES), abs=1e-6)


def test_numbers_name_zones_and_so_do_columns_of_numbers(tmp_path: Path) -> None:
    FRAME.to_file(tmp_path / "zones.gpkg")
    assert zone_file(tmp_path / "zones.gpkg").read(unasked, {}).names.to_pylist() == ["1", "2"]
    assert zone_file(tmp_path / "zones.gpkg", "code").read(unasked, {}).names.to_pylist() == ["7", "8"]


def test_a_bare_shape_is_a_zone(tmp_path: Path) -> None:
    zones = zone_file(write_polygon(tmp_path / "one.geojson")).read(unasked, {})
    assert zones.names.to_pylist() == ["1"]
    assert shapely.equals(zones.shapes[0], around_chengdu())


def test_what_a_file_does_not_say_must_be_told(tmp_path: Path) -> None:
    bare = FRAME.set_crs(None, allow_override=True)
    with pytest.warns(UserWarning, match="crs"):
        bare.to_file(tmp_path / "zones.shp")
    assert "CRS" in refusal(zone_file(tmp_path / "zones.shp"))
    assert len(zone_file(tmp_path / "zones.shp", crs="EPSG:4490").read(unasked, {})) == 2
    for layer in ("a", "b"):
        FRAME.to_file(tmp_path / "two.gpkg", layer=layer)
    assert "a, b" in refusal(zone_file(tmp_path / "two.gpkg"))
    assert len(zone_file(tmp_path / "two.gpkg", layer="b").read(unasked, {})) == 2
    with pytest.raises(InvalidQuestion, match="--encoding"):
        zone_file(tmp_path / "two.gpkg", layer="b", encoding="klingon").read(unasked, {})


def test_what_is_no_file_of_zones(tmp_path: Path) -> None:
    (tmp_path / "text.gpkg").write_text("nothing")
    assert "text.gpkg" in refusal(zone_file(tmp_path / "text.gpkg"))
    FRAME.to_file(tmp_path / "zones.gpkg")
    assert "missing" in refusal(zone_file(tmp_path / "zones.gpkg", "missing"))
    FRAME.iloc[:0].to_file(tmp_path / "empty.gpkg")
    assert "no zone" in refusal(zone_file(tmp_path / "empty.gpkg"))
    (tmp_path / "table.csv").write_text("name\na\n")
    assert refusal(zone_file(tmp_path / "table.csv"))


def test_faults_of_names_and_shapes_come_together(tmp_path: Path) -> None:
    bow = shapely.Polygon([(104, 30), (105, 31), (105, 30), (104, 31)])
    shapes = [*SQUARES, bow, shapely.Point(104, 30), None]
    frame = gpd.GeoDataFrame({"n": ["a", "a", "b", "c", None]}, geometry=shapes, crs="EPSG:4490")
    frame.to_file(tmp_path / "zones.gpkg")
    detail = refusal(zone_file(tmp_path / "zones.gpkg", "n"))
    for number in range(2, 6):
        assert f"no. {number}" in detail


POLYGON = "POLYGON ((104 30, 104.4 30, 104.4 30.5, 104 30.5, 104 30))"
GEOJSON = {"type": "Polygon", "coordinates": [[[104.5, 30], [104.9, 30], [104.9, 30.5], [104.5, 30.5], [104.5, 30]]]}
FEATURES = {
    "type": "FeatureCollection",
    "features": [
        {"type": "Feature", "properties": {"名称": "丙"}, "geometry": GEOJSON},
        {"type": "Feature", "properties": {}, "id": 9, "geometry": GEOJSON},
        {"type": "Feature", "properties": None, "geometry": GEOJSON},
    ],
}


def test_drawn_zones_are_wkt_or_geojson_with_names_or_without(tmp_path: Path) -> None:
    (tmp_path / "a=b.geojson").write_text(json.dumps(FEATURES), encoding="utf-8")
    zones = drawn(
        f"甲={POLYGON}", POLYGON, json.dumps(GEOJSON), f"乙={json.dumps(GEOJSON)}", f"@{tmp_path}/a=b.geojson"
    ).read(unasked, {})
    assert zones.names.to_pylist() == ["甲", "2", "3", "乙", "丙", "9", "7"]
    assert shapely.equals(zones.shapes, SQUARES[[0, 0, 1, 1, 1, 1, 1]]).all()
    named = drawn(f"丁=@{tmp_path}/a=b.geojson").read(unasked, {})
    assert named.names.to_pylist() == ["丁 1", "丁 2", "丁 3"]


def test_drawn_zones_follow_those_of_a_file_and_may_be_of_another_crs(tmp_path: Path) -> None:
    path = tmp_path / "zones.gpkg"
    FRAME.to_file(path)
    moved = gpd.GeoSeries(SQUARES[:1], crs="EPSG:4490").to_crs("EPSG:4544").to_wkt()[0]
    both = GivenZones(ZoneFile(path, "名称", None, None, None), (Drawn(moved, "EPSG:4544"),)).read(unasked, {})
    assert both.names.to_pylist() == ["甲地", "乙地", "3"]
    assert both.boxes[2] == pytest.approx(shapely.bounds(SQUARES[0]), abs=1e-6)
    older = json.loads(shapely.to_geojson(shapely.from_wkt(moved)))
    older["crs"] = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::4544"}}
    assert drawn(json.dumps(older)).read(unasked, {}).boxes[0] == pytest.approx(shapely.bounds(SQUARES[0]), abs=1e-6)
    assert "NONE" in refusal(drawn(POLYGON, crs="NONE:1"))


def test_faults_of_drawn_zones_are_told_together(tmp_path: Path) -> None:
    bad = ["nothing", "{", "[]", f"@{tmp_path}/absent.wkt", '{"type": "Feature", "geometry": null}', "POINT (104 30)"]
    detail = refusal(drawn(POLYGON, *bad))
    for told in ("'nothing'", "'{'", "'[]'", "absent.wkt", "no. 2", "no. 3", "polygon is needed", "no shape"):
        assert told in detail, told
    assert "no zone" in refusal(drawn())
    assert "no zone" not in refusal(drawn("nothing"))


def test_divisions_are_zones_named_by_their_codes(capsys: pytest.CaptureFixture[str]) -> None:
    asked: list[tuple[str, Mapping[str, int]]] = []

    def boundary(division: str, cut: Mapping[str, int]) -> Boundary:
        asked.append((division, cut))
        if division == "锦江":
            raise UnknownBoundary(division=division, detail="nobody")
        return Boundary("510100", "四川省成都市", shapely.to_wkb(SQUARES[0]), {"510100/xzq": 3})

    zones = GivenZones(None, (Drawn(POLYGON, ""),), ("成都市",)).read(boundary, {"510100/xzq": 3})
    assert zones.names.to_pylist() == ["1", "510100"]
    assert shapely.equals(zones.shapes[1], SQUARES[0])
    assert asked == [("成都市", {"510100/xzq": 3})]
    assert "510100/xzq@3" in capsys.readouterr().err
    with pytest.raises(InvalidQuestion, match="锦江") as refused:
        GivenZones(None, (Drawn("nothing", ""),), ("锦江", "成都市", "510100")).read(boundary, {})
    detail = str(refused.value.facts["detail"])
    assert "'nothing'" in detail
    assert "named as no. 1" in detail

    def lost(division: str, cut: Mapping[str, int]) -> Boundary:
        raise NodeUnavailable(address="a:1", detail="gone")

    with pytest.raises(NodeUnavailable):
        GivenZones(None, (), ("成都市",)).read(lost, {})


def test_files_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frame = gpd.GeoDataFrame(geometry=np.repeat(SQUARES, 20), crs="EPSG:4490")
    frame.to_file(tmp_path / "zones.gpkg")
    monkeypatch.setattr("node.cli.zones.MAX_ZONES_IN_ALL", 39)
    with pytest.raises(TooLarge, match=r"zones\.gpkg"):
        zone_file(tmp_path / "zones.gpkg").read(unasked, {})
    monkeypatch.setattr("node.cli.zones.MAX_ZONES_IN_ALL", 40)
    monkeypatch.setattr("node.cli.zones.MAX_ZONE_BYTES_IN_ALL", 1000)
    with pytest.raises(TooLarge, match=r"zones\.gpkg"):
        zone_file(tmp_path / "zones.gpkg").read(unasked, {})
