"""The engines that hold everything: one DuckDB, one PostGIS."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import shapely

from benchmarks.fdw.members import TABLE, columns_sql, csv_rows
from benchmarks.overlaying.zone_sets import ZoneSet
from benchmarks.pg_cluster import PgCluster, reachable_folder
from benchmarks.single_engine import SingleEngine
from demo.ports import PortPool
from guotu.model.collection import GEOMETRY, Collection

MESH, DUCKDB, POSTGIS = "mesh", "duckdb", "postgis"
_SETTINGS = {
    "shared_buffers": "1GB",
    "effective_cache_size": "6GB",
    "random_page_cost": "1.1",
    "max_parallel_workers_per_gather": "2",
    "jit": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
}


@contextmanager
def everything_in_postgis(folder: Path, files: Mapping[str, Path], collection: Collection) -> Iterator[PgCluster]:
    """Give a cluster with one table of all parcels, with an index on the geometry; gone on leaving."""
    ports = PortPool()
    with PgCluster(reachable_folder(folder) / "one", ports.address(), _SETTINGS) as cluster:
        cluster.sql(f"CREATE TABLE {TABLE} ({columns_sql(collection)})")
        for file in files.values():
            cluster.copy_in(TABLE, csv_rows(file, collection))
        cluster.sql(f"CREATE INDEX ON {TABLE} USING gist ({GEOMETRY}); VACUUM ANALYZE {TABLE}; CHECKPOINT;")
        yield cluster


def everything_in_duckdb(engine: SingleEngine, files: Mapping[str, Path], collection: Collection) -> int:
    """Load all parcels; return how many."""
    return engine.load(list(files.values()), collection)


def load_zones(engine: SingleEngine, zones: ZoneSet) -> None:
    """Put a set of zones into a table of the embedded engine."""
    wkb = pa.array(shapely.to_wkb(zones.question.zones.shapes), pa.binary())
    engine.replace_shapes("zones", pa.table({"name": zones.question.zones.names, "wkb": wkb}))
