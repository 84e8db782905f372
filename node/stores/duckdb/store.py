"""The FeatureStore port on DuckDB."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import TypeVar

import pyarrow as pa
import structlog

from guotu.model.collection import Collection
from guotu.model.errors import StoreFailure, UnknownVersion
from guotu.model.ports import Grouping, Scan, StoredVersion
from node.stores.duckdb import tables
from node.stores.duckdb.aggregate import Groups
from node.stores.duckdb.connection import Cursor, connect
from node.stores.duckdb.failures import engine_faults
from node.stores.duckdb.options import DuckDbOptions
from node.stores.duckdb.scan import rows_of
from node.stores.duckdb.sessions import Sessions
from node.stores.duckdb.staging import stage
from node.stores.duckdb.tables import State, VersionTable

T = TypeVar("T")
_log = structlog.get_logger(__name__)


class DuckDbStore:
    """Versions in one DuckDB file, each in a table of its own, rows in the order of their chunks.

    One process works on the file. The store knows its readable versions by heart, since nobody else changes them.
    """

    def __init__(self, options: DuckDbOptions) -> None:
        self._options = options
        self._sessions: Sessions | None = None
        self._active: dict[tuple[str, int], VersionTable] = {}

    async def open(self) -> None:
        """Open the file, making it if there is none; versions that a crash left staged are removed.

        Raises:
            DirectoryInUse: another process has the file.
            StoreFailure: the engine cannot open it.
        """
        base = await asyncio.to_thread(_open, self._options)
        self._sessions = Sessions(base, self._options)
        self._active = await self._write("listing versions", tables.active)

    async def close(self) -> None:
        """Close the file; running scans end with StoreFailure. Closing again changes nothing."""
        if self._sessions is not None:
            sessions, self._sessions, self._active = self._sessions, None, {}
            await sessions.close()

    async def stage(self, dataset: str, version: int, collection: Collection, chunks: Sequence[Path]) -> int:
        """Load a version out of sight from GeoParquet chunks; returns its rows.

        Chunks have the collection's columns as of `guotu.model.schema.arrow_schema`, and `bbox`
        (struct of xmin, ymin, xmax, ymax, degrees) where there is a geometry. A readable version stays as it is until
        the staged one is activated.

        Raises:
            StoreFailure: a chunk cannot be read or does not suit the collection; nothing is left.
        """
        started = time.monotonic()
        inbox = self._options.inbox
        table = await self._write(
            f"staging {dataset}@{version}",
            lambda cursor: stage(cursor, inbox, dataset, version, collection, chunks),
        )
        seconds = round(time.monotonic() - started, 3)
        _log.info("version_staged", dataset=dataset, version=version, rows=table.rows, seconds=seconds)
        return table.rows

    async def activate(self, dataset: str, version: int) -> None:
        """Make a staged version readable; one that is readable and not staged again stays as it is.

        Raises:
            UnknownVersion: it is neither staged nor readable.
        """
        await self._change(f"activating {dataset}@{version}", lambda it: _activate(it, dataset, version))

    async def drop(self, dataset: str, version: int) -> None:
        """Remove a version, staged or active; nothing if there is none. Scans of it that have begun go on."""
        await self._change(f"dropping {dataset}@{version}", lambda it: _drop(it, dataset, version))

    async def versions(self) -> list[StoredVersion]:
        """List the readable versions, sorted by dataset and version."""
        return [StoredVersion(*key, table.rows) for key, table in sorted(self._active.items())]

    async def scan(
        self, dataset: str, version: int, collection: Collection, scan: Scan
    ) -> AsyncIterator[pa.RecordBatch]:
        """Stream rows in batches of about 1 MiB with the schema of `guotu.model.schema.arrow_schema`.

        Closing the iterator, or cancelling who waits for it, interrupts the engine.

        Raises:
            UnknownVersion: the version is not readable.
            UnknownField, InvalidFilter, InvalidCrs: the scan does not suit the collection.
            StoreFailure: the engine failed, or the store was closed.
        """
        rows = rows_of(self._table(dataset, version), collection, scan)
        async with self._open_sessions.read(rows.close) as session:
            pending = session.start(rows.draw)
            while (batch := await pending) is not None:
                pending = session.start(rows.draw)  # while the caller is busy with the one before
                yield batch

    async def aggregate(self, dataset: str, version: int, collection: Collection, grouping: Grouping) -> pa.Table:
        """Return one row a group: the group columns, then one column an aggregate, not sorted.

        Schema as `guotu.model.grouping.grouping_schema`; without group columns exactly one row.

        Raises:
            UnknownVersion: the version is not readable.
            UnknownField, InvalidFilter, InvalidQuestion: the grouping does not suit the collection.
            TooLarge: more groups than `max_groups`.
            StoreFailure: the engine failed, or the store was closed.
        """
        groups = Groups(self._table(dataset, version), collection, grouping)
        async with self._open_sessions.read() as session:
            return await session.start(groups.run)

    async def size_bytes(self) -> int:
        """Return what the database takes on disk, its log included."""
        path = self._options.path
        files = (path, path.with_name(f"{path.name}.wal"))
        return await asyncio.to_thread(lambda: sum(file.stat().st_size for file in files if file.exists()))

    @property
    def _open_sessions(self) -> Sessions:
        if self._sessions is None:
            raise _not_open()
        return self._sessions

    def _table(self, dataset: str, version: int) -> VersionTable:
        if self._sessions is None:
            raise _not_open()
        table = self._active.get((dataset, version))
        if table is None:
            raise UnknownVersion(dataset=dataset, version=version)
        return table

    async def _change(self, activity: str, work: Callable[[Cursor], None]) -> None:
        """Change the catalogue in one transaction; what is readable is known anew even if nobody waits for it."""

        def run(cursor: Cursor) -> None:
            with tables.transaction(cursor):
                work(cursor)
                active = tables.active(cursor)
            self._active = active

        await self._write(activity, run)

    async def _write(self, activity: str, work: Callable[[Cursor], T]) -> T:
        def run(cursor: Cursor) -> T:
            with engine_faults(activity):
                return work(cursor)

        async with self._open_sessions.write() as session:
            return await session.start(run)


def _not_open() -> StoreFailure:
    return StoreFailure(detail="the store is not open")


def _open(options: DuckDbOptions) -> Cursor:
    """Open the file and clear away what a crash left."""
    options.path.parent.mkdir(parents=True, exist_ok=True)
    base = connect(options)
    try:
        with engine_faults("opening the store"):
            for leftover in (options.inbox, options.scratch):
                shutil.rmtree(leftover, ignore_errors=True)
            options.inbox.mkdir(mode=0o700)
            tables.prepare(base)
    except BaseException:
        base.close()
        raise
    return base


def _activate(cursor: Cursor, dataset: str, version: int) -> None:
    staged = tables.find(cursor, dataset, version, State.STAGED)
    present = tables.find(cursor, dataset, version, State.ACTIVE)
    if staged is None and present is None:
        raise UnknownVersion(dataset=dataset, version=version)
    if staged is not None:
        if present is not None:
            tables.remove(cursor, present)
        tables.activate(cursor, staged)


def _drop(cursor: Cursor, dataset: str, version: int) -> None:
    for state in State:
        if table := tables.find(cursor, dataset, version, state):
            tables.remove(cursor, table)
