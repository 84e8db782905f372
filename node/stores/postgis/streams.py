"""Rows as Arrow batches of about 1 MiB, copied from the database as they are wanted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from guotu.model.crs import MESH_CRS
from node.stores.postgis.connection import Connection
from node.stores.postgis.copying.decoder import Decoder
from node.stores.postgis.session import Session
from node.stores.postgis.sql.retrieval import Statement
from node.stores.postgis.sql.types import travelling
from node.stores.shape import shaped

_PART_BYTES = 1 << 20
_END = b""
"""Stands after the last part of a statement's rows."""


@dataclass(frozen=True, slots=True)
class Reading:
    """Statements whose rows come one after the other, and what becomes of these."""

    statements: Sequence[Statement]
    schema: pa.Schema
    """Of the columns of the statements, as batches have them."""
    crs: str = MESH_CRS
    limit: int = 0
    """Most rows of all statements; each has it as its last parameter. 0: no limit."""
    finish: Callable[[pa.RecordBatch], pa.RecordBatch] = field(default=lambda batch: batch)
    """Makes of a batch with that schema what the caller gets."""


async def batches(session: Session, reading: Reading) -> AsyncIterator[pa.RecordBatch]:
    """Yield the rows of a reading, in the session's transaction; the server is one part ahead of the caller.

    Raises:
        StoreFailure: the store was closed.
        InvalidCrs: geometries cannot be brought into the CRS asked for.
    """
    copy = _Copy(session.connection, reading)
    copying = session.start(copy.run())
    decoder = Decoder(travelling(reading.schema))
    while True:
        part = await session.run(copy.next(copying))
        if part is None:
            return
        if part == _END:
            decoder.finish()
            decoder = Decoder(travelling(reading.schema))
            continue
        batch = await session.run(asyncio.to_thread(_decoded, decoder, part, reading))
        if batch.num_rows:
            yield batch


def _decoded(decoder: Decoder, part: bytes, reading: Reading) -> pa.RecordBatch:
    batch = shaped(decoder.decode(part), reading.schema, reading.crs)
    return reading.finish(batch)


class _Copy:
    """Copies the rows of a reading into parts, of which one at most waits to be taken."""

    def __init__(self, connection: Connection, reading: Reading) -> None:
        self._connection = connection
        self._reading = reading
        self._parts: asyncio.Queue[bytes] = asyncio.Queue(1)
        self._gathered = bytearray()

    async def run(self) -> None:
        """Copy to the end."""
        left = self._reading.limit
        for statement in self._reading.statements:
            values = [*statement.parameters[:-1], left] if left else statement.parameters
            done = await self._connection.copy_from_query(statement.text, *values, output=self._gather, format="binary")
            await self._put()
            await self._parts.put(_END)
            if left:
                left -= int(done.rpartition(" ")[2])
                if not left:
                    return

    async def next(self, copying: asyncio.Task[None]) -> bytes | None:
        """Return the next part; None after the last. What copying raised is raised here."""
        if self._parts.empty() and not copying.done():
            taking = asyncio.ensure_future(self._parts.get())
            try:
                await asyncio.wait((taking, copying), return_when=asyncio.FIRST_COMPLETED)
                if taking.done():
                    return taking.result()
            finally:
                taking.cancel()
        if self._parts.empty():
            copying.result()
            return None
        return self._parts.get_nowait()

    async def _gather(self, data: bytes) -> None:
        self._gathered += data
        if len(self._gathered) >= _PART_BYTES:
            await self._put()

    async def _put(self) -> None:
        if self._gathered:
            part, self._gathered = bytes(self._gathered), bytearray()
            await self._parts.put(part)
