"""Sums close: parcels that tile the land, shared out over members, fill each zone, in both stores."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from federation.execution.local import tabulate
from federation.execution.owned import Owned
from guotu.model.area import ellipsoidal_area_m2
from guotu.model.overlay import scanned_fields
from guotu.model.plan import ExpectedDataset
from guotu.model.ports import FeatureStore, Scan
from guotu.model.tabulation import Tabulation
from guotu.model.zones import Zones, zones_of
from tests.support.features import sample_collection, stored_rows
from tests.support.overlaying import Rows, rows_of
from tests.support.random_filters import TABLE
from tests.support.store_pair import StorePair

COLLECTION = sample_collection()
MEMBERS = ("510000/tb", "510100/tb", "510700/tb", "511900/tb")
LAND = shapely.box(104, 30, 104.4, 30.3)
CHECKS = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def tiles(count: int) -> np.ndarray:
    """Voronoi cells that tile the land and share their borders to the last bit."""
    points = np.random.default_rng(5).random((count, 2)) * (0.4, 0.3) + (104, 30)
    cells = shapely.get_parts(shapely.voronoi_polygons(shapely.multipoints(points), extend_to=LAND))
    cut = shapely.intersection(cells, LAND)
    return np.array([cell for cell in cut if not cell.is_empty])


TILES = tiles(240)


def rows_with(shapes: np.ndarray) -> pa.Table:
    some = TABLE.slice(0, len(shapes))
    place = TABLE.schema.get_field_index("geometry")
    return some.set_column(
        place, TABLE.schema.field(place), pa.array(shapely.to_wkb(shapes), TABLE.schema.types[place])
    )


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StorePair]:
    """Both stores with four datasets: whose border runs anyhow, as neighbouring parcels go to whoever comes."""
    with asyncio.Runner() as runner:
        pair = StorePair(runner, tmp_path_factory.mktemp("pair"))
        for number, dataset in enumerate(MEMBERS):
            pair.load(dataset, 1, COLLECTION, stored_rows(rows_with(TILES[number::4])))
        yield pair
        pair.close()


@st.composite
def polygons(draw: st.DrawFn) -> shapely.Geometry:
    x, y = draw(st.floats(104.1, 104.3)), draw(st.floats(30.1, 30.2))
    size = draw(st.floats(0.0001, 0.09))
    kind = draw(st.sampled_from(["box", "blob", "coast", "tiles"]))
    match kind:
        case "box":
            return shapely.box(x - size, y - size / 2, x + size, y + size / 2)
        case "coast":
            return shapely.segmentize(shapely.Point(x, y).buffer(size, quad_segs=40), size / 400)
        case "tiles":
            return shapely.union_all(TILES[draw(st.integers(0, 200)) :][: draw(st.integers(1, 30))])
    return shapely.Point(x, y).buffer(size, quad_segs=draw(st.integers(2, 9)))


ZONES = st.lists(polygons(), min_size=1, max_size=3).map(
    lambda found: zones_of([f"z{number}" for number in range(len(found))], np.array(found))
)


def no_keys(dataset: str, version: int) -> AsyncIterator[pa.RecordBatch]:
    raise AssertionError(f"nobody shares features with {dataset}")


async def members_sums(store: FeatureStore, zones: Zones) -> Rows:
    """Add up what each member finds of the pieces of zones that meet its parcels."""
    sums: Rows = {}
    for dataset in MEMBERS:
        mine = shapely.box(*shapely.total_bounds(TILES[MEMBERS.index(dataset) :: 4]))
        met = np.flatnonzero(shapely.intersects(zones.pieces.shapes, mine))
        part = zones.part(met.tolist())
        expected = ExpectedDataset(dataset, 1, 0, 0.0, True, "")
        scan = Scan(scanned_fields(COLLECTION, ()), near=part.boxes)
        owned = Owned(dataset, COLLECTION, {}, no_keys)
        found = Tabulation(part, COLLECTION, (), 1000)
        await tabulate(store, expected, COLLECTION, scan, found, owned)
        for key, (count, area) in rows_of(found.table(), ()).items():
            before = sums.get(key, (0, Decimal(0)))
            sums[key] = (before[0] + count, before[1] + area)
    return sums


@CHECKS
@given(zones=ZONES)
def test_the_members_parts_fill_each_zone(pair: StorePair, zones: Zones) -> None:
    first, second = pair.both(lambda store: members_sums(store, zones))
    assert first == second
    own = ellipsoidal_area_m2(zones.shapes)
    for name, area in zip(zones.names.to_pylist(), own.tolist(), strict=True):
        assert abs(float(first[(name,)][1]) - area) <= max(0.02, area * 1e-6)
