"""Bad layers, through the real command and a real node: every fault is told at once, and nothing is changed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import geopandas as gpd
import pytest
import shapely

from demo.mesh import LocalMesh
from guotu.model.gcj02 import wgs_to_gcj
from tests.support.small_mesh import run_guotu, write_part

Frame = gpd.GeoDataFrame


def bowtie(frame: Frame) -> Frame:
    x, y = frame.geometry.iloc[0].representative_point().coords[0]
    knot = shapely.Polygon([(x, y), (x + 0.001, y + 0.001), (x + 0.001, y), (x, y + 0.001)])
    frame.loc[frame.index[0], "geometry"] = knot
    return frame


def repeat_key(frame: Frame) -> Frame:
    frame.loc[frame.index[1], "bsm"] = frame["bsm"].iloc[0]
    return frame


def drop_key(frame: Frame) -> Frame:
    frame.loc[frame.index[0], "bsm"] = None
    return frame


def mix_crs(frame: Frame) -> Frame:
    metres = frame.to_crs(4544).geometry
    frame.loc[frame.index[:40], "geometry"] = metres.iloc[:40]
    return frame


def to_mars(frame: Frame) -> Frame:
    def shift(points: object) -> object:
        lon, lat = wgs_to_gcj(points[:, 0], points[:, 1])  # type: ignore[index]
        points[:, 0], points[:, 1] = lon, lat  # type: ignore[index]
        return points

    return frame.set_geometry(shapely.transform(frame.geometry.array, shift), crs=frame.crs)


def swap_axes(frame: Frame) -> Frame:
    return frame.set_geometry(shapely.transform(frame.geometry.array, lambda points: points[:, ::-1]), crs=frame.crs)


CASES: dict[str, tuple[str, Callable[[Frame], Frame], str]] = {
    "broken ring": ("gpkg", bowtie, "GEOMETRY_INVALID"),
    "duplicate key": ("gpkg", repeat_key, "KEY_DUPLICATE"),
    "null key": ("gpkg", drop_key, "KEY_NULL"),
    "column missing": ("fgb", lambda frame: frame.drop(columns="igbp"), "MISSING_COLUMN"),
    "column too many": ("geojson", lambda frame: frame.assign(colour="red"), "EXTRA_COLUMN"),
    "empty layer": ("gpkg", lambda frame: frame.iloc[:0], "EMPTY_LAYER"),
    "no CRS": ("shp", lambda frame: frame.set_crs(None, allow_override=True), "CRS_MISSING"),
    "mixed CRS": ("gpkg", mix_crs, "MIXED_CRS"),
    "GCJ-02": ("gpkg", to_mars, "GCJ02_SUSPECTED"),
    "swapped axes": ("gpkg", swap_axes, "AXES_SWAPPED"),
    "unknown code": ("gpkg", lambda frame: frame.assign(igbp=99), "UNKNOWN_CODE"),
}


@pytest.fixture(scope="module")
def part(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("part") / "landcover.parquet"
    write_part("landcover_2019.parquet", "510100", path)
    return path


def read(part: Path) -> Frame:
    return gpd.read_parquet(part).drop(columns="bbox", errors="ignore")


@pytest.mark.parametrize("case", CASES)
def test_a_fault_is_told_and_nothing_is_written(mesh: LocalMesh, part: Path, tmp_path: Path, case: str) -> None:
    suffix, spoil, kind = CASES[case]
    layer = tmp_path / f"layer.{suffix}"
    spoil(read(part)).to_file(layer)
    with mesh.client("510100") as client:
        before = client.versions("510100/landcover")
        ran = run_guotu("publish", "landcover", "--from", layer, "--json", config=mesh.config("510100"))
        assert ran.code == 2, ran.err
        assert kind in json.dumps(ran.json)
        assert client.versions("510100/landcover") == before


def test_a_wrong_encoding_is_told(mesh: LocalMesh, part: Path, tmp_path: Path) -> None:
    layer = tmp_path / "layer.shp"
    read(part).rename(columns={"igbp_name": "igbp_name"}).to_file(layer, encoding="GB18030")
    layer.with_suffix(".cpg").unlink(missing_ok=True)
    good = run_guotu("publish", "landcover", "--from", layer, "--dry-run", "--json", config=mesh.config("510100"))
    assert good.code == 0, good.out + good.err
    wrong = run_guotu(
        "publish", "landcover", "--from", layer, "--encoding", "UTF-8", "--json", config=mesh.config("510100")
    )
    assert wrong.code == 2
    assert "WRONG_ENCODING" in json.dumps(wrong.json) or "GARBLED_TEXT" in json.dumps(wrong.json)


def test_all_faults_come_at_once_for_people(mesh: LocalMesh, part: Path, tmp_path: Path) -> None:
    layer = tmp_path / "layer.gpkg"
    repeat_key(bowtie(read(part))).assign(colour="red").to_file(layer)
    ran = run_guotu("publish", "landcover", "--from", layer, config=mesh.config("510100"))
    assert ran.code == 2
    told = ran.out + ran.err
    for word in ("colour", "--repair", "bsm"):
        assert word in told


def test_repair_is_reported(mesh: LocalMesh, part: Path, tmp_path: Path) -> None:
    layer = tmp_path / "layer.gpkg"
    bowtie(read(part)).to_file(layer)
    ran = run_guotu(
        "publish", "landcover", "--from", layer, "--repair", "--dry-run", "--json", config=mesh.config("510100")
    )
    assert ran.code == 0, ran.out + ran.err
    assert '"repairs"' in json.dumps(ran.json)
