"""Rows on their way in: drawn from the caller as Arrow batches, in the thread of the statement that takes them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import duckdb
import pyarrow as pa

from guotu.model.ports import Rows
from node.stores.duckdb.connection import Cursor
from node.stores.duckdb.failures import DrawingFault
from node.stores.duckdb.generations import GROUP_ROWS

INCOMING = "guotu_incoming"
"""Name under which a statement finds the rows."""
_GROUP_BYTES = 96 << 20
"""Bytes at which rows are handed on before they make a row group of the engine, which writes groups side by side."""


@contextmanager
def incoming(
    cursor: Cursor, rows: Rows, schema: pa.Schema, look: Callable[[pa.RecordBatch], None] = lambda batch: None
) -> Iterator[None]:
    """Offer rows to one statement under the name INCOMING; `look` sees each batch as it passes.

    Raises:
        DrawingFault: drawing the rows, or `look`, raised something.
    """
    drawing = _Drawing(rows, schema, look)
    cursor.register(INCOMING, pa.RecordBatchReader.from_batches(schema, drawing.batches()))
    try:
        yield
    except (duckdb.Error, pa.ArrowException) as error:
        # The engine hands on only the text of what was raised.
        raise error if drawing.fault is None else DrawingFault(drawing.fault) from None
    finally:
        cursor.unregister(INCOMING)


def drawn(rows: Rows, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Yield rows themselves, in the batches in which they come.

    Raises:
        DrawingFault: drawing them raised something.
    """
    try:
        for batch in rows():
            yield _plain(batch, schema)
    except Exception as error:
        raise DrawingFault(error) from None


class _Drawing:
    """Draws the rows once, and remembers what that raised."""

    def __init__(self, rows: Rows, schema: pa.Schema, look: Callable[[pa.RecordBatch], None]) -> None:
        self._rows = rows
        self._schema = schema
        self._look = look
        self.fault: BaseException | None = None

    def batches(self) -> Iterator[pa.RecordBatch]:
        try:
            for batch in grouped(_plain(batch, self._schema) for batch in self._rows()):
                self._look(batch)
                yield batch
        except BaseException as error:
            self.fault = error
            raise


def _plain(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """Leave out the metadata of fields, which would make the engine read some as types of its own."""
    return pa.RecordBatch.from_arrays([batch.column(name) for name in schema.names], schema=schema)


def grouped(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Put batches together until they make a row group, or 96 MiB."""
    waiting: list[pa.RecordBatch] = []
    rows = size = 0
    for batch in batches:
        if waiting and (rows + batch.num_rows > GROUP_ROWS or size + batch.nbytes > _GROUP_BYTES):
            yield pa.concat_batches(waiting)
            waiting, rows, size = [], 0, 0
        waiting.append(batch)
        rows, size = rows + batch.num_rows, size + batch.nbytes
    if waiting:
        yield pa.concat_batches(waiting)
