"""The FeatureStore port on DuckDB."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Sequence

import pyarrow as pa
import structlog

from guotu.model.collection import GEOMETRY, Collection
from guotu.model.errors import UnknownVersion
from guotu.model.ports import Grouping, Rows, Scan, StoredVersion
from guotu.model.schema import change_schema, difference_schema, effect_schema, stored_schema
from node.stores.duckdb import activation, catalogue, mending, staging, tidying
from node.stores.duckdb.aggregate import aggregate
from node.stores.duckdb.catalogue import Catalogue
from node.stores.duckdb.comparison import change_statement, difference_statement, staged_change_statement
from node.stores.duckdb.connection import Cursor
from node.stores.duckdb.database import Database
from node.stores.duckdb.failures import engine_faults
from node.stores.duckdb.options import DuckDbOptions
from node.stores.duckdb.sql.retrieval import Statement, keyed_statement, stored_statement
from node.stores.duckdb.streams import Shape, scanned, shape_of

_log = structlog.get_logger(__name__)
_KEYS = "guotu_keys"


class DuckDbStore:
    """Versions in one DuckDB file: the newest of each generation in a table, what older ones had besides in another.

    One process works on the file. Each reader works on a snapshot of the file.
    """

    def __init__(self, options: DuckDbOptions) -> None:
        self._database = Database(options)

    async def open(self) -> None:
        """Open the file, making it if there is none; versions that a crash left staged are removed.

        Raises:
            DirectoryInUse: another process has the file.
            StoreFailure: the engine cannot open it.
        """
        await self._database.open()
        await self._database.change("clearing staged versions", activation.unstage_all)

    async def close(self) -> None:
        """Close the file; running scans end with StoreFailure. Closing again changes nothing."""
        await self._database.close()

    async def stage(self, dataset: str, version: int, collection: Collection, rows: Rows) -> int:
        """Load a version out of sight, into a generation of its own; returns its rows."""
        await self._unstage(dataset, version)
        stage = self._database.change(
            f"staging {dataset}@{version}", lambda it, _: staging.stage(it, dataset, version, collection, rows)
        )
        return await _staged(dataset, version, stage)

    async def stage_change(
        self, dataset: str, version: int, collection: Collection, changes: Rows, *, rebase: bool = False
    ) -> int:
        """Note what turns version - 1 into `version`, out of sight; returns the rows of `version`."""
        key, activity = (dataset, version), f"staging {dataset}@{version}"

        def stage(cursor: Cursor, known: Catalogue) -> int:
            return staging.stage_change(cursor, self._database.files, known, key, collection, changes, rebase)

        if (dataset, version - 1) in self._database.known.readable:
            await self._unstage(dataset, version)
        return await _staged(dataset, version, self._database.note(activity, stage))

    async def staged_change(self, dataset: str, version: int, collection: Collection) -> AsyncIterator[pa.RecordBatch]:
        """Stream what a staged change would do to each key, by key.

        Raises:
            UnknownVersion: no change is staged for that version.
        """

        def begin(cursor: Cursor) -> tuple[Statement, Shape]:
            known, staged = self._database.snapshot(cursor), self._database.files.staged.get((dataset, version))
            if staged is None:
                raise UnknownVersion(dataset=dataset, version=version)
            view, placed = known.view(dataset, version - 1), staged.placed_at == known.epoch
            self._database.files.offer_effect(cursor, staged)
            statement = staged_change_statement(view, staged.effect, placed, collection)
            return statement, shape_of(view, effect_schema(collection))

        async for batch in self._database.stream(f"reading what is staged of {dataset}@{version}", begin):
            yield batch

    async def activate(self, dataset: str, version: int, state: bytes = b"") -> None:
        """Make a staged version readable; one that is readable and not staged again stays as it is.

        Raises:
            UnknownVersion: it is neither staged nor readable.
        """
        activity = f"activating {dataset}@{version}"
        key = dataset, version
        await self._database.change(
            activity, lambda it, known: activation.activate(it, known, self._database.files, key, state)
        )

    async def state(self, dataset: str, version: int) -> bytes:
        """Return what `activate` was given."""
        kept = await self._database.read(lambda cursor: catalogue.state(cursor, (dataset, version)))
        if kept is None:
            raise UnknownVersion(dataset=dataset, version=version)
        return kept

    async def drop(self, dataset: str, version: int) -> None:
        """Remove a version, staged or active; nothing if there is none. Scans of it that have begun go on."""
        key = dataset, version
        await self._database.change(
            f"dropping {dataset}@{version}", lambda it, known: activation.drop(it, known, self._database.files, key)
        )

    async def tidy(self, dataset: str) -> bool:
        """Bring tables into the order of their newest version; tells whether there was anything to do.

        The cost is that of writing the newest version anew.
        """

        def tidy(cursor: Cursor, known: Catalogue) -> bool:
            mine = [view for view in known.heads() if view.generation.dataset == dataset]
            return any([tidying.tidy(cursor, view) for view in mine])

        started = time.monotonic()
        tidied = await self._database.change(f"tidying {dataset}", tidy)
        if tidied:
            _log.info("dataset_tidied", dataset=dataset, seconds=round(time.monotonic() - started, 3))
        return tidied

    async def versions(self) -> list[StoredVersion]:
        """List the readable versions, sorted by dataset and version."""
        return [StoredVersion(*key, entry.rows) for key, entry in sorted(self._database.known.readable.items())]

    async def compare(
        self, dataset: str, version: int, collection: Collection, rows: Rows
    ) -> AsyncIterator[pa.RecordBatch]:
        """Stream how a set of rows differs from a version, by key."""

        def begin(cursor: Cursor) -> tuple[Statement, Shape]:
            view = self._database.snapshot(cursor).view(dataset, version)
            statement = difference_statement(cursor, view, collection, rows)
            like = (collection.key, GEOMETRY) if collection.has_geometry else ()
            return statement, shape_of(view, difference_schema(collection), like)

        async for batch in self._database.stream(f"comparing with {dataset}@{version}", begin):
            yield batch

    async def look_up(
        self, dataset: str, version: int, collection: Collection, keys: pa.Array, names: Sequence[str]
    ) -> AsyncIterator[pa.RecordBatch]:
        """Stream columns of the rows of a version with these keys, by key."""

        def begin(cursor: Cursor) -> tuple[Statement, Shape]:
            view, stored = self._database.snapshot(cursor).view(dataset, version), stored_schema(collection)
            cursor.register(_KEYS, pa.table({collection.key: keys}))
            schema = pa.schema([stored.field(name) for name in names])
            return keyed_statement(view, collection, _KEYS, names), shape_of(view, schema)

        async for batch in self._database.stream(f"looking up rows of {dataset}@{version}", begin):
            yield batch

    async def stored(self, dataset: str, version: int, collection: Collection) -> AsyncIterator[pa.RecordBatch]:
        """Stream all rows of a version as they are stored, in curve order."""

        def begin(cursor: Cursor) -> tuple[Statement, Shape]:
            view = self._database.snapshot(cursor).view(dataset, version)
            return stored_statement(view, collection), shape_of(view, stored_schema(collection))

        async for batch in self._database.stream(f"reading {dataset}@{version}", begin):
            yield batch

    async def changes(
        self, dataset: str, since: int, until: int, collection: Collection
    ) -> AsyncIterator[pa.RecordBatch]:
        """Stream how version `until` differs from `since`, by key; `until` may be the older one."""

        def begin(cursor: Cursor) -> tuple[Statement, Shape]:
            known = self._database.snapshot(cursor)
            before, after = known.view(dataset, since), known.view(dataset, until)
            statement = change_statement(cursor, before, after, collection)
            return statement, shape_of(after, change_schema(collection), collection.column_names * 2)

        async for batch in self._database.stream(f"comparing {dataset}@{since} with @{until}", begin):
            yield batch

    async def mend(self, dataset: str, version: int, collection: Collection, rows: Rows) -> None:
        """Put rows of the newest readable version right, in one transaction."""
        activity = f"mending {dataset}@{version}"
        await self._database.change(
            activity, lambda it, known: mending.mend(it, known, dataset, version, collection, rows)
        )

    async def scan(
        self, dataset: str, version: int, collection: Collection, scan: Scan
    ) -> AsyncIterator[pa.RecordBatch]:
        """Stream rows in batches of about 1 MiB; closing the iterator, or cancelling who waits, interrupts the engine.

        Raises (besides those of the port):
            UnknownField, InvalidFilter, InvalidCrs: the scan does not suit the collection.
        """

        def begin(cursor: Cursor) -> tuple[Statement, Shape]:
            return scanned(cursor, self._database.snapshot(cursor).view(dataset, version), collection, scan)

        async for batch in self._database.stream(f"reading {dataset}@{version}", begin):
            yield batch

    async def aggregate(self, dataset: str, version: int, collection: Collection, grouping: Grouping) -> pa.Table:
        """Return one row a group, without group columns exactly one.

        Raises (besides those of the port):
            UnknownField, InvalidFilter, InvalidQuestion: the grouping does not suit the collection.
        """

        def run(cursor: Cursor) -> pa.Table:
            with engine_faults(f"aggregating {dataset}@{version}"):
                return aggregate(cursor, self._database.snapshot(cursor).view(dataset, version), collection, grouping)

        return await self._database.read(run)

    async def size_bytes(self) -> int:
        """Return what the database takes on disk, its log included."""
        return await self._database.size_bytes()

    async def _unstage(self, dataset: str, version: int) -> None:
        """Remove what is staged of a version, so that nothing is left of it if staging it again fails."""
        key = dataset, version
        if key in self._database.known.staged or key in self._database.files.staged:
            activity = f"unstaging {dataset}@{version}"
            await self._database.change(
                activity, lambda it, known: activation.unstage(it, known, self._database.files, key)
            )


async def _staged(dataset: str, version: int, staging: Awaitable[int]) -> int:
    """Await the staging of a version and log it; returns its rows."""
    started = time.monotonic()
    rows = await staging
    seconds = round(time.monotonic() - started, 3)
    _log.info("version_staged", dataset=dataset, version=version, rows=rows, seconds=seconds)
    return rows
