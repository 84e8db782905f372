"""What every feature store picks within a distance: just what the rule for distances says, to the last bit."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
import pytest_asyncio
import shapely

from federation.execution.settling import settled
from guotu.model.distance import Distances
from guotu.model.errors import InvalidFilter
from guotu.model.expression import And, Compare, Comparison, Expression, Not, Or, WithinDistance
from guotu.model.plan import ExpectedDataset
from guotu.model.ports import FeatureStore, Scan
from tests.support.features import parcels, sample_collection
from tests.support.stores import fetch, load

pytestmark = pytest.mark.asyncio(loop_scope="module")

COLLECTION = sample_collection()
TABLE = parcels(1500, seed=3)
SHAPES = shapely.from_wkb(TABLE["geometry"].to_numpy())
EXPECTED = ExpectedDataset("510000/tb", 1, 1500, 1e9, True, "MAY_MATCH")
RING = shapely.Point(108, 33).buffer(1.5).difference(shapely.Point(108, 33).buffer(0.7))
LITERALS = {
    "point": shapely.Point(104.3, 30.1),
    "line": shapely.LineString([(101, 28), (104, 31), (110, 29)]),
    "ring": RING,
    "points": shapely.MultiPoint([(103, 30), (112, 40)]),
}


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def loaded(shared_features: FeatureStore) -> FeatureStore:
    await load(shared_features, TABLE)
    return shared_features


async def keys(store: FeatureStore, wanted: Expression) -> list[str]:
    told = await settled(wanted, store, EXPECTED, COLLECTION)
    found: list[str] = (await fetch(store, COLLECTION, Scan(("BSM",), told)))["BSM"].to_pylist()
    return found


def picked(mask: np.ndarray) -> list[str]:
    """Return keys in curve order, in which stores give them."""
    return list(TABLE["BSM"].filter(pa.array(mask)).to_pylist())


@pytest.mark.parametrize("name", LITERALS)
async def test_just_those_that_are_as_near(loaded: FeatureStore, name: str) -> None:
    literal = LITERALS[name]
    metres = Distances(literal).of(SHAPES)
    apart = np.sort(metres[metres > 0])
    for at in (5, 60, 400):
        exactly = float(apart[at])
        for asked in (exactly, float(np.nextafter(exactly, 0))):
            wanted = WithinDistance(shapely.to_wkb(literal), asked)
            assert await keys(loaded, wanted) == picked(metres <= asked)


async def test_among_other_conditions(loaded: FeatureStore) -> None:
    near, far = (WithinDistance(shapely.to_wkb(LITERALS["point"]), metres) for metres in (90_000.0, 300_000.0))
    metres = Distances(LITERALS["point"]).of(SHAPES)
    paddy = np.array([code == "0101" for code in TABLE["DLBM"].to_pylist()])
    wanted = And((far, Or((Not(near), Compare("DLBM", Comparison.EQ, "0101")))))
    expected = (metres <= 300_000) & (~(metres <= 90_000) | paddy)
    assert expected.any()
    assert await keys(loaded, wanted) == picked(expected)


async def test_what_has_no_geometry_is_neither_near_nor_far(loaded: FeatureStore) -> None:
    everywhere = WithinDistance(shapely.to_wkb(LITERALS["point"]), 1_000_000.0)
    lost = shapely.is_missing(SHAPES)
    either = {*await keys(loaded, everywhere), *await keys(loaded, Not(everywhere))}
    assert either == set(picked(~lost))


async def test_a_store_alone_is_not_asked_for_distances(loaded: FeatureStore) -> None:
    with pytest.raises(InvalidFilter, match="decided before"):
        await fetch(loaded, COLLECTION, Scan(("BSM",), WithinDistance(shapely.to_wkb(LITERALS["point"]), 1.0)))
