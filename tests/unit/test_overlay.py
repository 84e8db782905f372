"""Features over zones, computed: against the plainest computation, and against the laws that areas keep."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
import shapely

from guotu.model import errors
from guotu.model.area import ellipsoidal_area_m2
from guotu.model.overlay import Common, Overlayer, areas_of, overlay_schema, scanned_fields
from guotu.model.tabulation import Tabulation
from guotu.model.zones import Zones, zones_of
from tests.support.features import sample_collection
from tests.support.overlaying import Oracle, common_area, rows_of

COLLECTION = sample_collection()
GROUPS = ("DLBM", "prefecture")


def zones(*shapes: shapely.Geometry) -> Zones:
    return zones_of([f"z{number}" for number in range(len(shapes))], np.array(shapes))


def batch(
    shapes: np.ndarray, classes: list[str | None] | None = None, codes: list[str | None] | None = None
) -> pa.RecordBatch:
    count = len(shapes)
    columns = [
        pa.array(classes or ["0101"] * count, pa.string()),
        pa.array(codes or ["510104001"] * count, pa.string()),
        pa.array(shapely.to_wkb(shapes), pa.binary()),
    ]
    return pa.record_batch(columns, names=["DLBM", "ZLDWDM", "geometry"])


def tabulated(over: Zones, *batches: pa.RecordBatch, by: tuple[str, ...] = GROUPS) -> pa.Table:
    tabulation = Tabulation(over, COLLECTION, by, 1000)
    for part in batches:
        tabulation.add(part)
    return tabulation.table()


def common(over: Zones, shapes: np.ndarray) -> Common:
    parts = list(Overlayer(over).common(shapes))
    columns = [np.concatenate([getattr(part, name) for part in parts]) for name in ("zones", "features", "units")]
    return Common(*columns)


def total(shapes: np.ndarray, zone: shapely.Geometry) -> Decimal:
    return sum((common_area(zone, shape) for shape in shapes), Decimal(0))


def parcels(count: int, seed: int = 0) -> np.ndarray:
    """Voronoi cells of a square of half a degree: they tile it, and share their borders to the last bit."""
    points = np.random.default_rng(seed).random((count, 2)) / 2 + (104, 30)
    square = shapely.box(104, 30, 104.5, 30.5)
    cells = shapely.get_parts(shapely.voronoi_polygons(shapely.multipoints(points), extend_to=square))
    return np.array([cell for cell in shapely.intersection(cells, square) if not cell.is_empty])


PARCELS = parcels(400)
CLASSES = ["0101", "0102", "0301", None]
CODES = ["510104001", "5115", "51", None, "500101"]
SPREAD = batch(PARCELS, [CLASSES[place % 4] for place in range(400)], [CODES[place % 5] for place in range(400)])
BLOB = shapely.Point(104.25, 30.25).buffer(0.12)
RING = BLOB.difference(shapely.Point(104.25, 30.25).buffer(0.05))
ISLANDS = shapely.MultiPolygon([shapely.box(104.02, 30.02, 104.1, 30.09), shapely.box(104.3, 30.3, 104.45, 30.34)])
WORLD = shapely.box(60, 0, 140, 60)
PART = PARCELS[7]
MANY = shapely.segmentize(shapely.Point(104.3, 30.2).buffer(0.2, quad_segs=64), 0.0005)
OUTLINE = shapely.union_all(PARCELS[20:60])


def level(code: str | None) -> str | None:
    return None if code is None else code[:4].ljust(6, "0")


def test_any_zones_give_what_the_plainest_computation_gives() -> None:
    over = zones(BLOB, RING, ISLANDS, WORLD, PART, MANY, OUTLINE, shapely.box(0, 0, 1, 1))
    rows = rows_of(tabulated(over, SPREAD), GROUPS)
    groups = [(CLASSES[place % 4], level(CODES[place % 5])) for place in range(400)]
    plain = over.take([0, 1, 2, 3, 4, 6, 7])
    expected = Oracle(PARCELS, groups).rows(plain.shapes, plain.names.to_pylist())
    assert {key: value for key, value in rows.items() if key[0] != "z5"} == expected
    assert {key[0] for key in rows} == {f"z{number}" for number in range(7)}


def test_a_zone_of_many_points_is_cut_up_and_loses_nothing() -> None:
    assert shapely.get_num_coordinates(MANY) > 2000
    rows = rows_of(tabulated(zones(MANY), SPREAD, by=("DLBM",)), ("DLBM",))
    expected = Oracle(PARCELS, [(CLASSES[place % 4],) for place in range(400)]).rows(np.array([MANY]), ["z0"])
    assert rows.keys() == expected.keys()
    for key, (count, area) in rows.items():
        assert count == expected[key][0]
        assert area == pytest.approx(expected[key][1], rel=Decimal("1e-9"))


def test_batches_and_their_order_do_not_matter() -> None:
    over = zones(BLOB, RING, MANY, WORLD)
    whole = rows_of(tabulated(over, SPREAD), GROUPS)
    order = np.random.default_rng(3).permutation(400)
    mixed = SPREAD.take(pa.array(order))
    assert rows_of(tabulated(over, *(mixed.slice(start, 37) for start in range(0, 400, 37))), GROUPS) == whole
    for number in range(4):
        alone = tabulated(over.take([number]), SPREAD)
        assert rows_of(alone, GROUPS) == {key: value for key, value in whole.items() if key[0] == f"z{number}"}


def test_neither_do_the_portions_that_the_work_is_cut_into(monkeypatch: pytest.MonkeyPatch) -> None:
    over = zones(BLOB, RING, MANY, WORLD, ISLANDS, shapely.segmentize(OUTLINE, 0.0001))
    whole = rows_of(tabulated(over, SPREAD), GROUPS)
    monkeypatch.setattr("guotu.model.overlay._PAIRS", 7)
    monkeypatch.setattr("guotu.model.overlay._TREE_PIECES", 3)
    assert len(list(Overlayer(over).common(PARCELS))) > 100
    assert rows_of(tabulated(over, SPREAD), GROUPS) == whole


def test_what_is_stopped_ends_soon() -> None:
    tabulation = Tabulation(zones(WORLD), COLLECTION, (), 1000)
    tabulation.stop()
    tabulation.add(batch(PARCELS))
    assert tabulation.table().num_rows == 0


def test_zones_that_tile_a_region_give_its_features_whole() -> None:
    edges = np.linspace(104, 104.5, 6)
    tiles = shapely.box(edges[:-1, None], 30, edges[1:, None], 30.5).ravel()
    rows = tabulated(zones(*tiles), SPREAD, by=()).to_pylist()
    own = float(ellipsoidal_area_m2(PARCELS).sum())
    assert float(sum(row["area_m2"] for row in rows)) == pytest.approx(own, rel=1e-9)
    (everything,) = tabulated(zones(WORLD), SPREAD, by=()).to_pylist()
    assert (everything["count"], everything["area_m2"]) == (400, total(PARCELS, WORLD))


def test_features_that_make_up_a_zone_count_and_its_neighbours_do_not() -> None:
    """Border upon border: each has its own area, to the digit, and no sliver of a neighbour is found."""
    found = common(zones(OUTLINE), PARCELS)
    assert found.features.tolist() == list(range(20, 60))
    own = ellipsoidal_area_m2(PARCELS[20:60])
    assert found.units.tolist() == np.floor(own * 10_000 + 0.5).astype(int).tolist()


@pytest.mark.parametrize(
    "shape", [shapely.box(105, 30, 106, 31), shapely.box(105, 31, 106, 32), shapely.Polygon(), None]
)
def test_what_touches_or_is_nothing_does_not_count(shape: shapely.Geometry | None) -> None:
    found = common(zones(shapely.box(104, 30, 105, 31)), np.array([shape, shapely.box(104.5, 30.5, 106, 31)]))
    assert found.features.tolist() == [1]


def test_less_than_a_square_centimetre_does_not_count() -> None:
    zone = shapely.box(104, 30, 105, 31)
    step = 1e-3 / 111_000  # about a millimetre
    slivers = shapely.box(105 - step * np.array([0.05, 40]), 30.5, 105.1, 30.5 + step * np.array([0.5, 40]))
    assert common(zones(zone), slivers).features.tolist() == [1]


def test_zones_that_overlap_count_each_for_itself() -> None:
    (first, second) = tabulated(zones(BLOB, BLOB), SPREAD, by=()).to_pylist()
    assert (first["count"], first["area_m2"]) == (second["count"], second["area_m2"])
    assert first["area_m2"] == total(PARCELS, BLOB)


def test_a_stored_shape_that_is_not_valid_is_repaired_and_harms_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the geometry engine gives up on a pair, that pair is repaired; those beside it are what they were."""
    bow = shapely.Polygon([(104.2, 30.2), (104.4, 30.4), (104.4, 30.2), (104.2, 30.4)])
    intersection = shapely.intersection

    def strict(left: np.ndarray, right: np.ndarray) -> np.ndarray:
        if not shapely.is_valid(right).all():
            raise shapely.errors.GEOSException("TopologyException: side location conflict")
        return intersection(left, right)

    half = shapely.box(104, 30, 104.3, 31)
    sound = common(zones(half), PARCELS)
    monkeypatch.setattr(shapely, "intersection", strict)
    found = common(zones(half), np.array([*PARCELS, bow]))
    assert found.units[found.features < 400].tolist() == sound.units.tolist()
    assert found.units[found.features == 400] / 1e4 == pytest.approx(float(common_area(half, shapely.make_valid(bow))))


def test_areas_agree_with_geodesics() -> None:
    from pyproj import Geod

    geod = Geod(a=6378137.0, rf=298.257222101)
    found = common(zones(BLOB), PARCELS)
    for feature, units in zip(found.features.tolist(), found.units.tolist(), strict=True):
        cut = shapely.segmentize(shapely.intersection(BLOB, PARCELS[feature]), 0.0005)
        oracle = abs(geod.geometry_area_perimeter(cut)[0])
        assert abs(units / 1e4 - oracle) <= max(0.02, 1e-6 * oracle)


def test_too_many_groups_are_refused() -> None:
    names = batch(PARCELS, [f"c{place}" for place in range(400)])
    tabulation = Tabulation(zones(WORLD), COLLECTION, ("DLBM",), 399)
    tabulation.add(names)
    with pytest.raises(errors.TooLarge, match="groups"):
        tabulation.table()


def test_columns() -> None:
    assert scanned_fields(COLLECTION, ("prefecture", "DLBM", "county")) == ("ZLDWDM", "DLBM", "geometry")
    schema = overlay_schema(COLLECTION, ("DLBM", "county"), shares=True)
    assert schema.names == ["zone", "DLBM", "county", "count", "area_m2", "share"]
    assert tabulated(zones(BLOB)).schema == overlay_schema(COLLECTION, GROUPS, shares=False)
    with pytest.raises(errors.UnknownField):
        overlay_schema(COLLECTION, ("nothing",), shares=False)
    units = np.array([0, 1, 123_456_789, 2**62, 5])
    assert areas_of(units).to_pylist() == [Decimal(int(value)).scaleb(-4) for value in units]
