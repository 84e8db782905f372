"""Tables that nobody needs any more, dropped once nobody reads them.

A drop waits for all who read the table, and all who come after it wait for the drop. So a table is noted as garbage in
the transaction that lets go of it, and dropped when all readers that began before the end of that have ended.
"""

from __future__ import annotations

from collections.abc import Iterable

import structlog
from asyncpg.exceptions import LockNotAvailableError

from node.stores.postgis.connection import Connection
from node.stores.sql.identifiers import quote

_log = structlog.get_logger(__name__)
_LOCK_WAIT = "2s"
"""How long a drop waits for others than this process, who read the table by themselves."""


class Garbage:
    """Remembers since when each table is garbage."""

    def __init__(self) -> None:
        self._since: dict[str, int] = {}

    def note(self, tables: Iterable[str], now: int) -> None:
        """Take note of the tables that are garbage by now."""
        for table in tables:
            self._since.setdefault(table, now)

    def unread(self, oldest: int) -> list[str]:
        """Return the tables that were garbage before the oldest reader began."""
        return [table for table, since in self._since.items() if since < oldest]

    async def sweep(self, connection: Connection, tables: Iterable[str]) -> None:
        """Drop tables; one that others hold is left for later."""
        for table in tables:
            try:
                async with connection.transaction():
                    await connection.execute(f"SET LOCAL lock_timeout = '{_LOCK_WAIT}'")
                    await connection.execute(f"DROP TABLE IF EXISTS {quote(table)}")
                    await connection.execute("DELETE FROM garbage WHERE table_name = $1", table)
            except LockNotAvailableError:
                _log.warning("store_table_in_use_elsewhere", table=table)
            else:
                self._since.pop(table, None)


async def listed(connection: Connection) -> list[str]:
    """Return the tables that are garbage, as the connection's transaction sees it."""
    return [row[0] for row in await connection.fetch("SELECT table_name FROM garbage")]
