"""The national database as its client sees it: warm connections of asyncpg."""

from __future__ import annotations

import asyncio
import contextlib
from types import TracebackType
from typing import Any, Self

import asyncpg
import numpy as np
import pyarrow as pa
import shapely

from benchmarks.fdw.variant import Variant
from benchmarks.pg_cluster import PgCluster
from guotu.model.collection import GEOMETRY

Records = list[asyncpg.Record]


class National:
    """One connection that stays open, as an application's pool would keep it, and the loop that it lives in."""

    def __init__(self, cluster: PgCluster, plan_cache_mode: str = "auto") -> None:
        self._cluster = cluster
        self._mode = plan_cache_mode
        self._runner = asyncio.Runner()
        self._connection: asyncpg.Connection

    def __enter__(self) -> Self:
        """Connect."""
        self._runner.__enter__()
        self._connection = self._runner.run(connected(self._cluster, self._mode))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Disconnect."""
        self._connection.terminate()
        self._runner.__exit__(kind, error, trace)

    def ask(self, variant: Variant, form: str) -> Records:
        """Return the records of an answer; statements are prepared once and kept."""
        return self._runner.run(asked(self._connection, variant, form))


async def asked(connection: asyncpg.Connection, variant: Variant, form: str) -> Records:
    """Return the records of an answer; what has to be done first is in the same transaction, and forgotten."""
    async with contextlib.AsyncExitStack() as stack:
        if before := variant.before.get(form, ()):
            transaction = connection.transaction()
            await transaction.start()
            stack.push_async_callback(transaction.rollback)
        for statement in before:
            await connection.fetch(statement, *_used(variant, statement))
        records: Records = await connection.fetch(variant.forms[form], *_used(variant, variant.forms[form]))
    return records


def _used(variant: Variant, statement: str) -> tuple[Any, ...]:
    return variant.parameters if "$" in statement else ()


async def connected(cluster: PgCluster, plan_cache_mode: str, **settings: str) -> asyncpg.Connection:
    """Connect; geometries come as the bytes of EWKB, which costs the client nothing."""
    host, _, port = cluster.address.rpartition(":")
    connection = await asyncpg.connect(
        host=host,
        port=int(port),
        user="postgres",
        password=cluster.password,
        database="postgres",
        statement_cache_size=1000,
        server_settings={"plan_cache_mode": plan_cache_mode, **settings},
    )
    await connection.set_type_codec("geometry", encoder=bytes, decoder=bytes, format="binary")
    return connection


def as_table(records: Records, schema: pa.Schema) -> pa.Table:
    """Return records as a table with the columns and types of the mesh's answer, geometry as plain WKB."""
    columns = []
    for field in schema:
        values = [record[field.name] for record in records]
        if field.name == GEOMETRY:
            shapes = shapely.set_srid(shapely.from_wkb(np.array(values, object)), 0)
            columns.append(pa.array(shapely.to_wkb(shapes, byte_order=1, flavor="iso"), pa.binary()))
        else:
            columns.append(pa.array(values, field.type))
    return pa.table(columns, names=schema.names)
