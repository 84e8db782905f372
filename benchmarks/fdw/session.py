"""A session of the national database with the time-outs of a careful administrator."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import asyncpg

from benchmarks.fdw.national import connected
from benchmarks.pg_cluster import PgCluster

_GIVE_UP = 3
"""After so many times its time-out a client goes away by itself."""


class Session:
    """A session of the national database with the time-outs of a careful administrator."""

    def __init__(self, cluster: PgCluster, patience_s: float) -> None:
        self._cluster = cluster
        self._patience_s = patience_s
        self._runner = asyncio.Runner()
        self._connection: asyncpg.Connection | None = None

    def __enter__(self) -> Session:
        self._runner.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._drop()
        self._runner.__exit__(None, None, None)

    def ask(self, sql: str, *parameters: Any) -> dict[str, Any]:
        """Ask; the client itself gives up long after the server should have."""
        started = time.perf_counter()
        try:
            rows = self._runner.run(asyncio.wait_for(self._fetch(sql, parameters), _GIVE_UP * self._patience_s))
        except TimeoutError:
            self._drop()
            return {"seconds": since(started), "complete": False, "answer": "nothing: the client gave up"}
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as failure:
            first = str(failure).partition("\n")[0]
            return {"seconds": since(started), "complete": False, "answer": f"{type(failure).__name__}: {first}"}
        return {"seconds": since(started), "complete": True, "answer": f"{len(rows)} rows", "rows_share": 1.0}

    async def _fetch(self, sql: str, parameters: tuple[Any, ...]) -> list[asyncpg.Record]:
        if self._connection is None or self._connection.is_closed():
            timeout = f"{round(self._patience_s * 1000)}ms"
            self._connection = await connected(self._cluster, "auto", statement_timeout=timeout)
        rows: list[asyncpg.Record] = await self._connection.fetch(sql, *parameters)
        return rows

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None


def since(started: float) -> float:
    """Return the seconds since a moment of the performance counter, to the hundredth."""
    return round(time.perf_counter() - started, 2)
