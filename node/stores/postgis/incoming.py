"""Rows on their way in: drawn from the caller as Arrow batches, and encoded, in a thread beside the loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping

import pyarrow as pa

from guotu.model.ports import Rows
from node.stores.postgis.connection import Connection
from node.stores.postgis.copying.encoder import encoded
from node.stores.postgis.copying.wire import HEADER, TRAILER
from node.stores.postgis.failures import DrawingFault

Add = Callable[[pa.RecordBatch], pa.RecordBatch]
"""Returns a batch as it goes into the table."""


def as_it_is(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return a batch as it is."""
    return batch


async def copy_in(
    connection: Connection, table: str, columns: Mapping[str, str], rows: Rows, prepared: Add = as_it_is
) -> int:
    """Copy rows into columns of a table, given with their types; returns how many.

    `prepared` sees each batch, and returns one that has the columns.

    Raises:
        DrawingFault: drawing the rows, or `prepared`, raised something.
        DoesNotFit: a number does not fit its column.
    """
    done = await connection.copy_to_table(
        table, source=_parts(_Drawing(rows, columns, prepared)), columns=list(columns), format="binary"
    )
    return int(done.rpartition(" ")[2])


async def _parts(drawing: _Drawing) -> AsyncIterator[bytes]:
    yield HEADER
    parts = drawing.parts()
    while (part := await asyncio.to_thread(next, parts, None)) is not None:
        yield part
    yield TRAILER


class _Drawing:
    """Draws the rows once."""

    def __init__(self, rows: Rows, columns: Mapping[str, str], prepared: Add) -> None:
        self._rows = rows
        self._columns = columns
        self._prepared = prepared

    def parts(self) -> Iterator[bytes]:
        for batch in self._drawn():
            yield from encoded(batch.select(list(self._columns)), list(self._columns.values()))

    def _drawn(self) -> Iterator[pa.RecordBatch]:
        try:
            for batch in self._rows():
                yield self._prepared(batch)
        except GeneratorExit:
            raise
        except BaseException as error:
            raise DrawingFault(error) from None
