"""Geometries of real files, broken, repaired and out of place."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import shapely

from guotu.model.area import ellipsoidal_area_m2
from guotu.model.collection import GEOMETRY
from guotu.model.gcj02 import wgs_to_gcj
from node.ingest.kinds import FaultKind as K
from node.ingest.report import ImportReport
from tests.support.inspection import FORMATS, found, gpkg, inspect_file, kinds
from tests.support.layers import (
    TABLE,
    bowtie,
    expected_table,
    farthest,
    good_rows,
    write_csv,
    write_curve,
    write_ogr,
    write_parquet,
)


@pytest.mark.parametrize(
    ("kind", "shape", "detail"),
    [
        (K.GEOMETRY_NULL, None, ""),
        (K.GEOMETRY_EMPTY, shapely.Polygon(), ""),
        (K.GEOMETRY_TYPE, shapely.Point(104.06, 30.56), "Point"),
        (
            K.GEOMETRY_TYPE,
            shapely.GeometryCollection([shapely.box(104.06, 30.56, 104.07, 30.57)]),
            "GeometryCollection",
        ),
        (K.GEOMETRY_INVALID, bowtie(), "Self-intersection"),
        (K.COORDINATES_NOT_FINITE, shapely.Polygon([(104.06, 30.56), (104.07, np.nan), (104.07, 30.57)]), ""),
        (K.GEOMETRY_UNREADABLE, shapely.to_wkb(shapely.box(104.06, 30.56, 104.07, 30.57))[:60], ""),
    ],
)
def test_a_wrong_geometry(tmp_path: Path, kind: K, shape: object, detail: str):
    fault = found(write_parquet(tmp_path / "a.parquet", good_rows().shape_at(3, shape)), kind)
    assert (fault.count, fault.keys, fault.detail) == (1, ("510104211000000003",), detail)


@pytest.mark.parametrize("name", ["shp-gbk-cpg", "gdb", "geojson", "fgb"])
def test_invalid_geometries_of_every_format(tmp_path: Path, name: str):
    path = FORMATS[name](tmp_path, good_rows().shape_at(3, bowtie()))
    assert found(path, K.GEOMETRY_INVALID).keys == ("510104211000000003",)
    report, table = inspect_file(path, inspector={"repair": True})
    assert report.ok
    assert report.repairs.count == 1
    assert shapely.is_valid(shapely.from_wkb(table[GEOMETRY].to_numpy())).all()


def test_a_repair_is_measured(tmp_path: Path):
    path = gpkg(tmp_path, good_rows().shape_at(3, bowtie()))
    report, table = inspect_file(path, inspector={"repair": True})
    repairs = report.repairs
    assert (repairs.count, repairs.keys) == (1, ("510104211000000003",))
    assert repairs.area_before_m2 == pytest.approx(0, abs=1)
    lobes = shapely.from_wkb(table[GEOMETRY][3].as_py())
    assert shapely.get_num_geometries(lobes) == 2
    assert repairs.area_after_m2 == pytest.approx(ellipsoidal_area_m2(np.array([lobes]))[0])
    assert repairs.largest_change_m2 == pytest.approx(repairs.area_after_m2 - repairs.area_before_m2)
    assert [(item.kind, item.detail) for item in report.notices] == [(K.NOTICE_REPAIRED, "Self-intersection")]
    untouched = table[GEOMETRY].to_pylist()
    assert [wkb for row, wkb in enumerate(untouched) if row != 3] == [
        shapely.to_wkb(shape) for row, shape in enumerate(good_rows().shapes) if row != 3
    ]


def test_open_rings_are_closed_by_repair(tmp_path: Path):
    closed = shapely.to_wkb(shapely.box(104.06, 30.56, 104.07, 30.57), flavor="iso")
    opened = closed[:9] + (4).to_bytes(4, "little") + closed[13:-16]
    path = write_parquet(tmp_path / "a.parquet", good_rows().shape_at(3, opened))
    assert found(path, K.GEOMETRY_UNREADABLE).count == 1
    report, table = inspect_file(path, inspector={"repair": True})
    assert [(item.kind, item.detail) for item in report.notices] == [(K.NOTICE_REPAIRED, "Ring not closed")]
    assert shapely.from_wkb(table[GEOMETRY][3].as_py()).equals(shapely.box(104.06, 30.56, 104.07, 30.57))


def test_what_vanishes_in_repair(tmp_path: Path):
    line = shapely.Polygon([(104.0625, 30.5625), (104.09375, 30.59375), (104.125, 30.625), (104.0625, 30.5625)])
    path = gpkg(tmp_path, good_rows().shape_at(3, line))
    assert found(path, K.GEOMETRY_UNREPAIRABLE, inspector={"repair": True}).keys == ("510104211000000003",)


def test_heights_are_left_out(tmp_path: Path):
    rows = good_rows()
    path = gpkg(tmp_path, rows.shaped([shapely.force_3d(shape, 500.0) for shape in rows.shapes]))
    report, table = inspect_file(path)
    assert [(item.kind, item.count) for item in report.notices] == [(K.NOTICE_DIMENSION_DROPPED, 8)]
    assert not shapely.has_z(shapely.from_wkb(table[GEOMETRY].to_numpy())).any()
    assert farthest(table[GEOMETRY], rows.shapes) == 0


def test_curves_become_lines(tmp_path: Path):
    path = write_curve(gpkg(tmp_path, good_rows(), SPATIAL_INDEX="NO"), 3, (104.08, 30.56), 0.002)
    report, table = inspect_file(path)
    assert [(item.kind, item.count) for item in report.notices] == [(K.NOTICE_CURVES, 1)]
    circle = shapely.from_wkb(table[GEOMETRY][3].as_py())
    assert circle.area == pytest.approx(np.pi * 0.002**2, rel=1e-3)


def test_a_layer_without_geometry(tmp_path: Path):
    path = write_csv(tmp_path / "a.csv", good_rows())
    assert kinds(inspect_file(path)[0]) == {K.GEOMETRY_MISSING: 0}


def test_a_table_kept_as_a_layer(tmp_path: Path):
    report, table = inspect_file(gpkg(tmp_path, good_rows()), TABLE)
    assert [notice.kind for notice in report.notices] == [K.NOTICE_GEOMETRY_DROPPED]
    assert table.to_pydict() == expected_table(good_rows())


def test_features_outside_their_county(tmp_path: Path):
    path = gpkg(tmp_path, good_rows().shape_at(3, shapely.box(103.5, 30.5, 103.6, 30.6)))
    fault = found(path, K.OUT_OF_BOUNDS)
    assert (fault.detail, fault.keys) == ("510104", ("510104211000000003",))
    assert fault.values == ("[103.5000 30.5000 103.6000 30.6000]", "[104.0573 30.5494 104.1683 30.6727]")
    report, table = inspect_file(path, inspector={"force_bounds": True})
    assert report.ok
    assert [notice.kind for notice in report.notices] == [K.OUT_OF_BOUNDS]
    assert table.num_rows == 8


def test_each_county_of_a_city_has_its_box(tmp_path: Path):
    rows = good_rows().shape_at(3, shapely.box(104.15, 30.6, 104.151, 30.601))
    path = gpkg(tmp_path, rows.at(3, "ZLDWDM", "5101070010010000000"))
    assert found(path, K.OUT_OF_BOUNDS, division="510100").detail == "510107"
    assert inspect_file(write_ogr(tmp_path / "b.gpkg", rows, "GPKG"), division="510100")[0].ok


def test_coordinates_of_a_web_map(tmp_path: Path):
    rows = good_rows(80)
    edge = [shapely.box(104.0575 + i / 1000, 30.5495, 104.058 + i / 1000, 30.5505) for i in range(80)]
    shifted = [shapely.transform(shape, gcj) for shape in edge]
    assert inspect_file(gpkg(tmp_path, rows.shaped(edge)))[0].ok
    report, _ = inspect_file(write_ogr(tmp_path / "b.gpkg", rows.shaped(shifted), "GPKG"))
    found_kinds = kinds(report)
    assert set(found_kinds) == {K.OUT_OF_BOUNDS, K.GCJ02_SUSPECTED}
    assert found_kinds[K.GCJ02_SUSPECTED] > 40
    forced, table = inspect_file(tmp_path / "b.gpkg", inspector={"force_bounds": True})
    assert forced.ok
    assert {notice.kind for notice in forced.notices} == {K.OUT_OF_BOUNDS, K.GCJ02_SUSPECTED}
    assert table.num_rows == 80


def test_a_neighbour_is_no_web_map(tmp_path: Path):
    path = gpkg(tmp_path, good_rows().shaped([shapely.box(104.2, 30.6, 104.3, 30.7)] * 8))
    assert set(kinds(inspect_file(path)[0])) == {K.OUT_OF_BOUNDS}


def gcj(points: np.ndarray) -> np.ndarray:
    return np.column_stack(wgs_to_gcj(points[:, 0], points[:, 1]))


def test_all_faults_come_in_one_report(tmp_path: Path):
    rows = (
        good_rows(40)
        .at(1, "DLBM", "9999")
        .at(2, "TBMJ", None)
        .at(3, "DLMC", "七个字的地类名")
        .at(5, "BSM", "510104211000000004")
        .shape_at(6, bowtie())
        .shape_at(7, None)
        .having(NOTE=["x"] * 40)
    )
    report, table = inspect_file(gpkg(tmp_path, rows))
    assert set(kinds(report)) == {
        K.EXTRA_COLUMN,
        K.KEY_DUPLICATE,
        K.NULL_VALUE,
        K.TEXT_LENGTH,
        K.UNKNOWN_CODE,
        K.GEOMETRY_NULL,
        K.GEOMETRY_INVALID,
    }
    assert table.num_rows == 0
    assert ImportReport.from_json(report.to_json()) == report
