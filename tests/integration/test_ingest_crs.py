"""Reference systems of real files: missing, unknown, in conflict, mistaken and mixed."""

from __future__ import annotations

from pathlib import Path

import pytest
import shapely

from guotu.model.collection import GEOMETRY
from node.ingest.kinds import FaultKind as K
from tests.support.inspection import found, gpkg, inspect_file, kinds
from tests.support.layers import (
    farthest,
    good_rows,
    projected,
    squares,
    write_ogr,
    write_parquet,
    write_shapefile,
)


def test_no_crs(tmp_path: Path):
    path = write_shapefile(tmp_path / "a.shp", good_rows(), encoding="GBK", cpg="GBK", crs=None)
    assert kinds(inspect_file(path)[0]) == {K.CRS_MISSING: 0}
    assert inspect_file(path, crs="EPSG:4490")[0].ok


def test_parquet_whose_crs_is_stated_unknown(tmp_path: Path):
    path = write_parquet(tmp_path / "a.parquet", good_rows(), crs=None)
    assert kinds(inspect_file(path)[0]) == {K.CRS_MISSING: 0}
    assert inspect_file(path, crs="4490")[0].ok


def test_parquet_without_geo_metadata(tmp_path: Path):
    path = write_parquet(tmp_path / "a.parquet", good_rows(), geo=False)
    assert kinds(inspect_file(path)[0]) == {K.CRS_MISSING: 0}


def test_parquet_whose_crs_is_absent_is_wgs84(tmp_path: Path):
    path = write_parquet(tmp_path / "a.parquet", good_rows(), crs="absent")
    assert found(path, K.NOTICE_WGS84).detail == "OGC:CRS84"


def test_parquet_of_another_geometry_encoding(tmp_path: Path):
    path = write_parquet(tmp_path / "a.parquet", good_rows(), encoding="polygon")
    assert found(path, K.GEOMETRY_ENCODING).detail == "polygon"


def test_an_unknown_crs_option(tmp_path: Path):
    assert found(gpkg(tmp_path, good_rows()), K.CRS_UNKNOWN, crs="EPSG:999999").detail == "EPSG:999999"


def test_crs_option_against_the_file(tmp_path: Path):
    path = gpkg(tmp_path, good_rows())
    assert found(path, K.CRS_CONFLICT, crs="EPSG:4523").detail == "EPSG:4523 ≠ EPSG:4490"
    assert inspect_file(path, crs="EPSG:4490")[0].ok


@pytest.mark.parametrize("crs", ["EPSG:4610", "EPSG:4214", "EPSG:2363"])
def test_other_datums_are_refused(tmp_path: Path, crs: str):
    rows = good_rows() if crs != "EPSG:2363" else projected(good_rows(), "EPSG:4523")
    assert found(gpkg(tmp_path, rows, crs=crs), K.CRS_DATUM).detail == crs


def test_wgs84_is_taken_as_it_is(tmp_path: Path):
    rows = good_rows()
    report, table = inspect_file(gpkg(tmp_path, rows, crs="EPSG:4326"))
    assert [notice.kind for notice in report.notices] == [K.NOTICE_WGS84]
    assert farthest(table[GEOMETRY], rows.shapes) == 0


@pytest.mark.parametrize(
    ("crs", "zone"),
    [
        ("EPSG:4523", "EPSG:4523"),
        ("EPSG:4496", "EPSG:4496"),
        ("EPSG:4544", "EPSG:4534–4554"),
        ("EPSG:3857", "EPSG:3857"),
    ],
)
def test_geojson_of_metres_that_says_nothing(tmp_path: Path, crs: str, zone: str):
    path = write_ogr(tmp_path / "a.geojson", projected(good_rows(), crs), "GeoJSON", crs=None)
    fault = found(path, K.CRS_MISMATCH)
    assert (fault.values, fault.count) == ((zone,), 8)
    assert inspect_file(path, crs=crs)[0].ok


def test_metres_that_state_degrees(tmp_path: Path):
    path = gpkg(tmp_path, projected(good_rows(), "EPSG:4523"))
    assert found(path, K.CRS_MISMATCH).values == ("EPSG:4523",)


def test_degrees_that_state_metres(tmp_path: Path):
    assert found(gpkg(tmp_path, good_rows(), crs="EPSG:4523"), K.CRS_MISMATCH).values == ("EPSG:4490",)


def test_a_zone_with_prefix_that_states_none(tmp_path: Path):
    path = gpkg(tmp_path, projected(good_rows(), "EPSG:4523"), crs="EPSG:4544")
    assert found(path, K.CRS_MISMATCH).values == ("EPSG:4523",)


def test_a_zone_without_prefix_that_states_one(tmp_path: Path):
    path = gpkg(tmp_path, projected(good_rows(), "EPSG:4544"), crs="EPSG:4523")
    assert found(path, K.CRS_MISMATCH).values == ("EPSG:4544",)


def test_the_zone_beside(tmp_path: Path):
    path = gpkg(tmp_path, projected(good_rows(), "EPSG:4523"), crs="EPSG:4524")
    report, _ = inspect_file(path)
    assert K.OUT_OF_BOUNDS in kinds(report)
    assert [notice.values for notice in report.notices if notice.kind is K.NOTICE_ZONE] == [("EPSG:4523",)]


@pytest.mark.parametrize("other", ["EPSG:4490", "EPSG:4524", "EPSG:4544"])
@pytest.mark.parametrize("driver", ["shp", "gpkg", "parquet"])
def test_one_layer_of_two_crs(tmp_path: Path, other: str, driver: str):
    # Each zone's features lie near its own meridian, 105°E and 108°E.
    west = 107.9 if other == "EPSG:4524" else 104.06
    main, few = projected(good_rows(20), "EPSG:4523"), projected(good_rows(20).shaped(squares(20, west)), other)
    rows = main.shape_at(3, few.shapes[3]).shape_at(11, few.shapes[11])
    if driver == "parquet":
        path = write_parquet(tmp_path / "a.parquet", rows, crs="EPSG:4523")
    elif driver == "shp":
        path = write_shapefile(tmp_path / "a.shp", rows, encoding="GBK", cpg=None, crs="EPSG:4523")
    else:
        path = gpkg(tmp_path, rows, crs="EPSG:4523")
    fault = found(path, K.MIXED_CRS)
    assert fault.count == 2
    assert fault.keys == ("510104211000000003", "510104211000000011")
    assert fault.detail == f"EPSG:4523 × 18, {other} × 2"


def test_a_province_kept_in_one_zone_is_not_mixed(tmp_path: Path):
    rows = good_rows(40).having(ZLDWDM=["5100000010010000000"] * 40)
    wide = [shapely.box(98 + i / 4, 30, 98 + i / 4 + 0.01, 30.01) for i in range(40)]
    path = gpkg(tmp_path, projected(rows.shaped(wide), "EPSG:4523"), crs="EPSG:4523")
    report, table = inspect_file(path, division="510000")
    assert report.faults == ()
    assert farthest(table[GEOMETRY], wide) < 1e-8


def test_exchanged_longitude_and_latitude(tmp_path: Path):
    rows = good_rows()
    swapped = [shapely.transform(shape, lambda points: points[:, ::-1]) for shape in rows.shapes]
    assert found(gpkg(tmp_path, rows.shaped(swapped)), K.AXES_SWAPPED).count == 8


def test_exchanged_easting_and_northing(tmp_path: Path):
    rows = projected(good_rows(), "EPSG:4523")
    swapped = [shapely.transform(shape, lambda points: points[:, ::-1]) for shape in rows.shapes]
    fault = found(gpkg(tmp_path, rows.shaped(swapped), crs="EPSG:4523"), K.AXES_SWAPPED)
    assert (fault.count, fault.keys[0]) == (8, "510104211000000000")


def test_a_few_metres_among_degrees(tmp_path: Path):
    there = projected(good_rows(), "EPSG:4523")
    fault = found(gpkg(tmp_path, good_rows().shape_at(5, there.shapes[5])), K.MIXED_CRS)
    assert fault.keys == ("510104211000000005",)


def test_an_extent_that_lies_is_found_out(tmp_path: Path):
    there = projected(good_rows(), "EPSG:4523")
    path = write_parquet(tmp_path / "a.parquet", good_rows().shape_at(5, there.shapes[5]), bbox=[104, 30, 105, 31])
    report, table = inspect_file(path)
    assert {K.MIXED_CRS, K.COORDINATES_OUT_OF_RANGE} <= set(kinds(report))
    assert table.num_rows == 0


def test_a_row_that_cannot_be_transformed_is_told_by_its_key(tmp_path: Path):
    rows = projected(good_rows(20), "EPSG:4544")
    path = gpkg(tmp_path, rows.shape_at(7, shapely.box(9e15, 9e15, 9.1e15, 9.1e15)), crs="EPSG:4544")
    fault = found(path, K.COORDINATES_OUT_OF_RANGE)
    assert (fault.count, fault.keys) == (1, ("510104211000000007",))
    assert kinds(inspect_file(path)[0]) == {K.COORDINATES_OUT_OF_RANGE: 1}
