"""The survey's area against GeographicLib, which shares nothing with it but the ellipsoid."""

import numpy as np
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Geod, Transformer

from guotu.model.area import ellipsoidal_area_m2

CGCS2000 = Geod(a=6378137.0, rf=298.257222101)
INVERSE = Transformer.from_crs("EPSG:4547", "EPSG:4490", always_xy=True)


@st.composite
def stars(draw, east, north, radius):
    """A star-shaped polygon of 3 to 12 corners about a centre, so it never crosses itself."""
    x, y, size = draw(east), draw(north), draw(radius)
    reach = np.array(draw(st.lists(st.floats(0.3, 1), min_size=3, max_size=12)))
    angle = 2 * np.pi * np.arange(len(reach)) / len(reach) + draw(st.floats(0, 6))
    return shapely.Polygon(np.column_stack([x + size * reach * np.cos(angle), y + size * reach * np.sin(angle)]))


def agrees(area, oracle):
    return abs(area - oracle) <= max(0.02, 1e-6 * oracle)


def area_of(polygon, crs):
    return float(ellipsoidal_area_m2(np.array([polygon], dtype=object), crs)[0])


def geodesic_area(polygon):
    return abs(CGCS2000.geometry_area_perimeter(polygon)[0])


parcels = stars(st.floats(360_000, 640_000), st.floats(400_000, 5_900_000), st.floats(5, 5_000))
territories = stars(st.floats(74, 134), st.floats(4, 53), st.floats(1e-4, 0.1))


@given(parcels)
@settings(deadline=None)
def test_gauss_parcels_agree_with_geodesics(parcel):
    dense = shapely.segmentize(parcel, 70)
    on_ellipsoid = shapely.transform(dense, lambda xy: np.column_stack(INVERSE.transform(*xy.T)))
    assert agrees(area_of(parcel, "EPSG:4547"), geodesic_area(on_ellipsoid))


@given(territories)
@settings(deadline=None)
def test_geographic_parcels_agree_with_geodesics(parcel):
    assert agrees(area_of(parcel, "EPSG:4490"), geodesic_area(shapely.segmentize(parcel, 0.0005)))


@given(parcels, st.floats(-0.2, 0.2), st.floats(0, 3.1))
@settings(deadline=None)
def test_cutting_a_parcel_loses_nothing(parcel, offset, turn):
    centre, span = parcel.centroid, 20_000
    blade = shapely.affinity.rotate(shapely.box(-span, offset, span, span), turn, (0, 0), use_radians=True)
    blade = shapely.affinity.translate(blade, centre.x, centre.y)
    pieces = [shapely.intersection(parcel, blade), shapely.difference(parcel, blade)]
    total = sum(area_of(piece, "EPSG:4547") for piece in pieces)
    assert agrees(total, area_of(parcel, "EPSG:4547"))
