"""The MaterialTables port on the database that a node's store is in, over a connection of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from node.stores.material import Brought, Material, Progress, Release, TableName
from node.stores.postgis.connection import MATERIALS_LOCK, Connection, claim, connect, require
from node.stores.postgis.failures import database_faults
from node.stores.postgis.materialized import ledger, steps
from node.stores.postgis.options import PostgisOptions

_LOCK_WAIT = "10s"
"""How long a table is waited for that another session has locked, before the others have their turn."""


class PostgisMaterials:
    """Changes tables beside the store, so that neither waits for the other. Each call sees one snapshot of the store.

    The store must be open: it makes the schema.
    """

    def __init__(self, options: PostgisOptions) -> None:
        self._options = options
        self._connection: Connection | None = None
        self._turn = asyncio.Lock()

    async def listed(self) -> Sequence[Material]:
        """Return the tables, sorted by dataset."""
        async with self._transaction("列出物化表 listing tables") as connection:
            return [entry.material for entry in await ledger.entries(connection)]

    async def make(self, name: TableName, release: Release, check: bool, progress: Progress) -> Brought:
        """Make a dataset's table if it has none, or bring it to a version."""
        async with self._transaction(f"物化 materializing {release.dataset}") as connection:
            return await steps.make(connection, name, release, check, progress)

    async def bring(self, release: Release, progress: Progress) -> Brought:
        """Bring the table that a dataset has to a version."""
        async with self._transaction(f"物化 materializing {release.dataset}@{release.version}") as connection:
            return await steps.bring(connection, release, progress)

    async def drop(self, dataset: str) -> None:
        """Drop the table of a dataset and forget it."""
        async with self._transaction(f"取消物化 dropping the table of {dataset}") as connection:
            await steps.drop(connection, dataset)

    async def close(self) -> None:
        """Disconnect; what is under way ends."""
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None

    @asynccontextmanager
    async def _transaction(self, activity: str) -> AsyncIterator[Connection]:
        """Hold the connection in a transaction with one snapshot."""
        async with self._turn:
            with database_faults(activity):
                connection = await self._live()
                async with connection.transaction(isolation="repeatable_read"):
                    yield connection

    async def _live(self) -> Connection:
        """Return the connection, in place of one that was lost a new one."""
        if self._connection is not None:
            # Who was cancelled while it ended a transaction may have left that open.
            if not self._connection.is_closed() and not self._connection.is_in_transaction():
                return self._connection
            await self.close()
        connection = await connect(self._options, lock_timeout=_LOCK_WAIT)
        try:
            path = await require(connection)
            await claim(connection, self._options.start_s, MATERIALS_LOCK)
            await connection.execute(f"SET search_path = {path}")
        except BaseException:
            connection.terminate()
            raise
        self._connection = connection
        return connection
