"""Layers in real files of every format, from the file to the report."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from guotu.model.collection import GEOMETRY
from guotu.model.schema import arrow_schema
from node.ingest.kinds import FaultKind as K
from tests.support.inspection import FORMATS, Write, found, gpkg, inspect_file, kinds
from tests.support.layers import (
    PARCELS,
    TABLE,
    expected_table,
    farthest,
    good_rows,
    projected,
    write_csv,
    write_ogr,
    write_parquet,
    write_shapefile,
)


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


def test_a_file_that_is_not_there(tmp_path: Path):
    assert "b.shp" in found(tmp_path / "b.shp", K.UNREADABLE_FILE).detail


def test_a_file_of_no_format(tmp_path: Path):
    (tmp_path / "a.gpkg").write_bytes(b"not a layer")
    report, _ = inspect_file(tmp_path / "a.gpkg")
    assert kinds(report) == {K.UNREADABLE_FILE: 0}


def test_a_parquet_file_cut_short(tmp_path: Path):
    path = write_parquet(tmp_path / "a.parquet", good_rows())
    path.write_bytes(path.read_bytes()[:500])
    assert kinds(inspect_file(path)[0]) == {K.UNREADABLE_FILE: 0}


@pytest.mark.parametrize("name", ["a.gdb", "a.gpkg"])
def test_several_layers_must_be_named(tmp_path: Path, name: str):
    driver = {"a.gdb": "OpenFileGDB", "a.gpkg": "GPKG"}[name]
    write_ogr(tmp_path / name, good_rows(), driver, layer="DLTB")
    write_ogr(tmp_path / name, good_rows(), driver, layer="XZQ", append=True)
    assert found(tmp_path / name, K.LAYER_AMBIGUOUS).detail == "DLTB, XZQ"
    assert found(tmp_path / name, K.LAYER_UNKNOWN, layer="dltb").field == "dltb"
    assert inspect_file(tmp_path / name, layer="DLTB")[0].ok


@pytest.mark.parametrize("name", ["shp-gbk-cpg", "gpkg", "gdb", "parquet", "fgb", "geojson"])
def test_an_empty_layer(tmp_path: Path, name: str):
    report, _ = inspect_file(FORMATS[name](tmp_path, good_rows(0)))
    assert K.EMPTY_LAYER in kinds(report)


def test_rows_of_another_width(tmp_path: Path):
    path = write_csv(tmp_path / "a.csv", good_rows())
    lines = path.read_text().splitlines()
    lines[3] += ",more"
    path.write_text("\n".join(lines))
    fault = found(path, K.MALFORMED_ROW, collection=TABLE)
    assert (fault.count, fault.keys) == (1, ("#3",))


@pytest.mark.parametrize(
    ("encoding", "cpg", "option", "looks"),
    [("GBK", "UTF-8", None, "gb18030"), ("UTF-8", "GBK", None, "utf-8"), ("UTF-8", None, "GBK", "utf-8")],
)
def test_a_wrong_encoding_is_told(tmp_path: Path, encoding: str, cpg: str | None, option: str | None, looks: str):
    path = write_shapefile(tmp_path / "a.shp", good_rows(50), encoding=encoding, cpg=cpg)
    fault = found(path, K.WRONG_ENCODING, encoding=option)
    assert fault.values == (looks,)
    assert kinds(inspect_file(path, encoding=option)[0]) == {K.WRONG_ENCODING: 0}
    assert inspect_file(path, encoding=looks)[0].ok


def test_the_option_wins_over_silence(tmp_path: Path):
    path = write_shapefile(tmp_path / "a.shp", good_rows(), encoding="GBK", cpg=None)
    report, _ = inspect_file(path)
    assert [notice.kind for notice in report.notices] == [K.NOTICE_ENCODING]
    assert inspect_file(path, encoding="cp936")[0].notices == ()


def test_text_cut_in_the_middle_of_a_character(tmp_path: Path):
    rows = good_rows(60).having(DLMC=["水田"] * 60)
    path = write_shapefile(tmp_path / "a.shp", rows, encoding="UTF-8", cpg="UTF-8")
    dbf = path.with_suffix(".dbf")
    dbf.write_bytes(dbf.read_bytes().replace("水田".encode(), "水田".encode()[:5] + b" ", 1))
    fault = found(path, K.GARBLED_TEXT)
    assert (fault.field, fault.count, fault.keys) == ("DLMC", 1, ("510104211000000000",))


@pytest.mark.parametrize("text", ["ˮÌïË®Ìï", "锟斤拷", "水\ufffd"])
def test_text_garbled_before_it_came_here(tmp_path: Path, text: str):
    fault = found(gpkg(tmp_path, good_rows().at(2, "DLMC", text)), K.GARBLED_TEXT)
    assert (fault.count, fault.values) == (1, (text,))


def test_utf8_taken_for_gbk_before_it_came_here(tmp_path: Path):
    names = [text.encode().decode("gb18030") for text in ("水田", "旱地", "果园茶园")] * 2
    fault = found(gpkg(tmp_path, good_rows(6).having(DLMC=names)), K.GARBLED_TEXT)
    assert fault.count == 6
