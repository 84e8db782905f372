"""Loading out of sight: a whole version, or what changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pyarrow as pa

from guotu.model.collection import Collection, FieldType
from guotu.model.errors import StoreFailure
from guotu.model.ports import Rows
from guotu.model.rebase import is_own_base
from guotu.model.schema import HASH, stored_schema
from node.stores.arrival import Arrival
from node.stores.duckdb import catalogue, generations
from node.stores.duckdb.catalogue import View
from node.stores.duckdb.changefiles import ChangeFiles
from node.stores.duckdb.connection import Cursor
from node.stores.duckdb.incoming import INCOMING, incoming
from node.stores.duckdb.sql.source import source
from node.stores.duckdb.sql.types import table_columns
from node.stores.entry import UNORDERED, Entry
from node.stores.sql.identifiers import SINCE, column, listed, quote
from node.stores.sql.parameters import Parameters


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


def stage_change(
    cursor: Cursor, files: ChangeFiles, before: View, collection: Collection, changes: Rows, rebase: bool
) -> int:
    """Load what turns a version into the next, which is its own base if `rebase`; returns the rows of the latter.

    Raises:
        StoreFailure: two changes have one key, one has none, or the definition is not that of the version before.
        DrawingFault: `changes` raised something.
    """
    generation, version = before.generation, before.version + 1
    if (generation.key, generation.columns) != (collection.key, table_columns(collection)):
        raise StoreFailure(detail=f"{generation.dataset}@{version} has other columns than the version before it")
    name = files.write(collection, changes)
    files.offer(cursor, name, generation.columns)
    generations.refuse_twins(cursor, name, collection.key)
    count, upserts = _counted(cursor, collection, name)
    rows = before.rows + upserts - _replaced(cursor, before, collection, name)
    entry = Entry(generation.dataset, version, rows, change=name, base=version)
    since = before.changes + count
    if not rebase and not is_own_base(since, rows):
        entry = replace(entry, base=before.base, changes=since)
    catalogue.add(cursor, entry)
    return rows


def _counted(cursor: Cursor, collection: Collection, change: str) -> tuple[int, int]:
    """Return how many changes there are, and how many are no deletes. Every value is brought into its column's type.

    Raises:
        StoreFailure: one has no key.
        duckdb.Error: a value does not fit.
    """
    table, cast = quote(change), [item.name for item in collection.fields if item.type is FieldType.DECIMAL]
    values = ["count(*)", *(f"count({quote(name)})" for name in (collection.key, HASH))]
    values += [f"max({quote(name)})" for name in cast]
    found = cursor.execute(f"SELECT {', '.join(values)} FROM {table}").fetchall()[0]  # noqa: S608 (names are quoted)
    count, keyed, upserts = map(int, found[:3])
    if keyed < count:
        raise StoreFailure(detail=f"a change has no {collection.key}")
    return count, upserts


def _replaced(cursor: Cursor, before: View, collection: Collection, change: str) -> int:
    """Return how many rows of a version a change replaces or removes."""
    parameters = Parameters()
    replaced = (
        f"SELECT count(*) FROM {source(before, collection, parameters)} "  # noqa: S608 (names are quoted)
        f"WHERE {column(collection.key)} IN (SELECT {quote(collection.key)} FROM {quote(change)})"
    )
    return generations.count(cursor, replaced, parameters)


class _Look:
    """Sees the rows of a base pass: how many, how wide, and whether they come in curve order."""

    def __init__(self, key: str) -> None:
        self._bytes: dict[str, int] = {}
        self._arrival = Arrival(key)
        self.rows = 0

    def __call__(self, batch: pa.RecordBatch) -> None:
        self.rows += batch.num_rows
        for name, values in zip(batch.schema.names, batch.columns, strict=True):
            self._bytes[name] = self._bytes.get(name, 0) + values.nbytes
        self._arrival.look(batch)

    @property
    def ordered(self) -> bool:
        """Tell whether the rows came in curve order."""
        return self._arrival.ordered

    def widths(self) -> Mapping[str, float]:
        """Return the mean bytes of a value by column, as Arrow."""
        return {name: size / max(self.rows, 1) for name, size in self._bytes.items()}
