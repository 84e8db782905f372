"""A table as the source of a publish: what changed by fingerprints where they hold, else all of it."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from contextlib import ExitStack
from types import TracebackType
from typing import Self

import pyarrow as pa

from guotu.model.collection import Collection
from guotu.model.records import DatasetRecord
from guotu.wire.admin import PublishProgress
from node.cli.table_rows import all_rows, filled_schema, noted_rows, rows_of, with_nulls
from node.fingerprints.binding import Binding, Memory, TableOptions
from node.fingerprints.book import Book
from node.fingerprints.comparison import Difference, Irregular, compare
from node.fingerprints.draft import Draft
from node.ingest.report import Fault
from node.ingest.source import LayerSource, SourceDescription
from node.ingest.table import DRIVER, TableLayer
from node.stores.postgis.tables.column import Column
from node.stores.postgis.tables.statements import fingerprint_schema, fingerprints
from node.stores.postgis.tables.table import LiveTable

SCAN = "scan"
"""Stage in which fingerprints are read and compared."""
_SEED_BITS = 63


class TableSources:
    """One table, read in one snapshot. `prepare` finds out what is to be sent; findings are complete after the last."""

    def __init__(
        self, live: LiveTable, book: Book, options: TableOptions, collection: Collection, force_bounds: bool
    ) -> None:
        self._live, self._book, self._options, self._collection = live, book, options, collection
        self._force_bounds = force_bounds
        self._stack = ExitStack()
        self._seeds = (0, 0)
        self._draft: Draft | None = None
        self._binding: Binding | None = None
        self._source: LayerSource | None = None
        self._deleted: pa.Array | None = None
        self._missing: tuple[str, ...] = ()
        self._notices: list[Fault] = []
        self.rows = 0
        """Rows of the table, once they were counted."""
        self.seconds: dict[str, float] = {}
        self.is_increment = False
        self.unchanged = False
        """True if the table's rows are those of the head; then there is nothing to send."""
        self.expected_head = ""
        """Manifest that an increment was found against; empty for a whole layer."""
        self.describe = options.table

    def __enter__(self) -> Self:
        self._stack.enter_context(self._live)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give up the snapshot and what was not kept."""
        self._stack.close()

    def prepare(self, head: DatasetRecord | None, tolerance_deg: float, anew: bool) -> Iterator[PublishProgress]:
        """Open the table and find out what is to be sent, against `head`; `anew` asks for all of it in any case.

        Raises:
            InvalidQuestion, InvalidTable, DatabaseUnavailable, InvalidFilter, UnknownField: see `TableLayer`.
        """
        layer = TableLayer(self._live, self._options, self._collection)
        key, memory = layer.key, self._book.memory()
        self.describe = str(SourceDescription(layer.label, driver=DRIVER))
        if key is None:
            self._begin(layer.source(all_rows(self._live)))
            return
        self._draft = self._stack.enter_context(self._book.draft(fingerprint_schema(key)))
        self._binding = layer.binding(self._force_bounds, tolerance_deg)
        difference = None
        if head is not None and memory is not None and not anew and memory.holds(self._binding, head.manifest):
            started = time.perf_counter()
            yield from self._scan(layer, key, memory)
            difference = self._compared(memory)
            self.seconds[SCAN] = time.perf_counter() - started
        if difference is None:
            self._seeds = (secrets.randbits(_SEED_BITS), secrets.randbits(_SEED_BITS))
            self._begin(layer.source(noted_rows(self._live, layer.wanted, key, self._seeds, self._draft)))
            return
        assert head is not None
        self._take(layer, key, difference, head)

    def keep(self, record: DatasetRecord) -> None:
        """Keep the fingerprints of what was published, or was found to be published, as `record`.

        Raises:
            OSError: there is no room for them.
        """
        if self._draft is not None and self._binding is not None and self._draft.complete:
            self._book.keep(self._draft, self._binding, record.manifest, self._seeds)

    @property
    def schema(self) -> pa.Schema | None:
        """Schema of the rows; None if there are none to send."""
        if self._source is None or not len(self._source.schema):
            return None
        return filled_schema(self._source.schema, self._collection, self._missing)

    @property
    def deletes_schema(self) -> pa.Schema | None:
        """Schema of the rows to delete; None if there are none."""
        return pa.schema([(self._collection.key, self._deleted.type)]) if self._deleted else None

    @property
    def feature_count(self) -> int:
        """Rows that will come; 0 if it is not known."""
        return (self._source.feature_count if self._source else 0) + len(self._deleted or ())

    @property
    def faults(self) -> list[Fault]:
        """Why it cannot be accepted, as far as was seen."""
        return self._source.faults if self._source else []

    @property
    def findings(self) -> list[Fault]:
        """Faults and notices, as far as was seen."""
        return [*self._source.faults, *self._source.notices] if self._source else self._notices

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows."""
        schema = self.schema
        if self._source is not None and schema is not None:
            yield from with_nulls(self._source.batches(), schema)

    def deletes(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows to delete; then the snapshot is given up."""
        self._live.close()
        if self._deleted:
            yield pa.RecordBatch.from_arrays([self._deleted], names=[self._collection.key])

    def _scan(self, layer: TableLayer, key: Column, memory: Memory) -> Iterator[PublishProgress]:
        """Take the fingerprints of all rows down."""
        draft, self._seeds = self._drafted, memory.seeds
        draft.begin()
        for batch in self._live.rows([fingerprints(layer.wanted, key, memory.seeds)], draft.schema):
            draft.write(batch)
            yield PublishProgress(SCAN, draft.rows, memory.rows)
        draft.finish()
        self.rows = draft.rows

    def _compared(self, memory: Memory) -> Difference | None:
        """Return what differs from the fingerprints of the head; None if that cannot be told by them."""
        try:
            return compare(self._book.fingerprints(memory), self._drafted.path)
        except Irregular:
            return None

    def _take(self, layer: TableLayer, key: Column, difference: Difference, head: DatasetRecord) -> None:
        self.is_increment, self.expected_head = True, head.manifest
        self.unchanged = not difference.count
        self._deleted = difference.deleted
        self._missing = layer.missing
        layer.note_filled()
        if self.unchanged:
            self._notices = layer.findings
            return
        changed = difference.changed or pa.array([], key.kind.arrow)
        self._begin(layer.source(rows_of(self._live, key, changed), len(changed)))

    def _begin(self, source: LayerSource) -> None:
        self._source, self.describe = source, str(source.describe)

    @property
    def _drafted(self) -> Draft:
        assert self._draft is not None
        return self._draft
