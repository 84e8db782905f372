"""Names of reference systems, and transformation of geometries between them."""

import json

import numpy as np
import pyarrow as pa
import pyproj.network
import pytest
import shapely

from guotu.model import crs
from guotu.model.crs import (
    MESH_CRS,
    authority_code,
    crs_projjson,
    gauss_kruger_codes,
    geometry_field,
    is_gauss_kruger,
    resolve_crs,
    transform_geometries,
    transform_wkb,
)

OLD_PRJ = (
    'PROJCS["CGCS2000_3_Degree_GK_CM_114E",GEOGCS["GCS_China_Geodetic_Coordinate_System_2000",'
    'DATUM["D_China_2000",SPHEROID["CGCS2000",6378137.0,298.257222101]{shift}],PRIMEM["Greenwich",0.0],'
    'UNIT["Degree",0.0174532925199433]],PROJECTION["{method}"],PARAMETER["False_Easting",500000.0],'
    'PARAMETER["False_Northing",0.0],PARAMETER["Central_Meridian",{meridian}],PARAMETER["Scale_Factor",1.0],'
    'PARAMETER["Latitude_Of_Origin",0.0],UNIT["Meter",1.0]]'
)
NULL_SHIFT = ",TOWGS84[0,0,0,0,0,0,0]"


def position(code):
    """Where a place comes to lie in a reference system."""
    return transform_geometries(np.array([shapely.Point(112, 30)]), MESH_CRS, code)[0].coords[0]


def test_gauss_kruger_zones_are_4491_to_4554():
    codes = gauss_kruger_codes()
    assert (codes[0], codes[-1], len(codes)) == (4491, 4554, 64)
    assert [is_gauss_kruger(code) for code in (4490, 4491, 4554, 4555)] == [False, True, True, False]
    assert all("Gauss-Kruger" in resolve_crs(str(code)).name for code in codes)


@pytest.mark.parametrize("text", ["EPSG:4547", "epsg:4547", "4547", " 4547\n"])
def test_codes_are_read_however_written(text):
    assert authority_code(resolve_crs(text)) == "EPSG:4547"


@pytest.mark.parametrize("text", ["", "nonsense", "EPSG:999999", "PROJCS[broken", "x" * 500])
def test_an_unknown_reference_system_says_what_to_give(text):
    with pytest.raises(ValueError, match=r"unknown CRS.*EPSG:4547") as caught:
        resolve_crs(text)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("code", [4490, 4326, 4502, 4513, 4526, 4533, 4534, 4547, 4554])
@pytest.mark.parametrize("dialect", ["WKT1_ESRI", "WKT1_GDAL", "WKT2_2019"])
def test_wkt_of_every_dialect_finds_its_code(code, dialect):
    wkt = resolve_crs(str(code)).to_wkt(dialect)
    # A 6° zone and the 3° zone of its meridian are one system under two codes.
    assert position(authority_code(resolve_crs(wkt))) == position(str(code))


@pytest.mark.parametrize("method", ["Gauss_Kruger", "Transverse_Mercator"])
@pytest.mark.parametrize("shift", ["", NULL_SHIFT])
def test_prj_files_of_other_programs_find_their_code(method, shift):
    wkt = OLD_PRJ.format(method=method, shift=shift, meridian="114.0")
    assert authority_code(resolve_crs(wkt)) == "EPSG:4547"


@pytest.mark.parametrize("shift", ["", NULL_SHIFT])
def test_a_local_meridian_is_not_taken_for_a_zone(shift):
    wkt = OLD_PRJ.format(method="Gauss_Kruger", shift=shift, meridian="114.5")
    assert authority_code(resolve_crs(wkt)) is None


def test_projjson_names_its_code():
    assert crs_projjson(MESH_CRS)["id"] == {"authority": "EPSG", "code": 4490}


def test_the_geometry_field_is_geoarrow_wkb():
    field = geometry_field("geometry", MESH_CRS)
    assert field.type == pa.binary()
    assert field.metadata[b"ARROW:extension:name"] == b"geoarrow.wkb"
    metadata = json.loads(field.metadata[b"ARROW:extension:metadata"])
    assert metadata["crs"]["id"]["code"] == 4490
    assert metadata["crs_type"] == "projjson"


def test_coordinates_are_x_before_y_in_and_out():
    (point,) = transform_geometries(np.array([shapely.Point(114, 30)]), MESH_CRS, "4547")
    assert point.x == pytest.approx(500_000, abs=1e-6)
    assert point.y == pytest.approx(3_320_113.398, abs=1e-3)


def test_heights_pass_missing_stays_and_plain_points_stay_plain():
    points = np.array([shapely.Point(114, 30, 7.5), None, shapely.Point(114, 30), shapely.Polygon()], dtype=object)
    solid, missing, plain, empty = transform_geometries(points, MESH_CRS, "EPSG:4526")
    assert (solid.z, missing, plain.has_z, empty.is_empty) == (7.5, None, False, True)
    assert solid.x == pytest.approx(38_500_000, abs=1e-6)


def test_the_same_system_under_two_names_changes_nothing():
    points = np.array([shapely.Point(500_000, 3e6)])
    wkt = resolve_crs("EPSG:4547").to_wkt("WKT1_ESRI")
    assert transform_geometries(points, "4547", "EPSG:4547")[0] == points[0]
    assert transform_geometries(points, wkt, "EPSG:4547")[0].equals_exact(points[0], 1e-6)


def test_impossible_coordinates_are_an_error():
    with pytest.raises(ValueError, match="EPSG:4490"):
        transform_geometries(np.array([shapely.Point(500_000, 3e6)]), MESH_CRS, "EPSG:4547")


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary()])
@pytest.mark.parametrize("chunked", [False, True])
def test_wkb_is_transformed_null_by_null(kind, chunked):
    wkb = [
        shapely.to_wkb(shapely.Point(114, 30), byte_order=0),
        None,
        shapely.to_wkb(shapely.Point(115, 30, 2)),
    ]
    array = pa.chunked_array([wkb[:1], wkb[1:]], type=kind) if chunked else pa.array(wkb, type=kind)
    moved = transform_wkb(array, MESH_CRS, "EPSG:4547")
    assert isinstance(moved, pa.BinaryArray)
    assert moved.is_null().to_pylist() == [False, True, False]
    assert shapely.from_wkb(moved[0].as_py()).x == pytest.approx(500_000, abs=1e-6)
    # Little-endian, and a point with height is type 1001 in ISO.
    assert moved[2].as_py()[:5] == b"\x01\xe9\x03\x00\x00"


def test_an_empty_array_stays_empty():
    assert len(transform_wkb(pa.array([], type=pa.binary()), MESH_CRS, "EPSG:4547")) == 0


def test_bytes_that_are_not_wkb_are_an_error():
    with pytest.raises(ValueError, match="WKB"):
        transform_wkb(pa.array([b"\x01\x02"], type=pa.binary()), MESH_CRS, "EPSG:4547")


def test_the_network_stays_off(monkeypatch):
    # Whatever other tests made already is made anew.
    monkeypatch.setattr(crs, "_transformer", crs._transformer.__wrapped__)
    pyproj.network.set_network_enabled(active=True)
    transform_geometries(np.array([shapely.Point(114, 30)]), MESH_CRS, "EPSG:4548")
    assert not pyproj.network.is_network_enabled()


@pytest.mark.parametrize("code", gauss_kruger_codes())
def test_every_zone_goes_there_and_back(code):
    area = resolve_crs(str(code)).area_of_use
    meridian = (area.west + area.east) / 2
    start = np.array([shapely.box(meridian - 1.5, 20, meridian + 1.5, 50)])
    there = transform_geometries(start, MESH_CRS, f"EPSG:{code}")
    back = transform_geometries(there, f"EPSG:{code}", MESH_CRS)
    assert shapely.get_coordinates(back) == pytest.approx(shapely.get_coordinates(start), abs=1e-9)
