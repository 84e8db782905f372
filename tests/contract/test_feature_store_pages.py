"""Every feature store finds what comes after a row, whatever the order: pages are turned by that."""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa
import pytest
import pytest_asyncio

from federation.paging.after import rows_after
from federation.paging.order import page_order
from guotu.model.ports import FeatureStore, Scan
from guotu.model.question import Position, Query, SortKey
from tests.support.features import parcels, removed, sample_collection, stored_rows
from tests.support.page_walk import turned
from tests.support.stores import apply, fetch, load

pytestmark = pytest.mark.asyncio(loop_scope="module")

COLLECTION = sample_collection()
ROWS = 240
"""Of which nulls are one in eight in every column but the key."""
SIZE = 37
SORTS = [
    "",
    "-BSM",
    "DLBM",
    "-DLBM",
    "TBMJ",
    "-TBMJ",
    "GDDB,-KCXS",
    "-DCRQ,SFYX",
    "-SFYX,-GDDB,DLBM",
    "SFYX,BSM,DLBM",
]


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def stored(shared_features: FeatureStore) -> FeatureStore:
    """A store with a version, and a change of it."""
    rows = parcels(ROWS)
    await load(shared_features, rows, 1)
    others = stored_rows(parcels(ROWS, 5))
    changes = pa.concat_tables([others.slice(0, 20), removed(others["BSM"].to_pylist()[200:204])])
    await apply(shared_features, changes, 2)
    return shared_features


def query_of(sort: str) -> Query:
    keys = tuple(SortKey(name.lstrip("-"), name.startswith("-")) for name in sort.split(",") if name)
    return Query("tb", sort=keys)


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("sort", SORTS)
async def test_pages_are_the_whole(stored: FeatureStore, sort: str, version: int) -> None:
    query = query_of(sort)
    order = page_order(query, COLLECTION)
    whole = await fetch(
        stored, COLLECTION, Scan(tuple(key.field for key in order), sort=order), version=version
    )  # fmt: skip
    assert whole.num_rows > 5 * SIZE
    assert (await turned(stored, COLLECTION, query, SIZE, version=version)).equals(whole)


@pytest.mark.parametrize("sort", ["", "DLBM", "-SFYX"])
async def test_rows_of_other_owners_are_told_apart_where_values_are_equal(stored: FeatureStore, sort: str) -> None:
    query = query_of(sort)
    order = page_order(query, COLLECTION)
    scan = Scan(("BSM",), sort=order)
    whole = await fetch(stored, COLLECTION, scan)
    middle = (await fetch(stored, COLLECTION, Scan(tuple(key.field for key in order), sort=order))).to_pylist()[99]

    async def left(owner: str) -> int:
        position = Position("510000", tuple(middle[key.field] for key in order))
        beyond = rows_after(position, query, order, COLLECTION, owner)
        rows = await fetch(stored, COLLECTION, replace(scan, filter=beyond))
        assert rows["BSM"].to_pylist() == whole["BSM"].to_pylist()[ROWS - rows.num_rows :]
        return rows.num_rows

    assert await left("510000") == ROWS - 100
    assert await left("510100") == (ROWS - 99 if sort else ROWS)
    assert await left("500000") == (ROWS - 100 if sort else 0)
