"""What every feature store does with scans near of boxes: nothing that meets one is missing, nothing comes twice."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
import pytest_asyncio
import shapely

from guotu.model.expression import Compare, Comparison
from guotu.model.ports import FeatureStore, Scan
from guotu.model.schema import arrow_schema
from tests.support.features import parcels, removed, sample_collection, stored_rows
from tests.support.stores import apply, fetch, load

pytestmark = pytest.mark.asyncio(loop_scope="module")

COLLECTION = sample_collection()
TABLE = parcels(3000)
_SPOTS = np.add(np.random.default_rng(5).random((500, 2)), (101, 27))
GRAVEL = shapely.box(*_SPOTS.T, *(_SPOTS + 0.001).T)
NAMES = ("geometry", "BSM")
SHAPES = shapely.from_wkb(TABLE["geometry"].to_numpy())
LUCK = np.random.default_rng(2)


def squares(count: int, side: float) -> np.ndarray:
    corners = LUCK.random((count, 2)) * (20, 20) + (100, 26)
    return np.concatenate([corners, corners + side], axis=1)


BOXES = {
    "one": np.array([[105.2, 30.3, 105.4, 30.7]]),
    "a point": np.array([[105.0, 30.0, 105.0, 30.0]]),
    "touching": np.array([[99.0, 25.0, 100.0, 26.0]]),
    "a few": squares(5, 0.3),
    "many": squares(700, 0.05),
    "very many": squares(30_000, 0.01),
    "everything": np.array([[-180.0, -90.0, 180.0, 90.0]]),
    "large and small": np.concatenate([squares(3, 6), squares(90, 0.001)]),
    "far apart": np.array([[-179.0, -80.0, -178.9, -79.0], [105.2, 30.3, 105.4, 30.7], [179, 80, 180, 90]]),
    "nowhere": np.array([[0.0, 0.0, 1.0, 1.0]]),
}


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def loaded(shared_features: FeatureStore) -> FeatureStore:
    """Two versions; the first has rows that the second has changed or lost."""
    await load(shared_features, TABLE)
    await apply(shared_features, removed(TABLE["BSM"].to_pylist()[:1500:3]), 2)
    return shared_features


def meeting(boxes: np.ndarray) -> set[str]:
    """Return the keys of the features whose box meets one of these."""
    tree = shapely.STRtree(SHAPES)
    met = np.unique(tree.query(shapely.box(*boxes.T))[1])
    return set(TABLE["BSM"].take(pa.array(met)).to_pylist())


@pytest.mark.parametrize("name", BOXES)
@pytest.mark.parametrize("version", [1, 2])
async def test_whatever_meets_a_box_comes_once(loaded: FeatureStore, name: str, version: int) -> None:
    gone = set(TABLE["BSM"].to_pylist()[:1500:3]) if version == 2 else set()
    found = await fetch(loaded, COLLECTION, Scan(NAMES, near=BOXES[name]), version=version)
    keys = found["BSM"].to_pylist()
    assert len(keys) == len(set(keys))
    assert set(keys) >= meeting(BOXES[name]) - gone
    assert not set(keys) & gone
    if keys:
        assert found.schema.equals(arrow_schema(COLLECTION, NAMES), check_metadata=True)


async def test_features_far_from_every_box_do_not_come(loaded: FeatureStore) -> None:
    assert (await fetch(loaded, COLLECTION, Scan(NAMES, near=BOXES["nowhere"]))).num_rows == 0
    some = await fetch(loaded, COLLECTION, Scan(NAMES, near=BOXES["one"]))
    assert some.num_rows < 300


@pytest.mark.parametrize("name", ["one", "many", "everything"])
async def test_a_filter_holds_as_well(loaded: FeatureStore, name: str) -> None:
    wanted = Compare("DLBM", Comparison.EQ, "0101")
    found = await fetch(loaded, COLLECTION, Scan(("BSM", "DLBM"), filter=wanted, near=BOXES[name]))
    classes = dict(zip(TABLE["BSM"].to_pylist(), TABLE["DLBM"].to_pylist(), strict=True))
    assert set(found["DLBM"].to_pylist()) == {"0101"}
    assert set(found["BSM"].to_pylist()) >= {key for key in meeting(BOXES[name]) if classes[key] == "0101"}


async def test_small_features_are_told_apart_from_those_near_by(features: FeatureStore) -> None:
    rows = parcels(len(GRAVEL)).set_column(
        TABLE.schema.get_field_index("geometry"),
        TABLE.schema.field("geometry"),
        pa.array(shapely.to_wkb(GRAVEL), pa.binary()),
    )
    await features.stage("510000/tb", 1, COLLECTION, lambda: iter(stored_rows(rows).to_batches()))
    await features.activate("510000/tb", 1)
    boxes = shapely.bounds(GRAVEL)[::9]
    found = await fetch(features, COLLECTION, Scan(("BSM",), near=boxes))
    met = np.unique(shapely.STRtree(GRAVEL).query(shapely.box(*boxes.T))[1])
    assert set(found["BSM"].to_pylist()) >= set(rows["BSM"].take(pa.array(met)).to_pylist())
