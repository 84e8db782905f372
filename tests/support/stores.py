"""Feature stores by name, for suites that every store passes; also a process of its own, which can be killed."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from functools import cache
from pathlib import Path

import pyarrow as pa
import structlog

from guotu.model.collection import Collection
from guotu.model.ports import FeatureStore, Grouping, Scan
from node.stores.duckdb.options import DuckDbOptions
from node.stores.duckdb.store import DuckDbStore
from node.stores.postgis.options import PostgisOptions
from node.stores.postgis.store import PostgisStore
from tests.support.databases import database_of, remove_database
from tests.support.features import COLLECTION, drawn, parcels, removed, stored_rows

STORES = ("duckdb", "postgis")
READERS = 2
"""Statements that a store under test reads at once."""


def make_store(kind: str, folder: Path) -> FeatureStore:
    """Return a store, not yet open, whose data lie in `folder`."""
    return {"duckdb": _duckdb, "postgis": _postgis}[kind](folder)


def remove_store(kind: str, folder: Path) -> None:
    """Give back what a closed store keeps outside its folder."""
    if kind == "postgis":
        remove_database(folder)


def _duckdb(folder: Path) -> FeatureStore:
    return DuckDbStore(DuckDbOptions(folder / "store.duckdb", memory_limit_mib=256, threads=2, readers=READERS))


def _postgis(folder: Path) -> FeatureStore:
    return PostgisStore(PostgisOptions(database_of(folder), connections=6 * READERS, start_s=60.0))


async def fetch(
    store: FeatureStore, collection: Collection, scan: Scan, dataset: str = "510000/tb", version: int = 1
) -> pa.Table:
    """Return all rows of a scan."""
    found = [batch async for batch in store.scan(dataset, version, collection, scan)]
    return pa.Table.from_batches(found) if found else pa.table({name: [] for name in scan.fields})


async def load(
    store: FeatureStore,
    rows: pa.Table,
    version: int = 1,
    collection: Collection = COLLECTION,
    dataset: str = "510000/tb",
    state: bytes = b"",
) -> None:
    """Make rows, as of the collection, a readable version of their own."""
    await store.stage(dataset, version, collection, drawn(stored_rows(rows, collection)))
    await store.activate(dataset, version, state)


async def apply(
    store: FeatureStore,
    changes: pa.Table,
    version: int,
    collection: Collection = COLLECTION,
    dataset: str = "510000/tb",
) -> int:
    """Make a version of the one before it by changes, as a store takes them; returns its rows."""
    rows = await store.stage_change(dataset, version, collection, drawn(changes))
    await store.activate(dataset, version)
    return rows


async def whole(batches: AsyncIterator[pa.RecordBatch], schema: pa.Schema) -> pa.Table:
    """All rows of a stream, whose batches must have that schema."""
    found = [batch async for batch in batches]
    assert all(batch.schema.equals(schema) and batch.num_rows for batch in found)
    return pa.Table.from_batches(found, schema)


async def group(
    store: FeatureStore, collection: Collection, grouping: Grouping, dataset: str = "510000/tb", version: int = 1
) -> pa.Table:
    """Return the groups of an aggregation, sorted by the group columns, nulls last."""
    table = await store.aggregate(dataset, version, collection, grouping)
    return table.sort_by([(name, "ascending") for name in grouping.group_by]) if grouping.group_by else table


def changes_of_child(version: int, count: int) -> pa.Table:
    """The changes that lead to a version that the process of its own makes readable, as a store takes them."""
    rows = rows_of_child(count, seed=version % 2)
    return pa.concat_tables([rows.slice(100 + version % 7 * 100), removed(rows["BSM"].to_pylist()[: version % 3 * 50])])


@cache
def rows_of_child(count: int, seed: int = 2) -> pa.Table:
    """Rows that the process of its own takes from, as a store takes them."""
    return stored_rows(parcels(count, seed))


async def _child(kind: str, folder: Path, step: str, count: int) -> None:
    """Do a step with many rows, telling how far it is, then wait to be killed.

    "stage" loads version 2, "change" what turns version 1 into 2; "activate" makes one version after the other.
    """
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    store = make_store(kind, folder)
    last = {"stage": 1, "change": 2, "activate": 20}[step]
    changes = {version: changes_of_child(version, count) for version in range(2, last + 1)}
    rows = rows_of_child(count)
    await store.open()
    print("begun", flush=True)
    if step == "stage":
        await store.stage("510000/tb", 2, COLLECTION, drawn(rows))
    elif step == "change":
        await store.stage_change("510000/tb", 2, COLLECTION, drawn(changes[2]))
    else:
        for version, change in changes.items():
            await store.stage_change("510000/tb", version, COLLECTION, drawn(change))
            print("staged", flush=True)
            await store.activate("510000/tb", version)
    print("done", flush=True)
    await asyncio.sleep(3600)


if __name__ == "__main__":
    asyncio.run(_child(sys.argv[1], Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])))
