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
async def turned(shared_features: FeatureStore) -> FeatureStore:
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


async def pages(store: FeatureStore, query: Query, version: int, owner: str, position: Position | None) -> pa.Table:
    """Turn all pages after a position."""
    order = page_order(query, COLLECTION)
    scan = Scan(tuple(key.field for key in order), sort=order, limit=SIZE)
    found: list[pa.Table] = []
    while not found or found[-1].num_rows == SIZE:
        beyond = position and rows_after(position, query, order, COLLECTION, owner)
        found.append(await fetch(store, COLLECTION, replace(scan, filter=beyond), version=version))
        if found[-1].num_rows:
            last = found[-1].slice(found[-1].num_rows - 1).to_pylist()[0]
            position = Position(owner, tuple(last[key.field] for key in order))
    return pa.concat_tables(found)


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("sort", SORTS)
async def test_pages_are_the_whole(turned: FeatureStore, sort: str, version: int) -> None:
    query = query_of(sort)
    order = page_order(query, COLLECTION)
    whole = await fetch(
        turned, COLLECTION, Scan(tuple(key.field for key in order), sort=order), version=version
    )  # fmt: skip
    assert whole.num_rows > 5 * SIZE
    assert (await pages(turned, query, version, "510000", None)).equals(whole)


@pytest.mark.parametrize("sort", ["", "DLBM", "-SFYX"])
async def test_rows_of_other_owners_are_told_apart_where_values_are_equal(turned: FeatureStore, sort: str) -> None:
    query = query_of(sort)
    order = page_order(query, COLLECTION)
    scan = Scan(("BSM",), sort=order)
    whole = await fetch(turned, COLLECTION, scan)
    middle = (await fetch(turned, COLLECTION, Scan(tuple(key.field for key in order), sort=order))).to_pylist()[99]

    async def left(owner: str) -> int:
        position = Position("510000", tuple(middle[key.field] for key in order))
        beyond = rows_after(position, query, order, COLLECTION, owner)
        rows = await fetch(turned, COLLECTION, replace(scan, filter=beyond))
        assert rows["BSM"].to_pylist() == whole["BSM"].to_pylist()[ROWS - rows.num_rows :]
        return rows.num_rows

    assert await left("510000") == ROWS - 100
    assert await left("510100") == (ROWS - 99 if sort else ROWS)
    assert await left("500000") == (ROWS - 100 if sort else 0)
