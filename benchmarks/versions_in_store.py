"""What changes cost in the embedded store: applying one, and asking after many."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import shapely

from benchmarks.edits import Made, make_changes
from guotu.model.collection import Collection
from guotu.model.expression import Spatial, SpatialRelation
from guotu.model.ports import FeatureStore, Rows, Scan
from guotu.model.schema import arrow_schema
from node.stores.duckdb.options import DuckDbOptions
from node.stores.duckdb.store import DuckDbStore
from sync.bases import MOST_DELTAS
from sync.prepared import stored_batches

_DATASET, _FRESH = "500000/dltb", "500001/dltb"
"""The dataset that is changed; the same rows as they were loaded, to compare with."""
_ROUNDS = 15
_SHARE = 0.01
_WINDOW = shapely.box(106.4, 29.4, 106.6, 29.6)


def measure(parcels: Path, collection: Collection, folder: Path, deltas: int) -> dict[str, Any]:
    """Load parcels, apply `deltas` changes of 1 %; compare one with the load, and questions after with before."""
    return asyncio.run(_measure(parcels, collection, folder, deltas))


async def _measure(parcels: Path, collection: Collection, folder: Path, deltas: int) -> dict[str, Any]:
    store = DuckDbStore(DuckDbOptions(folder / "store.duckdb", memory_limit_mib=1024))
    await store.open()
    try:
        table = pq.read_table(parcels)
        rows = _in_curve_order(table, collection)
        load_s = await _timed_stage(store, 1, collection, rows)
        places = np.random.default_rng(0).permutation(table.num_rows)
        each = max(4, round(table.num_rows * _SHARE))
        apply_s, tidy_s, since_base = [], [], 0
        for number in range(2, deltas + 2):
            made = make_changes(table, places[(number - 2) * each : (number - 1) * each], number)
            change = _change(made, collection)
            started = time.perf_counter()
            since_base = since_base % (MOST_DELTAS + 1) + 1
            rebase = since_base > MOST_DELTAS
            await store.stage_change(_DATASET, number, collection, change, rebase=rebase)
            await store.activate(_DATASET, number)
            apply_s.append(time.perf_counter() - started)
            started = time.perf_counter()
            await store.tidy(_DATASET)
            tidy_s.append(time.perf_counter() - started)
        await _timed_stage(store, 1, collection, rows, _FRESH)
        fresh, after = await _questions(store, collection, (_FRESH, 1), (_DATASET, deltas + 1))
    finally:
        await store.close()
    return {
        "load_seconds": round(load_s, 3),
        "apply_seconds_median": round(statistics.median(apply_s), 3),
        "apply_seconds_most": round(max(apply_s), 3),
        "apply_to_load": round(statistics.median(apply_s) / load_s, 4),
        "tidy_seconds_mean": round(statistics.mean(tidy_s), 3),
        "deltas": deltas,
        "question_ms_fresh": fresh,
        "question_ms_after": after,
        "slowdown": {name: round(after[name] / fresh[name], 3) for name in fresh},
    }


async def _timed_stage(
    store: FeatureStore, version: int, collection: Collection, rows: Rows, dataset: str = _DATASET
) -> float:
    started = time.perf_counter()
    await store.stage(dataset, version, collection, rows)
    await store.activate(dataset, version)
    return time.perf_counter() - started


async def _questions(
    store: FeatureStore, collection: Collection, *versions: tuple[str, int]
) -> tuple[dict[str, float], ...]:
    """Return the median milliseconds of each question by version, asked in turn, so that none has a better machine."""
    window = Spatial(SpatialRelation.INTERSECTS, shapely.to_wkb(_WINDOW))
    scans = {
        "window": Scan(collection.column_names, window),
        "two_fields": Scan((collection.key, "DLBM")),
    }
    times: list[dict[str, list[float]]] = [{name: [] for name in scans} for _ in versions]
    for _ in range(_ROUNDS):
        for name, scan in scans.items():
            for (dataset, version), told in zip(versions, times, strict=True):
                told[name].append(await _timed_scan(store, dataset, version, collection, scan))
    return tuple({name: round(statistics.median(ms), 2) for name, ms in told.items()} for told in times)


async def _timed_scan(store: FeatureStore, dataset: str, version: int, collection: Collection, scan: Scan) -> float:
    started = time.perf_counter()
    async for _batch in store.scan(dataset, version, collection, scan):
        pass
    return (time.perf_counter() - started) * 1000


def _in_curve_order(table: pa.Table, collection: Collection) -> Rows:
    """Return the rows as a store takes them, hashed beforehand, so that only the store is measured."""
    batches = list(stored_batches(_plain(table, collection), collection))
    prepared = pa.Table.from_batches(batches).sort_by([("_place", "ascending"), (collection.key, "ascending")])
    return lambda: iter(prepared.to_batches(max_chunksize=8192))


def _change(made: Made, collection: Collection) -> Rows:
    upserts = list(stored_batches(_plain(made.changed, collection), collection))
    schema, keys = upserts[0].schema, made.keys.combine_chunks()
    gone = {name: pa.nulls(len(keys), schema.field(name).type) for name in schema.names}
    removed = pa.RecordBatch.from_pydict(gone | {collection.key: keys}, schema=schema)
    return lambda: iter([*upserts, removed])


def _plain(table: pa.Table, collection: Collection) -> Iterator[pa.RecordBatch]:
    schema = arrow_schema(collection)
    chosen = table.select(schema.names).cast(schema)
    if not np.all([len(batch) for batch in chosen.to_batches()]):
        chosen = chosen.combine_chunks()
    return iter(chosen.to_batches(max_chunksize=8192))
