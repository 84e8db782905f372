"""The FeatureStore port on PostgreSQL with PostGIS."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import pyarrow as pa
import structlog

from guotu.model.collection import Collection
from guotu.model.errors import TooLarge, UnknownVersion
from guotu.model.grouping import grouping_schema
from guotu.model.ports import Grouping, Rows, Scan, StoredVersion
from guotu.model.schema import difference_schema, effect_schema, stored_schema
from node.stores.postgis import activation, catalogue, mending, staging, tidying
from node.stores.postgis.catalogue import Catalogue
from node.stores.postgis.comparison import (
    as_changes,
    change_columns,
    change_statement,
    difference_statement,
    staged_change_statement,
)
from node.stores.postgis.connection import Connection
from node.stores.postgis.database import Database
from node.stores.postgis.options import PostgisOptions
from node.stores.postgis.sql.grouping import grouping_statement
from node.stores.postgis.sql.retrieval import keyed_statement, scan_statements, stored_statement
from node.stores.postgis.streams import Reading
from node.stores.shape import schema_of

_log = structlog.get_logger(__name__)


class PostgisStore:
    """Versions in one database: the newest of each generation in a table, what older ones had besides in another.

    One process works on guotu's schema. Each reader works on a snapshot of the database.
    """

    def __init__(self, options: PostgisOptions, changed: Callable[[], None] = lambda: None) -> None:
        """Set what is told, in the event loop, of each change that may have been made."""
        self._database = Database(options, changed)

    async def open(self) -> None:
        """Connect, making guotu's schema if there is none; versions that a crash left staged are removed.

        Raises:
            StoreFailure: the database is out of reach, lacks PostGIS, is behind this release or ahead of it, or another
                node uses it.
        """
        await self._database.open()
        await self._database.change("clearing staged versions", activation.unstage_all)

    async def close(self) -> None:
        """Disconnect; running scans end with StoreFailure. Closing again changes nothing."""
        await self._database.close()

    async def stage(self, dataset: str, version: int, collection: Collection, rows: Rows) -> int:
        """Load a version out of sight, into a generation of its own; returns its rows."""
        await self._unstage(dataset, version)
        return await self._load(dataset, version, lambda it: staging.stage(it, dataset, version, collection, rows))

    async def stage_change(
        self, dataset: str, version: int, collection: Collection, changes: Rows, *, rebase: bool = False
    ) -> int:
        """Load what turns version - 1 into `version` out of sight; returns the rows of `version`."""

        async def stage(connection: Connection) -> int:
            before = (await catalogue.read(connection)).view(dataset, version - 1)
            return await staging.stage_change(connection, before, collection, changes, rebase)

        if (dataset, version - 1) in (await self._database.catalogue()).readable:
            await self._unstage(dataset, version)
        return await self._load(dataset, version, stage)

    async def staged_change(self, dataset: str, version: int, collection: Collection) -> AsyncIterator[pa.RecordBatch]:
        """Stream what a staged change would do to each key, by key.

        Raises:
            UnknownVersion: no change is staged for that version.
        """

        async def begin(connection: Connection, known: Catalogue) -> Reading:
            staged = known.staged.get((dataset, version))
            if staged is None or not staged.change:
                raise UnknownVersion(dataset=dataset, version=version)
            before = known.view(dataset, version - 1)
            statement = staged_change_statement(before, staged.change, collection)
            return Reading([statement], effect_schema(collection))

        async for batch in self._database.stream(f"reading what is staged of {dataset}@{version}", begin):
            yield batch

    async def activate(self, dataset: str, version: int, state: bytes = b"") -> None:
        """Make a staged version readable; one that is readable and not staged again stays as it is.

        Raises:
            UnknownVersion: it is neither staged nor readable.
        """
        activity = f"activating {dataset}@{version}"
        await self._database.change(activity, lambda it: activation.activate(it, (dataset, version), state))

    async def state(self, dataset: str, version: int) -> bytes:
        """Return what `activate` was given."""
        activity = f"reading the state of {dataset}@{version}"
        state = await self._database.read(activity, lambda it: catalogue.state(it, (dataset, version)))
        if state is None:
            raise UnknownVersion(dataset=dataset, version=version)
        return state

    async def drop(self, dataset: str, version: int) -> None:
        """Remove a version, staged or readable, and the rows that no other readable version needs."""
        await self._database.change(f"dropping {dataset}@{version}", lambda it: activation.drop(it, (dataset, version)))

    async def tidy(self, dataset: str) -> bool:
        """Write tables of a dataset anew that are not in the order of their newest version; tells whether."""

        def untidy(known: Catalogue) -> list[catalogue.View]:
            heads = [view for view in known.heads() if view.generation.dataset == dataset]
            return [view for view in heads if not tidying.is_tidy(view)]

        async def tidy(connection: Connection) -> None:
            for view in untidy(await catalogue.read(connection)):
                await tidying.tidy(connection, view)

        if not untidy(await self._database.catalogue()):
            return False
        await self._database.change(f"tidying {dataset}", tidy)
        return True

    async def versions(self) -> list[StoredVersion]:
        """List the readable versions, sorted by dataset and version."""
        known = await self._database.catalogue()
        return [StoredVersion(*key, entry.rows) for key, entry in sorted(known.readable.items())]

    async def compare(
        self, dataset: str, version: int, collection: Collection, rows: Rows
    ) -> AsyncIterator[pa.RecordBatch]:
        """Stream how a set of rows differs from a version, by key."""

        async def begin(connection: Connection, known: Catalogue) -> Reading:
            statement = await difference_statement(connection, known.view(dataset, version), collection, rows)
            return Reading([statement], difference_schema(collection))

        async for batch in self._database.stream(f"comparing with {dataset}@{version}", begin):
            yield batch

    async def look_up(
        self, dataset: str, version: int, collection: Collection, keys: pa.Array, names: Sequence[str]
    ) -> AsyncIterator[pa.RecordBatch]:
        """Stream columns of the rows of a version with these keys, by key."""

        async def begin(connection: Connection, known: Catalogue) -> Reading:
            stored = stored_schema(collection)
            statement = keyed_statement(known.view(dataset, version), collection, keys, names)
            return Reading([statement], pa.schema([stored.field(name) for name in names]))

        async for batch in self._database.stream(f"looking up rows of {dataset}@{version}", begin):
            yield batch

    async def stored(self, dataset: str, version: int, collection: Collection) -> AsyncIterator[pa.RecordBatch]:
        """Stream all rows of a version as they are stored, in curve order."""

        async def begin(connection: Connection, known: Catalogue) -> Reading:
            statement = stored_statement(known.view(dataset, version), collection)
            return Reading([statement], stored_schema(collection))

        async for batch in self._database.stream(f"reading {dataset}@{version}", begin):
            yield batch

    async def changes(
        self, dataset: str, since: int, until: int, collection: Collection
    ) -> AsyncIterator[pa.RecordBatch]:
        """Stream how version `until` differs from `since`, by key; `until` may be the older one."""

        async def begin(connection: Connection, known: Catalogue) -> Reading:
            before, after = known.view(dataset, since), known.view(dataset, until)
            statement = await change_statement(connection, before, after, collection)
            schema = change_columns(collection)
            return Reading([statement], schema, finish=lambda batch: as_changes(batch, collection))

        async for batch in self._database.stream(f"comparing {dataset}@{since} with @{until}", begin):
            yield batch

    async def mend(self, dataset: str, version: int, collection: Collection, rows: Rows) -> None:
        """Put rows of the newest readable version right, in one transaction."""
        activity = f"mending {dataset}@{version}"
        await self._database.change(activity, lambda it: mending.mend(it, dataset, version, collection, rows))

    async def scan(
        self, dataset: str, version: int, collection: Collection, scan: Scan
    ) -> AsyncIterator[pa.RecordBatch]:
        """Stream rows in batches of about 1 MiB; closing the iterator, or cancelling who waits, ends the server's work.

        Raises (besides those of the port):
            UnknownField, InvalidFilter, InvalidCrs: the scan does not suit the collection.
        """

        async def begin(connection: Connection, known: Catalogue) -> Reading:
            view, schema = known.view(dataset, version), schema_of(scan, collection)
            if scan.near is not None:
                # What the index finds is little work; handing whole rows from worker to worker takes longer.
                await connection.execute("SET LOCAL max_parallel_workers_per_gather = 0")
            return Reading(scan_statements(view, collection, scan), schema, scan.crs, scan.limit)

        async for batch in self._database.stream(f"reading {dataset}@{version}", begin):
            yield batch

    async def aggregate(self, dataset: str, version: int, collection: Collection, grouping: Grouping) -> pa.Table:
        """Return one row a group, without group columns exactly one.

        Raises (besides those of the port):
            UnknownField, InvalidFilter, InvalidQuestion: the grouping does not suit the collection.
        """
        schemas: list[pa.Schema] = []

        async def begin(connection: Connection, known: Catalogue) -> Reading:
            view = known.view(dataset, version)
            schemas.append(grouping_schema(collection, grouping.group_by, grouping.aggregates, grouping.bins))
            return Reading([grouping_statement(view, collection, grouping)], schemas[0])

        found = [batch async for batch in self._database.stream(f"aggregating {dataset}@{version}", begin)]
        groups = pa.Table.from_batches(found, schemas[0])
        most = grouping.max_groups
        if grouping.group_by and groups.num_rows > most:
            raise TooLarge(what="groups", size=f"> {most}", limit=most)
        return groups

    async def _load(self, dataset: str, version: int, stage: Callable[[Connection], Awaitable[int]]) -> int:
        started = time.monotonic()
        rows = await self._database.change(f"staging {dataset}@{version}", stage)
        seconds = round(time.monotonic() - started, 3)
        _log.info("version_staged", dataset=dataset, version=version, rows=rows, seconds=seconds)
        return rows

    async def _unstage(self, dataset: str, version: int) -> None:
        """Remove what is staged of a version, so that nothing is left of it if staging it again fails."""

        async def unstage(connection: Connection) -> None:
            known = await catalogue.read(connection)
            if entry := known.staged.get((dataset, version)):
                await activation.unstage(connection, known, entry)

        if (dataset, version) in (await self._database.catalogue()).staged:
            await self._database.change(f"unstaging {dataset}@{version}", unstage)
