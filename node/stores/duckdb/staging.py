"""Loading out of sight: a whole version, or what changed."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from guotu.model.collection import Collection
from guotu.model.errors import StoreFailure
from guotu.model.ports import Rows
from guotu.model.rebase import is_own_base
from guotu.model.schema import HASH, PLACE, stored_schema
from node.stores.duckdb import catalogue, generations
from node.stores.duckdb.catalogue import UNORDERED, Entry, View
from node.stores.duckdb.connection import Cursor
from node.stores.duckdb.incoming import INCOMING, incoming
from node.stores.duckdb.sql.identifiers import SINCE, column, listed, quote
from node.stores.duckdb.sql.parameters import Parameters
from node.stores.duckdb.sql.source import source
from node.stores.duckdb.sql.types import table_columns


def stage(cursor: Cursor, dataset: str, version: int, collection: Collection, rows: Rows) -> int:
    """Load a version into tables of its own; returns its rows.

    Raises:
        StoreFailure: two rows have one key.
        DrawingFault: `rows` raised something.
    """
    columns, schema = table_columns(collection), stored_schema(collection)
    generation = generations.create(cursor, dataset, collection.key, columns)
    look = _Look(collection.key)
    with incoming(cursor, rows, schema, look):
        into = f"INSERT INTO {quote(generation.current)} ({listed([*columns, SINCE])})"
        cursor.execute(f"{into} SELECT {listed(columns)}, $1::BIGINT FROM {INCOMING}", [version])  # noqa: S608
    generations.refuse_twins(cursor, generation.current, collection.key)
    base = version if look.ordered else UNORDERED
    generations.enter(cursor, replace(generation, widths=look.widths(), base=base))
    catalogue.add(cursor, Entry(dataset, version, look.rows, generation.name, base=version))
    return look.rows


def stage_change(cursor: Cursor, before: View, collection: Collection, changes: Rows, rebase: bool) -> int:
    """Load what turns a version into the next, which is its own base if `rebase`; returns the rows of the latter.

    Raises:
        StoreFailure: two changes have one key, or the definition is not that of the version before.
        DrawingFault: `changes` raised something.
    """
    generation, version, columns = before.generation, before.version + 1, table_columns(collection)
    if (generation.key, generation.columns) != (collection.key, columns):
        raise StoreFailure(detail=f"{generation.dataset}@{version} has other columns than the version before it")
    table = f"change_{uuid.uuid4().hex}"
    generations.create_table(cursor, table, generation)
    with incoming(cursor, changes, stored_schema(collection)):
        cursor.execute(f"INSERT INTO {quote(table)} SELECT {listed(columns)} FROM {INCOMING}")  # noqa: S608
    generations.refuse_twins(cursor, table, collection.key)
    rows = _rows_after(cursor, before, collection, table)
    entry = Entry(generation.dataset, version, rows, change=table, base=version)
    since = before.changes + generations.count(cursor, f"SELECT count(*) FROM {quote(table)}", Parameters())  # noqa: S608
    if not rebase and not is_own_base(since, rows):
        entry = replace(entry, base=before.base, changes=since)
    catalogue.add(cursor, entry)
    return rows


def _rows_after(cursor: Cursor, before: View, collection: Collection, table: str) -> int:
    kept = f"SELECT count({quote(HASH)}) FROM {quote(table)}"  # noqa: S608 (names are quoted)
    parameters = Parameters()
    replaced = (
        f"SELECT count(*) FROM {source(before, collection, parameters)} "  # noqa: S608 (names are quoted)
        f"WHERE {column(collection.key)} IN (SELECT {quote(collection.key)} FROM {quote(table)})"
    )
    upserts = generations.count(cursor, kept, Parameters())
    return before.rows + upserts - generations.count(cursor, replaced, parameters)


class _Look:
    """Sees the rows of a base pass: how many, how wide, and whether they come in curve order."""

    def __init__(self, key: str) -> None:
        self._key = key
        self._bytes: dict[str, int] = {}
        self._last: pa.RecordBatch | None = None
        self.rows = 0
        self.ordered = True

    def __call__(self, batch: pa.RecordBatch) -> None:
        self.rows += batch.num_rows
        for name, values in zip(batch.schema.names, batch.columns, strict=True):
            self._bytes[name] = self._bytes.get(name, 0) + values.nbytes
        ends = batch.select([PLACE, self._key])
        parts = [ends] if self._last is None else [self._last, ends]
        self.ordered = self.ordered and _rising(pa.Table.from_batches(parts), self._key)
        if batch.num_rows:
            self._last = ends.slice(batch.num_rows - 1)

    def widths(self) -> Mapping[str, float]:
        """Return the mean bytes of a value by column, as Arrow."""
        return {name: size / max(self.rows, 1) for name, size in self._bytes.items()}


def _rising(rows: pa.Table, key: str) -> bool:
    """Tell whether rows come in curve order, each after the one before it."""
    before, after = rows.slice(0, max(len(rows) - 1, 0)), rows.slice(1)
    further = pc.greater(after[PLACE], before[PLACE])
    beside = pc.and_(pc.equal(after[PLACE], before[PLACE]), pc.greater(after[key], before[key]))
    return pc.all(pc.or_(further, beside), min_count=0).as_py() is True
