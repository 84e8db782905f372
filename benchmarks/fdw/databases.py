"""Four clusters of PostgreSQL with PostGIS: one a member, and a national one that reaches them by postgres_fdw."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from benchmarks.fdw.members import MEMBERS, SRID, TABLE, columns_sql, csv_rows
from benchmarks.fdw.projects import ZONES
from benchmarks.pg_cluster import PgCluster, reachable_folder
from demo.ports import PortPool
from guotu.model.collection import GEOMETRY, Collection

STORE = "guotu"
"""Database of a member's cluster in which its node keeps its rows."""
_ZONE_COLUMNS = f"name text, area geometry(Polygon, {SRID})"
_SETTINGS = {
    "shared_buffers": "1GB",
    "effective_cache_size": "6GB",
    "work_mem": "64MB",
    "max_connections": "200",
    # All of the data is in memory, so that an index is not shunned for seeks that nobody makes.
    "random_page_cost": "1.1",
    "effective_io_concurrency": "200",
    "max_worker_processes": "8",
    "max_parallel_workers": "4",
    "max_parallel_workers_per_gather": "2",
    # Tried on and off: compiling costs these questions more than it saves.
    "jit": "off",
    "enable_partitionwise_aggregate": "on",
    "enable_partitionwise_join": "on",
    "wal_level": "minimal",
    "max_wal_senders": "0",
}
_SERVER = {
    "extensions": "postgis",
    "use_remote_estimate": "true",
    "async_capable": "true",
    "fetch_size": "10000",
    "keepalives_idle": "5",
    "keepalives_interval": "1",
    "keepalives_count": "3",
}


class Databases:
    """The clusters, on free ports; made on entering, gone on leaving."""

    def __init__(self, folder: Path, patience_s: float, members: Sequence[str] = MEMBERS) -> None:
        """Set where they are made, how long a question may take, seconds, and whose they are."""
        self._folder = folder
        self._patience_s = patience_s
        self._names = members
        self._ports = PortPool()
        self._stack = contextlib.ExitStack()
        self.members: dict[str, PgCluster] = {}
        self.national: PgCluster

    def __enter__(self) -> Self:
        """Make and start all of them.

        Raises:
            RuntimeError: something is not installed, or failed.
        """
        folder, ports = reachable_folder(self._folder), self._ports
        with contextlib.ExitStack() as stack:
            for member in self._names:
                cluster = PgCluster(folder / member, ports.address(), _SETTINGS)
                self.members[member] = stack.enter_context(cluster)
            self.national = stack.enter_context(PgCluster(folder / "national", ports.address(), _SETTINGS))
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop and remove them."""
        self._stack.close()

    def store_url(self, member: str) -> str:
        """Return the URL of the database in which a member's node keeps its rows."""
        cluster = self.members[member]
        return f"postgresql://postgres:{cluster.password}@{cluster.address}/{STORE}"

    def folder(self, member: str) -> Path:
        """Return the data directory of a member's cluster."""
        return self._folder / member

    def make_stores(self) -> None:
        """Make the databases of the members' nodes."""
        for cluster in self.members.values():
            cluster.sql(f"CREATE DATABASE {STORE};\n\\c {STORE}\nCREATE EXTENSION postgis;")

    def settle(self) -> None:
        """Vacuum and analyse every database, as autovacuum, which is off, would have by now."""
        for cluster in (*self.members.values(), self.national):
            cluster.sql("VACUUM ANALYZE; CHECKPOINT;")
        for cluster in self.members.values():
            cluster.sql(f"\\c {STORE}\nVACUUM ANALYZE;\nCHECKPOINT;")

    def load(self, files: Mapping[str, Path], collection: Collection) -> None:
        """Load each member's table, with indexes on geometry, key, class and county."""
        indexes = (
            f'ALTER TABLE {TABLE} ADD PRIMARY KEY ("{collection.key}");'
            f"CREATE INDEX ON {TABLE} USING gist ({GEOMETRY});"
            f'CREATE INDEX ON {TABLE} ("DLBM");'
            f'CREATE INDEX ON {TABLE} ({_county(collection)}, "DLBM");'
        )
        for member, file in files.items():
            self.members[member].sql(
                f"CREATE TABLE {TABLE} ({columns_sql(collection)}); CREATE TABLE {ZONES} ({_ZONE_COLUMNS});"
            )
            self.members[member].copy_in(TABLE, csv_rows(file, collection))
            self.members[member].sql(indexes)

    def federate(self, collection: Collection) -> None:
        """Give the national database one table whose partitions are the members' tables, each a whole province."""
        bounds = {member: f"FROM ('{member}') TO ('{int(member) + 10_000}')" for member in self.members}
        self._federate(collection, "RANGE", bounds, {})

    def federate_counties(
        self, collection: Collection, counties: Mapping[str, Sequence[str]], relayed: Mapping[str, str]
    ) -> None:
        """As `federate`, where members own counties of their own; some are reached by other addresses."""
        bounds = {member: f"IN ({', '.join(repr(code) for code in codes)})" for member, codes in counties.items()}
        self._federate(collection, "LIST", bounds, relayed)

    def _federate(
        self, collection: Collection, method: str, bounds: Mapping[str, str], relayed: Mapping[str, str]
    ) -> None:
        """Part the table by county, so that groups by county are complete in each partition and are made there."""
        # A member that is not there is noticed in half of the time that a question may take (libpq: 2 s at the least).
        limits = {
            "connect_timeout": str(max(2, round(self._patience_s / 2))),
            "tcp_user_timeout": str(round(self._patience_s * 800)),
        }
        made = [
            "CREATE EXTENSION postgres_fdw;",
            f"CREATE TABLE {TABLE} ({columns_sql(collection)}) PARTITION BY {method} ({_county(collection)});",
        ]
        for member, cluster in self.members.items():
            host, _, port = relayed.get(member, cluster.address).rpartition(":")
            options = {**_SERVER, **limits, "host": host, "port": port, "dbname": "postgres"}
            words = ", ".join(f"{name} '{value}'" for name, value in options.items())
            made += [
                f"CREATE SERVER member_{member} FOREIGN DATA WRAPPER postgres_fdw OPTIONS ({words});",
                f"CREATE USER MAPPING FOR postgres SERVER member_{member} "
                f"OPTIONS (user 'postgres', password '{cluster.password}');",
                f"CREATE FOREIGN TABLE {TABLE}_{member} PARTITION OF {TABLE} FOR VALUES {bounds[member]} "
                f"SERVER member_{member} OPTIONS (schema_name 'public', table_name '{TABLE}');",
                f"CREATE FOREIGN TABLE {ZONES}_{member} ({_ZONE_COLUMNS}) "
                f"SERVER member_{member} OPTIONS (schema_name 'public', table_name '{ZONES}', batch_size '100');",
            ]
        self.national.sql("\n".join(made))


def _county(collection: Collection) -> str:
    return f'left("{collection.division_field}", 6)'
