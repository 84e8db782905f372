"""DuckDB and PostGIS give the same nearest features, whatever is asked: those that measuring all of them finds."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pytest
import shapely
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from federation.execution.nearest import nearest_rows
from guotu.model.crs import MESH_CRS, transform_wkb
from guotu.model.distance import Distances
from guotu.model.expression import Compare, Comparison, Expression
from guotu.model.plan import ExpectedDataset
from guotu.model.ports import FeatureStore, Scan
from guotu.model.question import Nearest
from tests.support.features import removed, sample_collection, stored_rows
from tests.support.random_filters import TABLE
from tests.support.store_pair import StorePair
from tests.support.stores import fetch

COLLECTION = sample_collection()
DATASET = "510000/tb"
FILTERS: list[Expression | None] = [
    None,
    Compare("DLBM", Comparison.EQ, "0101"),
    Compare("DLBM", Comparison.EQ, "nothing has it"),
]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StorePair]:
    with asyncio.Runner() as runner:
        pair = StorePair(runner, tmp_path_factory.mktemp("pair"))
        pair.load(DATASET, 1, COLLECTION, stored_rows(TABLE))
        pair.apply(DATASET, 2, COLLECTION, removed(TABLE["BSM"].to_pylist()[:60]))
        yield pair
        pair.close()


def expected(version: int, rows: int) -> ExpectedDataset:
    return ExpectedDataset(DATASET, version, rows, 4e12, True, "MAY_MATCH")


PLACES = st.tuples(st.floats(98, 122), st.floats(24, 48))
LITERALS = st.one_of(
    PLACES.map(shapely.Point),
    PLACES.map(lambda at: shapely.Point(round(at[0]), round(at[1]))),  # equally far from many
    st.lists(PLACES, min_size=2, max_size=3).map(shapely.LineString),
    st.tuples(PLACES, st.floats(0.1, 2)).map(lambda it: shapely.Point(it[0]).buffer(it[1], quad_segs=3)),
    st.just(shapely.Point(108, 33).buffer(5, quad_segs=300).difference(shapely.box(107, 32, 109, 34))),
    st.just(shapely.Point(-120, -40)),
).filter(lambda shape: bool(shape.is_valid))


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    version=st.sampled_from([1, 2]),
    literal=LITERALS,
    count=st.sampled_from([1, 3, 20, 1000]),
    within=st.sampled_from([0.0, 30_000.0, 400_000.0]),
    wanted=st.sampled_from(FILTERS),
    told_rows=st.sampled_from([0, 300, 10_000_000]),
)
def test_the_nearest(
    pair: StorePair,
    version: int,
    literal: shapely.Geometry,
    count: int,
    within: float,
    wanted: Expression | None,
    told_rows: int,
) -> None:
    nearest = Nearest(shapely.to_wkb(literal), within)
    scan = Scan(("BSM",), wanted)

    async def found(store: FeatureStore) -> list[tuple[float, str]]:
        rows = await nearest_rows(store, expected(version, told_rows), COLLECTION, nearest, count, scan)
        return list(zip(rows["distance_m"].to_pylist(), rows["BSM"].to_pylist(), strict=True))

    async def plainly(store: FeatureStore) -> list[tuple[float, str]]:
        every = await fetch(store, COLLECTION, Scan(("BSM", "geometry"), wanted), version=version)
        metres = Distances(literal).of(shapely.from_wkb(every["geometry"].to_numpy()))
        far = within or np.inf
        pairs = zip(metres.tolist(), every["BSM"].to_pylist(), strict=True)
        return sorted(pair for pair in pairs if pair[0] <= far)[:count]

    first, second = pair.both(found)
    event("some" if first else "none")
    assert first == second == pair.one(plainly)


def test_they_come_in_the_crs_asked_for(pair: StorePair) -> None:
    nearest = Nearest(shapely.to_wkb(shapely.Point(104, 30)))

    async def found(store: FeatureStore) -> pa.Table:
        scan = Scan(("geometry", "BSM"), crs="EPSG:4544")
        return await nearest_rows(store, expected(1, 300), COLLECTION, nearest, 3, scan)

    async def unmoved(store: FeatureStore) -> pa.Table:
        return await nearest_rows(store, expected(1, 300), COLLECTION, nearest, 3, Scan(("geometry", "BSM")))

    first, second = pair.both(found)
    assert isinstance(first, pa.Table)
    assert first.equals(second)
    plain = pair.one(unmoved)
    moved = transform_wkb(plain["geometry"], MESH_CRS, "EPSG:4544")
    assert first["geometry"].to_pylist() == moved.to_pylist()
