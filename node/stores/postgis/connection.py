"""Connections: what they are told of us, and what the database must have."""

from __future__ import annotations

import asyncio
import ssl
import time
from typing import Any

import asyncpg

from guotu.model.errors import StoreFailure
from node.stores.postgis.failures import database_faults
from node.stores.postgis.options import PostgisOptions

Connection = Any
"""An asyncpg connection, on its own or out of a pool; asyncpg tells no types."""
SCHEMA = "guotu"
"""Schema of all that guotu makes in a database."""
_LOCK = 0x67756F7475
"""Advisory lock ("guotu") that the process holds that works on the database."""
MATERIALS_LOCK = 0x67756F747501
"""Advisory lock of the session that changes tables for others, by which these know it."""
_LEAST_VERSION = 150000
_CONNECT_S = 10.0
_IDLE_S = 60.0
_SETTINGS = {
    "application_name": "guotu",
    "jit": "off",
    # A plan is made for the window and the values at hand: a generic one takes the index where it should not.
    "plan_cache_mode": "force_custom_plan",
    # So that the server ends what it does for a process that has died.
    "client_connection_check_interval": "1s",
    "lock_timeout": "60s",
    "timezone": "UTC",
}


async def connect(options: PostgisOptions, **settings: str) -> Connection:
    """Open one connection; `settings` are parameters of its session.

    Raises:
        StoreFailure: the database cannot be reached, or refuses.
    """
    with database_faults("连接 PostgreSQL connecting to PostgreSQL"):
        try:
            return await asyncpg.connect(**_arguments(options, settings))
        except ssl.SSLError:
            # One of a certificate is a ValueError too.
            raise
        except (ValueError, OverflowError):
            # What the driver says may quote the URL.
            raise StoreFailure(detail="store.url 无效 store.url cannot be read as the URL of a database") from None


async def make_pool(options: PostgisOptions, search_path: str) -> Any:
    """Open a pool of connections for reading; a connection that was lost is replaced by the next who reads.

    Raises:
        StoreFailure: the database cannot be reached, or refuses.
    """
    timeout = f"{round(options.statement_timeout_s * 1000)}ms"
    settings = {"search_path": search_path, "statement_timeout": timeout}
    with database_faults("连接 PostgreSQL connecting to PostgreSQL"):
        return await asyncpg.create_pool(
            **_arguments(options, settings),
            min_size=0,
            max_size=options.connections,
            max_inactive_connection_lifetime=_IDLE_S,
        )


async def require(connection: Connection) -> str:
    """Check what the database must have; returns the search path for guotu's tables and PostGIS's functions.

    Raises:
        StoreFailure: it has not; the text tells what to do.
    """
    if connection.get_server_version().major * 10_000 < _LEAST_VERSION:
        raise StoreFailure(detail="需要 PostgreSQL 15 或更新版本 PostgreSQL 15 or later is needed")
    encoding = await connection.fetchval("SELECT current_setting('server_encoding')")
    if encoding != "UTF8":
        raise StoreFailure(
            detail=f"数据库编码为 {encoding}，须为 UTF8 the encoding of the database is {encoding}: "
            "CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0"
        )
    home = await connection.fetchval(
        "SELECT quote_ident(n.nspname) FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace "
        "WHERE e.extname = 'postgis'"
    )
    if home is None:
        database = await connection.fetchval("SELECT quote_ident(current_database())")
        raise StoreFailure(
            detail="数据库没有 PostGIS 扩展，请管理员执行一次 the database lacks PostGIS; an administrator runs once: "
            f'psql -d {database} -c "CREATE EXTENSION postgis"'
        )
    return f"{SCHEMA}, {home}"


async def claim(connection: Connection, wait_s: float, lock: int = _LOCK) -> None:
    """Take a lock that only one process may hold; it is free again when the connection ends.

    Raises:
        StoreFailure: another process holds it.
    """
    deadline = time.monotonic() + wait_s
    while not await connection.fetchval("SELECT pg_try_advisory_lock($1)", lock):
        if time.monotonic() >= deadline:
            raise StoreFailure(
                detail=f"另一节点正在使用此数据库的 {SCHEMA} 模式，一个数据库只供一个节点 "
                f"another node uses the schema {SCHEMA} of this database; each node needs a database of its own"
            )
        await asyncio.sleep(0.05)


def _arguments(options: PostgisOptions, settings: dict[str, str]) -> dict[str, Any]:
    return {
        "dsn": options.url,
        "timeout": _CONNECT_S,
        # Names of tables change, so that no statement is worth keeping.
        "statement_cache_size": 0,
        "server_settings": _SETTINGS | settings,
    }
