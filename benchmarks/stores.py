"""What both stores take for the same work: loading, a change, windows, whole versions, groups, an overlay.

Answers must agree.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import shapely

from benchmarks.pg_cluster import PgCluster, reachable_folder
from demo.ports import PortPool
from guotu.model.collection import Collection, Family, Field, FieldType, GeometryType
from guotu.model.expression import Spatial, SpatialRelation
from guotu.model.overlay import scanned_fields
from guotu.model.ports import FeatureStore, Grouping, Scan
from guotu.model.question import Aggregate, AggregateFunction, SortKey
from guotu.model.schema import PLACE
from guotu.model.tabulation import Tabulation
from guotu.model.zones import Zones, zones_of
from node.stores.duckdb.options import DuckDbOptions
from node.stores.duckdb.store import DuckDbStore
from node.stores.material import Release, TableName
from node.stores.postgis.materialized.tables import PostgisMaterials
from node.stores.postgis.options import PostgisOptions
from node.stores.postgis.store import PostgisStore
from sync.prepared import stored_batches

_DATASET = "510000/tb"
_CHANGED = 0.01
_ROUNDS = 3
_BATCH = 20_000
_FIELDS = (
    Field("BSM", "标识码", FieldType.TEXT, length=18, nullable=False),
    Field("DLBM", "地类编码", FieldType.TEXT, length=5),
    Field("ZLDWDM", "坐落单位代码", FieldType.TEXT, length=19),
    Field("TBMJ", "图斑面积", FieldType.DECIMAL, width=15, decimals=2),
    Field("GDDB", "耕地等别", FieldType.INTEGER),
    Field("KCXS", "扣除系数", FieldType.DOUBLE),
)
_COLLECTION = Collection(
    id="tb",
    family=Family.STATUS,
    title="样例图斑",
    title_en="sample parcels",
    geometry=GeometryType.POLYGON,
    key="BSM",
    fields=_FIELDS,
    division_field="ZLDWDM",
)
_ALL = _COLLECTION.column_names
_WINDOW = Spatial(SpatialRelation.INTERSECTS, shapely.to_wkb(shapely.box(102, 28, 102.1, 28.1)))
_SCANS = {
    "window": Scan(_ALL, _WINDOW),
    "first_100": Scan(_ALL, limit=100),
    "largest_100": Scan(_ALL, sort=(SortKey("TBMJ", True),), limit=100),
    "all": Scan(_ALL),
}
_AREAS = (Aggregate(AggregateFunction.SUM, "TBMJ", "area"), Aggregate(AggregateFunction.COUNT, "", "rows"))
_CLASSES = ("DLBM",)
_GROUPS = Grouping(("county", "DLBM"), _AREAS)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this benchmark's options."""
    parser.add_argument("--rows", type=int, default=300_000, help="parcels 图斑数")


def run(arguments: argparse.Namespace) -> Mapping[str, Any]:
    """Measure both stores, milliseconds (best of three but for what happens once), and how they compare.

    `table_ms` is about a table for GIS users beside the PostGIS store: made, brought over the change, compared.
    """
    rows = _rows(arguments.rows)
    with tempfile.TemporaryDirectory(prefix="guotu-stores-") as folder:
        root = Path(folder)
        with _database(root) as url:
            duckdb = asyncio.run(_measured(DuckDbStore(DuckDbOptions(root / "store.duckdb", 1024)), rows))
            postgis = asyncio.run(_measured(PostgisStore(PostgisOptions(url)), rows))
            table = asyncio.run(_table(PostgisOptions(url), rows))
    if duckdb.pop("answers") != postgis.pop("answers"):
        raise RuntimeError("答案不一致 the stores do not agree")
    ratio = {name: postgis[name] / duckdb[name] for name in duckdb}
    compared = {"duckdb_ms": duckdb, "postgis_ms": postgis, "postgis_to_duckdb": ratio}
    return {"rows": arguments.rows, **compared, "table_ms": table}


@contextmanager
def _database(root: Path) -> Iterator[str]:
    home, ports = reachable_folder(root / "pg"), PortPool()
    with PgCluster(home / "data", ports.address()) as cluster:
        yield f"postgresql://postgres:{cluster.password}@{cluster.address}/postgres"


def _rows(count: int) -> pa.Table:
    """Return parcels at random in curve order, as a store takes them."""
    luck = np.random.default_rng(1)
    corner = luck.random((count, 2)) * [10, 8] + [100, 26]
    columns = {
        "BSM": pa.array([f"5101{number:012d}" for number in luck.permutation(count)]),
        "DLBM": pa.array(["0101", "0102", "0103", "0301", "1104A"]).take(pa.array(luck.integers(0, 5, count))),
        "ZLDWDM": pa.array(["510104001001", "510105", "513221100", "500101"]).take(
            pa.array(luck.integers(0, 4, count))
        ),
        "TBMJ": pa.array(luck.integers(0, 500_000, count) / 100),
        "GDDB": pa.array(luck.integers(0, 15, count)),
        "KCXS": pa.array(np.round(luck.random(count), 3)),
        "geometry": pa.array(shapely.to_wkb(shapely.box(*corner.T, *(corner + 0.002).T)), pa.binary()),
    }
    rows = pa.Table.from_batches(list(stored_batches(pa.table(columns).to_batches(), _COLLECTION)))
    return rows.sort_by([(PLACE, "ascending"), ("BSM", "ascending")])


async def _measured(store: FeatureStore, rows: pa.Table) -> dict[str, Any]:
    found: dict[str, Any] = {}
    async with _opened(store):
        found["load"] = await _ms(lambda: _loaded(store, rows))
        found["change"] = await _ms(lambda: _changed(store, rows))
        answers = []
        for version in (2, 1):
            for name, scan in _SCANS.items():
                found[f"{name}@{version}"] = await _best(lambda: _scanned(store, version, scan))  # noqa: B023
                answers.append((await _scanned(store, version, scan)).to_pylist()[:1000])
            found[f"groups@{version}"] = await _best(lambda: _grouped(store, version))  # noqa: B023
            answers.append(await _grouped(store, version))
            found[f"overlay@{version}"] = await _best(lambda: _overlaid(store, version))  # noqa: B023
            answers.append(await _overlaid(store, version))
    return {**found, "answers": answers}


async def _table(options: PostgisOptions, rows: pa.Table) -> dict[str, float]:
    store, tables, name = PostgisStore(options), PostgisMaterials(options), TableName("gis", "tb")
    releases = {version: Release(_DATASET, version, f"{version}", "", 0, _COLLECTION) for version in (1, 2)}

    def quiet(stage: str, done: int, total: int) -> None:
        """Hear nothing of progress."""

    async with _opened(store):
        await store.drop(_DATASET, 2)
        found = {"make": await _ms(lambda: tables.make(name, releases[1], False, quiet))}
        await _changed(store, rows)
        found["change"] = await _ms(lambda: tables.bring(releases[2], quiet))
        found["compare"] = await _best(lambda: tables.make(name, releases[2], True, quiet))
        await tables.close()
    return found


@asynccontextmanager
async def _opened(store: FeatureStore) -> AsyncIterator[None]:
    await store.open()
    try:
        yield
    finally:
        await store.close()


async def _loaded(store: FeatureStore, rows: pa.Table) -> None:
    await store.stage(_DATASET, 1, _COLLECTION, lambda: iter(rows.to_batches(_BATCH)))
    await store.activate(_DATASET, 1)


async def _changed(store: FeatureStore, rows: pa.Table) -> None:
    """Touch rows here and there, and let them stay what they are: it costs the same."""
    touched = rows.take(pa.array(np.arange(0, len(rows), round(1 / _CHANGED))))
    await store.stage_change(_DATASET, 2, _COLLECTION, lambda: iter(touched.to_batches()))
    await store.activate(_DATASET, 2)


async def _scanned(store: FeatureStore, version: int, scan: Scan) -> pa.Table:
    return pa.Table.from_batches([batch async for batch in store.scan(_DATASET, version, _COLLECTION, scan)])


async def _grouped(store: FeatureStore, version: int) -> list[dict[str, Any]]:
    groups = await store.aggregate(_DATASET, version, _COLLECTION, _GROUPS)
    return list(groups.sort_by([("county", "ascending"), ("DLBM", "ascending")]).to_pylist())


async def _overlaid(store: FeatureStore, version: int) -> list[dict[str, Any]]:
    tabulation = Tabulation(_zones(), _COLLECTION, _CLASSES, 1_000_000)
    scan = Scan(scanned_fields(_COLLECTION, _CLASSES), near=_zones().boxes)
    async for batch in store.scan(_DATASET, version, _COLLECTION, scan):
        await asyncio.to_thread(tabulation.add, batch)
    return list(tabulation.table().sort_by([("zone", "ascending"), ("DLBM", "ascending")]).to_pylist())


@cache
def _zones() -> Zones:
    """Return fifty areas of some hundred parcels each, here and there."""
    centres = np.random.default_rng(3).random((50, 2)) * [9.6, 7.6] + [100.2, 26.2]
    areas = np.asarray(shapely.buffer(shapely.points(centres), 0.17, quad_segs=10))
    return zones_of(map(str, range(50)), areas)


async def _best(work: Callable[[], Awaitable[Any]]) -> float:
    return min([await _ms(work) for _ in range(_ROUNDS)])


async def _ms(work: Callable[[], Awaitable[Any]]) -> float:
    started = time.perf_counter()
    await work()
    return (time.perf_counter() - started) * 1000
