"""Zones from files: any format and reference system; what is wrong is told, all of it."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import shapely

from demo.questions import around_chengdu, write_polygon
from guotu.model.errors import InvalidQuestion, TooLarge
from node.cli.zones import ZoneFile

SQUARES = shapely.box([104.0, 104.5], 30, [104.4, 104.9], 30.5)
FRAME = gpd.GeoDataFrame(
    {"名称": ["甲地", "乙地"], "code": [7, 8], "note": ["x", None]}, geometry=SQUARES, crs="EPSG:4490"
)


def zone_file(path: Path, field: str | None = None, **told: str) -> ZoneFile:
    return ZoneFile(path, field, told.get("layer"), told.get("encoding"), told.get("crs"))


def refusal(file: ZoneFile) -> str:
    with pytest.raises(InvalidQuestion) as refused:
        file.read()
    assert refused.value.facts["part"] == "ZONES"
    return str(refused.value.facts["detail"])


@pytest.mark.parametrize("suffix", ["gpkg", "geojson", "fgb", "parquet"])
def test_every_format(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"zones.{suffix}"
    FRAME.to_parquet(path) if suffix == "parquet" else FRAME.to_file(path)
    zones = zone_file(path, "名称").read()
    names = zones.names.to_pylist()
    assert sorted(names) == sorted(["甲地", "乙地"])
    assert shapely.equals(zones.shapes[names.index("甲地")], SQUARES[0])


def test_a_shapefile_of_another_reference_system_and_encoding(tmp_path: Path) -> None:
    FRAME.to_crs("EPSG:4544").to_file(tmp_path / "zones.shp", encoding="GB18030")
    zones = zone_file(tmp_path / "zones.shp", "名称").read()
    assert zones.names.to_pylist() == ["甲地", "乙地"]
    assert zones.boxes == pytest.approx(shapely.bounds(SQUARES), abs=1e-6)


def test_numbers_name_zones_and_so_do_columns_of_numbers(tmp_path: Path) -> None:
    FRAME.to_file(tmp_path / "zones.gpkg")
    assert zone_file(tmp_path / "zones.gpkg").read().names.to_pylist() == ["1", "2"]
    assert zone_file(tmp_path / "zones.gpkg", "code").read().names.to_pylist() == ["7", "8"]


def test_a_bare_shape_is_a_zone(tmp_path: Path) -> None:
    zones = zone_file(write_polygon(tmp_path / "one.geojson")).read()
    assert zones.names.to_pylist() == ["1"]
    assert shapely.equals(zones.shapes[0], around_chengdu())


def test_what_a_file_does_not_say_must_be_told(tmp_path: Path) -> None:
    bare = FRAME.set_crs(None, allow_override=True)
    with pytest.warns(UserWarning, match="crs"):
        bare.to_file(tmp_path / "zones.shp")
    assert "CRS" in refusal(zone_file(tmp_path / "zones.shp"))
    assert len(zone_file(tmp_path / "zones.shp", crs="EPSG:4490").read()) == 2
    for layer in ("a", "b"):
        FRAME.to_file(tmp_path / "two.gpkg", layer=layer)
    assert "a, b" in refusal(zone_file(tmp_path / "two.gpkg"))
    assert len(zone_file(tmp_path / "two.gpkg", layer="b").read()) == 2
    with pytest.raises(InvalidQuestion, match="--encoding"):
        zone_file(tmp_path / "two.gpkg", layer="b", encoding="klingon").read()


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


def test_files_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frame = gpd.GeoDataFrame(geometry=np.repeat(SQUARES, 20), crs="EPSG:4490")
    frame.to_file(tmp_path / "zones.gpkg")
    monkeypatch.setattr("node.cli.zones.MAX_ZONES", 39)
    with pytest.raises(TooLarge, match=r"zones\.gpkg"):
        zone_file(tmp_path / "zones.gpkg").read()
    monkeypatch.setattr("node.cli.zones.MAX_ZONES", 40)
    monkeypatch.setattr("node.cli.zones.MAX_ZONE_BYTES", 1000)
    with pytest.raises(TooLarge, match=r"zones\.gpkg"):
        zone_file(tmp_path / "zones.gpkg").read()
