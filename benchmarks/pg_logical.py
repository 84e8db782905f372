"""PostgreSQL 15 logical replication of parcels between two throwaway clusters on this machine, as a peer to measure.

The table has a primary key and PostGIS geometry, and a GiST index on it at both sides unless told otherwise: a replica
without one cannot be asked. Times are read from the servers' own clocks, which are one clock here.
"""

from __future__ import annotations

import contextlib
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import pyarrow as pa
import pyarrow.parquet as pq
import shapely

from benchmarks.edits import Edits
from benchmarks.pg_cluster import PgCluster, reachable_folder, require_postgres
from demo.ports import PortPool

_KEY, _GEOMETRY, _SRID = "BSM", "geometry", 4490
_BATCH_ROWS = 10_000
_POLL_S = 0.002
_WAIT = "30min"
_ACKED = re.compile(r"bytes_acked:(\d+)")
_NOW = "SELECT extract(epoch FROM clock_timestamp());"


@dataclass(frozen=True)
class InitialCopy:
    """The first synchronisation."""

    rows: int
    seconds: float
    """From CREATE SUBSCRIPTION until the subscriber has all rows."""

    @property
    def rows_per_s(self) -> float:
        """Return rows a second."""
        return self.rows / self.seconds


@dataclass(frozen=True)
class ShippedEdit:
    """One transaction at the publisher, seen at the subscriber."""

    seconds: float
    """From the start of the transaction until the subscriber's readers see it."""
    bytes_sent: int
    """By the walsender, over TCP: all that it sent in that time."""


class PgLogical:
    """Publisher and subscriber, on free ports; made on entering, gone on leaving."""

    def __init__(self, folder: Path, spatial_index: bool = True) -> None:
        self._folder = folder
        self._spatial_index = spatial_index
        self._ports = PortPool()
        self._stack = contextlib.ExitStack()
        self._edits = 0

    def __enter__(self) -> Self:
        """Make both clusters.

        Raises:
            RuntimeError: PostgreSQL 15, PostGIS or ss is not installed, or a cluster failed.
        """
        require_postgres()
        if shutil.which("ss") is None:
            raise RuntimeError("缺 ss ss is missing: apt-get install -y iproute2")
        folder, ports = reachable_folder(self._folder), self._ports
        with contextlib.ExitStack() as stack:
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
            self._publisher = stack.enter_context(PgCluster(folder / "publisher", ports.address()))
            self._subscriber = stack.enter_context(PgCluster(folder / "subscriber", ports.address()))
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove both clusters."""
        self._stack.close()

    def initial_copy(self, parcels: Path) -> InitialCopy:
        """Load a GeoParquet file (DLTB, EPSG:4490 lon/lat) at the publisher, then subscribe to it.

        Raises:
            RuntimeError: PostgreSQL failed.
            AssertionError: the subscriber ended with other rows.
        """
        schema = pq.read_schema(parcels)
        self._columns = [name for name in schema.names if name != _KEY]
        for cluster in (self._publisher, self._subscriber):
            cluster.sql(self._create_tables(schema))
        self._publisher.copy_in("parcels", _rows(parcels))
        self._publisher.sql("VACUUM ANALYZE parcels; CREATE PUBLICATION mesh FOR TABLE parcels, arrivals; CHECKPOINT;")
        said = self._subscriber.sql(
            f"SET statement_timeout = '{_WAIT}'; {_NOW}"
            f"CREATE SUBSCRIPTION mesh CONNECTION '{self._publisher.connection}' PUBLICATION mesh WITH (binary = true);"
            f"{_until(_COPIED)} {_NOW} SELECT count(*) FROM parcels; {_until(_READY)}"
        )
        self._check_equal()
        return InitialCopy(int(said[2]), float(said[1]) - float(said[0]))

    def edit(self, edits: Edits) -> ShippedEdit:
        """Make edits in one transaction at the publisher; the edited rows lie ready there, in a table of their own.

        Raises:
            RuntimeError: PostgreSQL failed.
            AssertionError: the subscriber ended with other rows.
        """
        self._edits += 1
        self._bring_ready(edits)
        before = self._bytes_sent()
        seen = f"EXISTS (SELECT 1 FROM arrivals WHERE number = {self._edits})"
        with self._subscriber.begin_sql(f"SET statement_timeout = '{_WAIT}'; {_until(seen)} {_NOW}") as waiting:
            try:
                said = self._publisher.sql(f"{_NOW} {self._transaction()}")
                arrived = waiting.communicate()[0].split()
            except BaseException:
                waiting.kill()
                raise
        sent = self._bytes_sent() - before
        self._check_equal()
        return ShippedEdit(float(arrived[0]) - float(said[0]), sent)

    def _create_tables(self, schema: pa.Schema) -> str:
        columns = ", ".join(f'"{field.name}" {_type_of(field)}' for field in schema)
        index = f'CREATE INDEX ON parcels USING gist ("{_GEOMETRY}");' if self._spatial_index else ""
        return (
            f'CREATE TABLE parcels ({columns}, PRIMARY KEY ("{_KEY}")); {index}'
            "CREATE TABLE arrivals (number integer PRIMARY KEY);"
            f"CREATE UNLOGGED TABLE changes ({columns}); CREATE UNLOGGED TABLE deletes (key text);"
        )

    def _bring_ready(self, edits: Edits) -> None:
        self._publisher.sql("TRUNCATE changes, deletes;")
        self._publisher.copy_in("changes", _rows(edits.changes))
        keys = pa.table({"key": edits.deletes.read_text(encoding="utf-8").split()[1:]})
        self._publisher.copy_in("deletes", keys.to_reader())
        self._publisher.sql("ANALYZE changes; ANALYZE deletes; CHECKPOINT;")
        self._subscriber.sql("CHECKPOINT;")

    def _transaction(self) -> str:
        """Return the edits as SQL; rows that are there are updated, the others inserted."""
        assigned = ", ".join(f'"{name}" = changes."{name}"' for name in self._columns)
        return (
            "BEGIN;"
            f'DELETE FROM parcels USING deletes WHERE parcels."{_KEY}" = deletes.key;'
            f'UPDATE parcels SET {assigned} FROM changes WHERE parcels."{_KEY}" = changes."{_KEY}";'
            "INSERT INTO parcels SELECT * FROM changes ON CONFLICT DO NOTHING;"
            f"INSERT INTO arrivals VALUES ({self._edits});"
            "COMMIT;"
        )

    def _bytes_sent(self) -> int:
        """Return how many bytes the walsender has sent on its connection, as the kernel counts them."""
        (far_port,) = self._publisher.sql(
            "SELECT client_port FROM pg_stat_replication WHERE application_name = 'mesh';"
        )
        words = ["ss", "-tinH", "sport", "=", f":{self._publisher.port}", "and", "dport", "=", f":{far_port}"]
        told = subprocess.run(words, capture_output=True, text=True, check=True).stdout
        found = _ACKED.search(told)
        if found is None:
            raise RuntimeError(f"ss tells no bytes: {told!r}")
        return int(found[1])

    def _check_equal(self) -> None:
        """Compare all rows of both sides."""
        rows = f"SELECT count(*), md5(string_agg(md5(parcels::text), '' ORDER BY \"{_KEY}\")) FROM parcels;"
        here, there = self._publisher.sql(rows), self._subscriber.sql(rows)
        if here != there:
            raise AssertionError(f"the subscriber has other rows: {there}, the publisher {here}")


_COPIED = "NOT EXISTS (SELECT 1 FROM pg_subscription_rel WHERE srsubstate NOT IN ('f', 's', 'r'))"
"""The rows of every table are there: copying ended, synchronised, ready (PostgreSQL 15, 53.54 pg_subscription_rel)."""
_READY = "NOT EXISTS (SELECT 1 FROM pg_subscription_rel WHERE srsubstate <> 'r')"


def _until(condition: str) -> str:
    """Return a statement that ends when a condition holds."""
    return f"DO $$ BEGIN WHILE NOT ({condition}) LOOP PERFORM pg_sleep({_POLL_S}); END LOOP; END $$;"


def _type_of(field: pa.Field) -> str:
    if field.name == _GEOMETRY:
        return f"geometry(Polygon, {_SRID})"
    if pa.types.is_integer(field.type):
        return "bigint"
    return "double precision" if pa.types.is_floating(field.type) else "text"


def _rows(parcels: Path) -> pa.RecordBatchReader:
    """Return the rows of a GeoParquet file as COPY takes them: geometry as EWKB in hexadecimal digits."""
    file = pq.ParquetFile(parcels)
    place = file.schema_arrow.get_field_index(_GEOMETRY)
    schema = file.schema_arrow.set(place, pa.field(_GEOMETRY, pa.string()))
    return pa.RecordBatchReader.from_batches(schema, _with_hex(file, place, schema))


def _with_hex(file: pq.ParquetFile, place: int, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    for batch in file.iter_batches(_BATCH_ROWS):
        shapes = shapely.from_wkb(batch.column(place).to_numpy(zero_copy_only=False))
        digits = shapely.to_wkb(shapely.set_srid(shapes, _SRID), hex=True, include_srid=True)
        columns = [*batch.columns[:place], pa.array(digits, pa.string()), *batch.columns[place + 1 :]]
        yield pa.RecordBatch.from_arrays(columns, schema=schema)
