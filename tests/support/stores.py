"""Feature stores by name, for suites that every store passes; also a process of its own, which can be killed."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pyarrow as pa
import structlog

from guotu.model.collection import Collection
from guotu.model.ports import FeatureStore, Grouping, Scan
from node.stores.duckdb.options import DuckDbOptions
from node.stores.duckdb.store import DuckDbStore
from tests.support.features import sample_collection

STORES = ("duckdb",)
READERS = 2
"""Statements that a store under test reads at once."""


def make_store(kind: str, folder: Path) -> FeatureStore:
    """Return a store, not yet open, whose data lie in `folder`."""
    return {"duckdb": _duckdb}[kind](folder)


def _duckdb(folder: Path) -> FeatureStore:
    return DuckDbStore(DuckDbOptions(folder / "store.duckdb", memory_limit_mib=256, threads=2, readers=READERS))


async def fetch(
    store: FeatureStore, collection: Collection, scan: Scan, dataset: str = "510000/tb", version: int = 1
) -> pa.Table:
    """Return all rows of a scan."""
    found = [batch async for batch in store.scan(dataset, version, collection, scan)]
    return pa.Table.from_batches(found) if found else pa.table({name: [] for name in scan.fields})


async def group(
    store: FeatureStore, collection: Collection, grouping: Grouping, dataset: str = "510000/tb", version: int = 1
) -> pa.Table:
    """Return the groups of an aggregation, sorted by the group columns, nulls last."""
    table = await store.aggregate(dataset, version, collection, grouping)
    return table.sort_by([(name, "ascending") for name in grouping.group_by]) if grouping.group_by else table


async def _child(kind: str, folder: Path, chunk: Path, repeats: int) -> None:
    """Stage one chunk many times over, telling how far it is, then wait to be killed."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    store = make_store(kind, folder)
    await store.open()
    print("staging", flush=True)
    await store.stage("510000/tb", 2, sample_collection(), [chunk] * repeats)
    print("staged", flush=True)
    await asyncio.sleep(3600)


if __name__ == "__main__":
    asyncio.run(_child(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4])))
