"""The survey's area formula against its published and computed vectors."""

import numpy as np
import pytest
import shapely

from guotu.model.area import ellipsoidal_area_m2, official_area_m2, sheet_area_m2
from guotu.model.crs import resolve_crs, transform_geometries
from guotu.model.locating import frame_of, round_half_up

V1 = [(500100, 3380100), (501100, 3380100), (501100, 3381100), (500100, 3381100)]
V2 = [(620000, 3380000), (620800.5, 3380120.25), (620700.75, 3380910.125), (619950.5, 3380700)]
V3 = [(630000, 2300000), (632000, 2300000), (632000, 2301500), (630000, 2301500)]
VECTORS = {"V1": (V1, 999_999.99), "V2": (V2, 589_722.28), "V3": (V3, 2_998_728.42)}


def geometries(*items):
    array = np.empty(len(items), dtype=object)
    array[:] = items
    return array


@pytest.mark.parametrize(
    ("width", "south", "north", "expected"),
    [(225 / 3600, 30, 30 + 150 / 3600, 27_847_757.03), (112.5 / 3600, 40, 40 + 75 / 3600, 6_172_038.84)],
)
def test_sheets_have_their_theoretical_area(width, south, north, expected):
    assert round(sheet_area_m2(width, south, north), 2) == expected


def test_all_bands_of_latitude_make_up_the_surface_of_the_ellipsoid():
    bands = sum(sheet_area_m2(360, south, south + 10) for south in range(-90, 90, 10))
    assert bands == pytest.approx(5.100656217240886e14, rel=1e-10)


@pytest.mark.parametrize("name", VECTORS)
def test_parcels_have_their_official_area_to_the_last_digit(name):
    corners, expected = VECTORS[name]
    assert official_area_m2(geometries(shapely.Polygon(corners)), "EPSG:4547")[0] == expected


@pytest.mark.parametrize(("crs", "meridian", "reach"), [("EPSG:4526", 114, 1.5), ("EPSG:4508", 111, 3)])
def test_the_inverse_series_is_the_projection_to_a_millimetre(crs, meridian, reach):
    grid = np.meshgrid(np.linspace(meridian - reach, meridian + reach, 9), np.linspace(4, 53, 12))
    exact = np.column_stack([axis.ravel() for axis in grid])
    plane = shapely.get_coordinates(transform_geometries(shapely.points(exact), "EPSG:4490", crs))
    latitude, longitude = frame_of(crs).locate(*plane.T)
    seconds = np.abs(np.degrees([longitude, latitude]).T - exact) * 3600
    # Longitude ends at the fifth power of the distance, so it is the weaker one at the rim of a wide zone.
    assert (seconds.max(axis=0) < (2.5e-5, 7e-6)).all()


def test_many_parcels_at_once_equal_each_alone():
    parcels = geometries(*(shapely.Polygon(corners) for corners, _ in VECTORS.values()))
    together = official_area_m2(parcels, "EPSG:4547")
    assert together.tolist() == [expected for _, expected in VECTORS.values()]


def test_orientation_and_starting_vertex_do_not_matter():
    turned = geometries(shapely.Polygon(V2[::-1]), shapely.Polygon(V2[2:] + V2[:2]))
    assert official_area_m2(turned, "EPSG:4547").tolist() == [589_722.28, 589_722.28]


@pytest.mark.parametrize("turn", [1, -1])
def test_a_hole_is_subtracted_whatever_its_orientation(turn):
    hole = [(500300, 3380300), (500500, 3380300), (500500, 3380500), (500300, 3380500)][::turn]
    whole, cut, lost = ellipsoidal_area_m2(
        geometries(shapely.Polygon(V1), shapely.Polygon(V1, [hole]), shapely.Polygon(hole)), "EPSG:4547"
    )
    assert cut == pytest.approx(whole - lost, abs=1e-6)
    assert lost == pytest.approx(40_000, abs=0.1)


def test_multipolygons_and_collections_sum_their_polygons_and_ignore_the_rest():
    near, far = shapely.Polygon(V1), shapely.Polygon(V3)
    mixed = shapely.GeometryCollection([shapely.MultiPolygon([near, far]), shapely.Point(0, 0), shapely.LineString(V2)])
    separate = ellipsoidal_area_m2(geometries(near, far), "EPSG:4547").sum()
    joined = ellipsoidal_area_m2(geometries(mixed, shapely.MultiPolygon([near, far])), "EPSG:4547")
    assert joined == pytest.approx([separate, separate], abs=1e-6)


def test_empty_has_no_area_and_missing_has_no_number():
    areas = ellipsoidal_area_m2(
        geometries(shapely.Polygon(), None, shapely.Point(500000, 1), shapely.Polygon(V1)), "EPSG:4547"
    )
    assert areas[[0, 2]].tolist() == [0, 0]
    assert np.isnan(areas[1])
    assert areas[3] > 0
    assert ellipsoidal_area_m2(geometries()).shape == (0,)
    assert ellipsoidal_area_m2(geometries(shapely.Point(1, 1))).dtype == np.float64


def test_a_vertex_that_is_no_number_spoils_only_its_own_geometry():
    broken = shapely.transform(shapely.box(0, 0, 1, 1), lambda xy: np.where(xy.sum(axis=1)[:, None] > 1, np.nan, xy))
    fine = shapely.box(114, 30, 114.01, 30.01)
    areas = ellipsoidal_area_m2(geometries(fine, broken, fine))
    assert np.isnan(areas[1])
    assert areas[0] == areas[2] > 0


def test_a_sheet_drawn_as_a_polygon_has_the_sheet_area():
    sheet = shapely.box(114, 30, 114 + 225 / 3600, 30 + 150 / 3600)
    assert official_area_m2(geometries(sheet))[0] == pytest.approx(27_847_757.03, abs=0.02)


def test_long_edges_run_through_several_blocks(monkeypatch):
    ring = geometries(shapely.Polygon(V3), shapely.Polygon(V2))
    whole = ellipsoidal_area_m2(ring, "EPSG:4547")
    monkeypatch.setattr("guotu.model.area._BLOCK_POINTS", 7)
    assert ellipsoidal_area_m2(ring, "EPSG:4547") == pytest.approx(whole, abs=1e-6)


@pytest.mark.parametrize(
    ("crs", "shift"),
    [("EPSG:4526", 38e6), ("EPSG:4547", 0), ("4547", 0), ("EPSG:4546", 0), ("EPSG:4508", 0)],
)
def test_zones_differ_by_prefix_and_meridian_only(crs, shift):
    parcel = shapely.transform(shapely.Polygon(V2), lambda xy: np.add(xy, (shift, 0)))
    # The area depends on the distance from the meridian, not on which meridian it is.
    assert official_area_m2(geometries(parcel), crs)[0] == pytest.approx(589_722.28, abs=0.011)


def test_the_wkt_of_a_shapefile_is_understood():
    wkt = resolve_crs("EPSG:4547").to_wkt("WKT1_ESRI")
    assert official_area_m2(geometries(shapely.Polygon(V3)), wkt)[0] == 2_998_728.42


@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:3857", "EPSG:2383"])
def test_other_reference_systems_are_refused(crs):
    with pytest.raises(ValueError, match="CGCS2000 only"):
        ellipsoidal_area_m2(geometries(shapely.Polygon(V1)), crs)


def test_a_missing_zone_prefix_is_noticed():
    with pytest.raises(ValueError, match="zone prefix"):
        ellipsoidal_area_m2(geometries(shapely.Polygon(V1)), "EPSG:4526")


def test_projected_coordinates_are_not_degrees():
    with pytest.raises(ValueError, match="degrees"):
        ellipsoidal_area_m2(geometries(shapely.Polygon(V1)), "EPSG:4490")


def test_rounding_is_half_up_and_symmetric():
    assert round_half_up(np.array([0.125, 0.375, 2.5, -0.125]), 2).tolist() == [0.13, 0.38, 2.5, -0.13]


def test_an_area_does_not_depend_on_what_stands_beside_it():
    """To the last bit, so that areas that are rounded and added up are the same however they are spread over nodes."""
    luck = np.random.default_rng(4)
    corners = luck.random((300, 2)) * (8, 8) + (100, 26)
    shapes = shapely.buffer(shapely.points(corners), luck.random(300) ** 6 * 0.5, quad_segs=5)
    shapes[::7] = shapely.difference(shapes[::7], shapely.buffer(shapely.points(corners[::7]), 1e-5))
    shapes[::11] = [
        shapely.MultiPolygon([*shapely.get_parts(shape), shapely.box(99, 20, 99.1, 20.1)]) for shape in shapes[::11]
    ]
    together = ellipsoidal_area_m2(shapes)
    assert ellipsoidal_area_m2(shapes[::-1])[::-1].tolist() == together.tolist()
    assert [ellipsoidal_area_m2(shapes[place : place + 1])[0] for place in range(300)] == together.tolist()
