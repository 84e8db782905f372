"""What every feature store does with scans: order, limits, CRS, cancellation, many at once."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import aclosing

import numpy as np
import pyarrow as pa
import pytest
import pytest_asyncio
import shapely

from guotu.model.crs import transform_geometries
from guotu.model.errors import InvalidCrs, StoreFailure, UnknownField
from guotu.model.expression import In, Like, Not, Or
from guotu.model.ports import FeatureStore, Scan
from guotu.model.question import SortKey
from guotu.model.schema import arrow_schema
from tests.support.features import drawn, parcels, sample_collection, stored_rows
from tests.support.stores import READERS, fetch, load, make_store, remove_store

pytestmark = pytest.mark.asyncio(loop_scope="module")

DATASET = "510000/tb"
COLLECTION = sample_collection()
TABLE = parcels(3000)
MANY = 200_000
CROWD = 8 * READERS
PROMPT_S = 60
"""Less than a crowd of slow scans takes; on an idle machine they end within 0.1 s once they are interrupted."""
SLOW = Not(Or(tuple(Like("BSM", f"%x%{number}%\\y%") for number in range(600))))
"""A filter that every row passes, and that takes many seconds over many rows: patterns with an escape are slow."""


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def loaded(shared_features: FeatureStore) -> FeatureStore:
    await load(shared_features, TABLE)
    return shared_features


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def large(kind: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[FeatureStore]:
    """A store with many rows."""
    folder = tmp_path_factory.mktemp("large")
    store = make_store(kind, folder)
    await store.open()
    await store.stage(DATASET, 1, COLLECTION, drawn(stored_rows(parcels(MANY)), rows=20_000))
    await store.activate(DATASET, 1)
    yield store
    await store.close()
    remove_store(kind, folder)


def slow_scan(store: FeatureStore) -> asyncio.Task[pa.Table]:
    return asyncio.create_task(fetch(store, COLLECTION, Scan(("BSM",), filter=SLOW)))


async def test_columns_come_in_the_order_asked_for(loaded: FeatureStore) -> None:
    names = ("geometry", "TBMJ", "BSM")
    found = await fetch(loaded, COLLECTION, Scan(names))
    assert found.schema.equals(arrow_schema(COLLECTION, names), check_metadata=True)
    assert found.equals(TABLE.select(names))


async def test_an_unknown_column_is_named(loaded: FeatureStore) -> None:
    for scan in (Scan(("BSM", "NIX")), Scan(("BSM",), sort=(SortKey("NIX"),))):
        with pytest.raises(UnknownField, match="NIX"):
            await fetch(loaded, COLLECTION, scan)


@pytest.mark.parametrize("limit", [1, 2999, 3000, 5000])
async def test_a_limit_gives_the_first_rows(loaded: FeatureStore, limit: int) -> None:
    found = await fetch(loaded, COLLECTION, Scan(COLLECTION.column_names, limit=limit))
    assert found.equals(TABLE.slice(0, limit))


@pytest.mark.parametrize("limit", [1, 40, 5000])
async def test_a_limit_gives_the_first_rows_that_pass(loaded: FeatureStore, limit: int) -> None:
    rows = [row["BSM"] for row in TABLE.to_pylist() if row["DLBM"] in ("0101", "0301")]
    for filter in (In("DLBM", ("0301", "0101")), Or((Like("DLBM", "0101"), Like("DLBM", "0301")))):
        found = await fetch(loaded, COLLECTION, Scan(("BSM",), filter=filter, limit=limit))
        assert found["BSM"].to_pylist() == rows[:limit]


def in_order(rows: list[dict[str, object]], keys: list[tuple[str, bool]]) -> list[dict[str, object]]:
    """Sort by keys (name, descending), nulls last either way, then by BSM; text by code point."""
    rows = sorted(rows, key=lambda row: str(row["BSM"]))
    for name, descending in reversed(keys):
        solid = [row for row in rows if row[name] is not None]
        empty = [row for row in rows if row[name] is None]
        rows = sorted(solid, key=lambda row: row[name], reverse=descending) + empty  # type: ignore[arg-type]
        # sorted() keeps equals in place in reverse order too, so the keys after this one stay as they are
    return rows


@pytest.mark.parametrize("limit", [0, 7, 1500])
@pytest.mark.parametrize(
    "keys",
    [
        [("TBMJ", True)],
        [("DLBM", False)],
        [("DLBM", True), ("GDDB", False)],
        [("SFYX", True), ("DCRQ", True)],
        [("KCXS", False), ("ZLDWDM", True), ("TBMJ", False)],
        [("BSM", True)],
    ],
)
async def test_sorting_puts_nulls_last_and_breaks_ties_by_the_key(
    loaded: FeatureStore, keys: list[tuple[str, bool]], limit: int
) -> None:
    scan = Scan(COLLECTION.column_names, sort=tuple(SortKey(*key) for key in keys), limit=limit)
    expected = in_order(TABLE.to_pylist(), keys)
    assert (await fetch(loaded, COLLECTION, scan)).to_pylist() == expected[: limit or None]


async def test_a_sort_by_a_column_that_is_not_returned(loaded: FeatureStore) -> None:
    found = await fetch(loaded, COLLECTION, Scan(("BSM",), sort=(SortKey("TBMJ"),)))
    assert found["BSM"].to_pylist() == [row["BSM"] for row in in_order(TABLE.to_pylist(), [("TBMJ", False)])]


async def test_geometries_come_in_the_crs_asked_for(loaded: FeatureStore) -> None:
    names = ("BSM", "geometry")
    found = await fetch(loaded, COLLECTION, Scan(names, crs="EPSG:4542"))
    assert found.schema.equals(arrow_schema(COLLECTION, names, "EPSG:4542"), check_metadata=True)
    moved = transform_geometries(shapely.from_wkb(TABLE["geometry"].to_numpy()), "EPSG:4490", "EPSG:4542")
    assert np.array_equal(shapely.from_wkb(found["geometry"].to_numpy()), moved)
    assert found["geometry"].null_count == TABLE["geometry"].null_count > 0


async def test_an_unknown_crs_is_refused(loaded: FeatureStore) -> None:
    with pytest.raises(InvalidCrs):
        await fetch(loaded, COLLECTION, Scan(("geometry",), crs="EPSG:999999"))


async def test_batches_are_of_about_one_mebibyte(large: FeatureStore) -> None:
    scan = Scan(COLLECTION.column_names)
    sizes = [batch.nbytes async for batch in large.scan(DATASET, 1, COLLECTION, scan)]
    assert len(sizes) > 20
    # rows without geometry come first, and are smaller
    assert all(0.25 < size / (1 << 20) < 1.5 for size in sizes[:-1])


async def test_many_scans_at_once_agree(loaded: FeatureStore) -> None:
    scans = [fetch(loaded, COLLECTION, Scan(COLLECTION.column_names)) for _ in range(4 * READERS)]
    assert all(found.equals(TABLE) for found in await asyncio.gather(*scans))


async def test_scans_that_nobody_draws_from_do_not_hold_up_others(large: FeatureStore) -> None:
    scan = Scan(COLLECTION.column_names)
    idle = [large.scan(DATASET, 1, COLLECTION, scan) for _ in range(3 * READERS)]
    for rows in idle:
        await anext(rows)
    assert (await fetch(large, COLLECTION, scan)).num_rows == MANY
    for rows in idle:
        await rows.aclose()  # type: ignore[attr-defined]


async def test_cancelling_frees_the_engine_at_once(large: FeatureStore) -> None:
    scans = [slow_scan(large) for _ in range(CROWD)]
    await asyncio.sleep(0.5)
    assert not any(scan.done() for scan in scans)
    started = time.monotonic()
    for scan in scans:
        scan.cancel()
    await asyncio.wait(scans)
    assert all(scan.cancelled() for scan in scans)
    assert (await fetch(large, COLLECTION, Scan(("BSM",), limit=1))).num_rows == 1
    assert time.monotonic() - started < PROMPT_S


async def test_closing_the_iterator_ends_a_scan_under_way(large: FeatureStore) -> None:
    started = time.monotonic()
    async with aclosing(large.scan(DATASET, 1, COLLECTION, Scan(COLLECTION.column_names))) as rows:  # type: ignore[type-var]
        async for batch in rows:
            assert batch.num_rows
            break
    assert (await fetch(large, COLLECTION, Scan(("BSM",), limit=1))).num_rows == 1
    assert time.monotonic() - started < PROMPT_S


async def test_closing_the_store_ends_running_scans_with_a_failure(large: FeatureStore) -> None:
    waiting = [slow_scan(large) for _ in range(CROWD)]
    halfway = large.scan(DATASET, 1, COLLECTION, Scan(COLLECTION.column_names))
    await anext(halfway)
    await asyncio.sleep(0.2)
    started = time.monotonic()
    await large.close()
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert time.monotonic() - started < PROMPT_S
    assert all(isinstance(result, StoreFailure) for result in results)
    with pytest.raises(StoreFailure):
        [batch async for batch in halfway]
    with pytest.raises(StoreFailure):
        await fetch(large, COLLECTION, Scan(("BSM",)))
    await large.open()  # for whatever test comes next
