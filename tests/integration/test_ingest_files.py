"""Layers in real files of every format, good and bad, from the file to the report."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from guotu.model.collection import GEOMETRY
from guotu.model.schema import arrow_schema
from node.ingest.kinds import FaultKind as K
from tests.support.layers import (
    PARCELS,
    TABLE,
    Rows,
    expected_table,
    farthest,
    good_rows,
    inspect_file,
    projected,
    write_csv,
    write_ogr,
    write_parquet,
    write_shapefile,
)

Write = Callable[[Path, Rows], Path]

FORMATS: dict[str, Write] = {
    "shp-gbk-cpg": lambda d, r: write_shapefile(d / "a.shp", r, encoding="GBK", cpg="GBK"),
    "shp-gbk-936": lambda d, r: write_shapefile(d / "a.shp", r, encoding="GBK", cpg="936"),
    "shp-gbk-ldid": lambda d, r: write_shapefile(d / "a.shp", r, encoding="GBK", cpg=None, language=0x4D),
    "shp-gbk-silent": lambda d, r: write_shapefile(d / "a.shp", r, encoding="GBK", cpg=None),
    "shp-utf8-cpg": lambda d, r: write_shapefile(d / "a.shp", r, encoding="UTF-8", cpg="UTF-8"),
    "shp-utf8-silent": lambda d, r: write_shapefile(d / "a.shp", r, encoding="UTF-8", cpg=None),
    "shp-gbk-latin1-cpg": lambda d, r: write_shapefile(d / "a.shp", r, encoding="GBK", cpg="ISO-8859-1"),
    "gdb": lambda d, r: write_ogr(d / "a.gdb", r, "OpenFileGDB", layer="a"),
    "gpkg": lambda d, r: write_ogr(d / "a.gpkg", r, "GPKG"),
    "geojson": lambda d, r: write_ogr(d / "a.geojson", r, "GeoJSON"),
    "fgb": lambda d, r: write_ogr(d / "a.fgb", r, "FlatGeobuf", SPATIAL_INDEX="NO"),
    "parquet": lambda d, r: write_parquet(d / "a.parquet", r),
}


def kinds(report) -> dict[K, int]:
    return {fault.kind: fault.count for fault in report.faults}


@pytest.mark.parametrize("write", FORMATS.values(), ids=FORMATS)
def test_a_good_layer_of_every_format_comes_through_whole(tmp_path: Path, write: Write):
    rows = good_rows(300)
    report, table = inspect_file(write(tmp_path, rows), PARCELS)
    assert report.faults == ()
    assert report.rows == 300
    assert table.schema.equals(arrow_schema(PARCELS), check_metadata=True)
    assert table.drop([GEOMETRY]).to_pydict() == expected_table(rows)
    assert farthest(table[GEOMETRY], rows.shapes) < 1e-8


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_csv_is_typed_by_the_collection(tmp_path: Path, encoding: str):
    rows = good_rows(300)
    report, table = inspect_file(write_csv(tmp_path / "a.csv", rows, encoding=encoding), TABLE)
    assert report.faults == ()
    assert table.to_pydict() == expected_table(rows)


@pytest.mark.parametrize("name", ["gpkg", "shp-gbk-cpg", "gdb"])
def test_archives_are_read_without_unpacking(tmp_path: Path, name: str):
    folder = tmp_path / "in"
    folder.mkdir()
    FORMATS[name](folder, good_rows(20))
    archive = Path(shutil.make_archive(str(tmp_path / "layer"), "zip", tmp_path, "in"))
    report, table = inspect_file(archive)
    assert report.faults == ()
    assert table.num_rows == 20


@pytest.mark.parametrize("crs", ["EPSG:4523", "EPSG:4544", "EPSG:4496"])
@pytest.mark.parametrize("name", ["shp", "gpkg", "parquet", "gdb"])
def test_zones_are_transformed(tmp_path: Path, crs: str, name: str):
    rows = good_rows(50)
    there = projected(rows, crs)
    path = tmp_path / f"a.{name}"
    if name == "parquet":
        write_parquet(path, there, crs=crs)
    elif name == "shp":
        write_shapefile(path, there, encoding="GBK", cpg=None, crs=crs)
    else:
        write_ogr(path, there, {"gpkg": "GPKG", "gdb": "OpenFileGDB"}[name], crs=crs)
    report, table = inspect_file(path)
    assert report.faults == ()
    assert farthest(table[GEOMETRY], rows.shapes) < 1e-8
