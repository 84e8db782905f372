"""DuckDB and PostGIS give the same overlay, whatever is stored and asked: that of the plainest computation."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pytest
import shapely
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from guotu.model.errors import GuotuError
from guotu.model.expression import Expression
from guotu.model.overlay import scanned_fields
from guotu.model.ports import FeatureStore, Scan
from guotu.model.tabulation import Tabulation
from guotu.model.zones import Zones, zones_of
from tests.support.features import removed, sample_collection, stored_rows
from tests.support.overlaying import Oracle, Rows, rows_of
from tests.support.random_filters import TABLE, TREES
from tests.support.store_pair import StorePair
from tests.support.stores import fetch

COLLECTION = sample_collection()
DATASET = "510000/tb"
VERSIONS = [1, 2, 3]
CHECKS = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
LEVELS = {"province": 2, "prefecture": 4, "county": 6}
GROUPS = st.lists(st.sampled_from(["DLBM", "GDDB", "DCRQ", "SFYX", *LEVELS]), max_size=2, unique=True).map(tuple)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StorePair]:
    """Both stores with three versions: a base, and two changes of it."""
    with asyncio.Runner() as runner:
        pair = StorePair(runner, tmp_path_factory.mktemp("pair"))
        rows = stored_rows(TABLE)
        keys = TABLE["BSM"].to_pylist()
        others = stored_rows(TABLE.set_column(0, TABLE.schema.field("BSM"), pa.array(keys[::-1])))
        pair.load(DATASET, 1, COLLECTION, rows)
        pair.apply(DATASET, 2, COLLECTION, pa.concat_tables([others.slice(0, 25), removed(keys[30:50])]))
        pair.apply(DATASET, 3, COLLECTION, others.slice(100, 60))
        yield pair
        pair.close()


HALVES = st.integers(0, 42).map(lambda half: half / 2)
"""On the grid of the sample features' corners, so that borders meet borders."""
PLACES = HALVES | st.floats(0, 21)


@st.composite
def shapes(draw: st.DrawFn) -> shapely.Geometry:
    x, y = 100 + draw(PLACES), 26 + draw(PLACES)
    kind = draw(st.sampled_from(["box", "blob", "ring", "islands", "everything"]))
    width, height = draw(PLACES) / 6 + 0.25, draw(PLACES) / 6 + 0.25
    box = shapely.box(x, y, x + width, y + height)
    match kind:
        case "blob":
            return box.buffer(0.3, quad_segs=draw(st.integers(2, 9)))
        case "ring":
            return box.difference(box.centroid.buffer(min(width, height) / 3))
        case "islands":
            return shapely.MultiPolygon([box, shapely.box(x + width + 1, y, x + width + 1.5, y + 1)])
        case "everything":
            return shapely.box(60, 0, 140, 60)
    return box


ZONES = st.lists(shapes(), min_size=1, max_size=4).map(
    lambda found: zones_of([f"z{number}" for number in range(len(found))], np.array(found))
)


def group_of(row: dict[str, object], name: str) -> object:
    if name not in LEVELS:
        return row[name]
    code = row["ZLDWDM"]
    return None if code is None else str(code)[: LEVELS[name]].ljust(6, "0")


async def overlaid(
    store: FeatureStore, version: int, zones: Zones, by: tuple[str, ...], wanted: Expression | None
) -> Rows:
    """Return what a store's scan near of the zones gives."""
    tabulation = Tabulation(zones, COLLECTION, by, 1000)
    scan = Scan(scanned_fields(COLLECTION, by), wanted, near=zones.boxes)
    async for batch in store.scan(DATASET, version, COLLECTION, scan):
        tabulation.add(batch)
    return rows_of(tabulation.table(), by)


async def plainly(
    store: FeatureStore, version: int, zones: Zones, by: tuple[str, ...], wanted: Expression | None
) -> Rows:
    """Return what all rows of a version give by the plainest means."""
    every = await fetch(store, COLLECTION, Scan(COLLECTION.column_names, wanted), version=version)
    groups = [tuple(group_of(row, name) for name in by) for row in every.to_pylist()]
    oracle = Oracle(shapely.from_wkb(every["geometry"].to_numpy()), groups)
    return oracle.rows(zones.shapes, zones.names.to_pylist())


@CHECKS
@given(version=st.sampled_from(VERSIONS), zones=ZONES, by=GROUPS, wanted=st.none() | TREES)
def test_overlays(pair: StorePair, version: int, zones: Zones, by: tuple[str, ...], wanted: Expression | None) -> None:
    first, second = pair.both(lambda store: overlaid(store, version, zones, by, wanted))
    if isinstance(first, type) and issubclass(first, GuotuError):
        event(first.__name__)
        assert first == second
        return
    event("rows" if first else "none")
    assert first == second == pair.one(lambda store: plainly(store, version, zones, by, wanted))
