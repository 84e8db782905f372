"""Rows on their way in: drawn from the caller as Arrow batches, in the thread of the statement that takes them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import duckdb
import pyarrow as pa

from guotu.model.ports import Rows
from node.stores.duckdb.connection import Cursor
from node.stores.duckdb.failures import DrawingFault

INCOMING = "guotu_incoming"
"""Name under which a statement finds the rows."""


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


class _Drawing:
    """Draws the rows once, and remembers what that raised."""

    def __init__(self, rows: Rows, schema: pa.Schema, look: Callable[[pa.RecordBatch], None]) -> None:
        self._rows = rows
        self._schema = schema
        self._look = look
        self.fault: BaseException | None = None

    def batches(self) -> Iterator[pa.RecordBatch]:
        try:
            for batch in self._rows():
                # Without the metadata of fields, which would make the engine read some as types of its own.
                columns = [batch.column(name) for name in self._schema.names]
                plain = pa.RecordBatch.from_arrays(columns, schema=self._schema)
                self._look(plain)
                yield plain
        except BaseException as error:
            self.fault = error
            raise
