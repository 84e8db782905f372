"""Loading out of sight: a whole version, or what changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from guotu.model.collection import Collection, FieldType
from guotu.model.errors import StoreFailure
from guotu.model.ports import Rows
from guotu.model.rebase import is_own_base
from guotu.model.schema import stored_schema
from node.stores.arrival import Arrival
from node.stores.duckdb import catalogue, generations
from node.stores.duckdb.catalogue import Catalogue
from node.stores.duckdb.changefiles import ChangeFiles, StagedChange
from node.stores.duckdb.comparison import NEW, OLD, effect_statement
from node.stores.duckdb.connection import Cursor
from node.stores.duckdb.incoming import INCOMING, incoming
from node.stores.duckdb.sql.types import table_columns
from node.stores.entry import UNORDERED, Entry, Key
from node.stores.sql.identifiers import SINCE, listed, quote

_EFFECT_ROWS = 65_536


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
    cursor: Cursor, files: ChangeFiles, known: Catalogue, key: Key, collection: Collection, changes: Rows, rebase: bool
) -> int:
    """Note what turns the version before into this one, which is its own base if `rebase`; returns its rows.

    Raises:
        UnknownVersion: the version before cannot be read.
        StoreFailure: two changes have one key, one has none, or the definition is not that of the version before.
        DrawingFault: `changes` raised something.
    """
    dataset, version = key
    before = known.view(dataset, version - 1)
    generation = before.generation
    if (generation.key, generation.columns) != (collection.key, table_columns(collection)):
        raise StoreFailure(detail=f"{dataset}@{version} has other columns than the version before it")
    name, ordered = files.write(collection, changes)
    files.offer(cursor, name, generation.columns)
    _fit(cursor, collection, name)
    effect = _Effect(collection.key)
    statement = effect_statement(before, name, collection)
    cursor.execute(statement.text, statement.parameters)
    for batch in files.write_effect(name, cursor.to_arrow_reader(_EFFECT_ROWS)):
        effect.look(batch)
    rows = before.rows + effect.upserts - effect.replaced
    entry = Entry(dataset, version, rows, change=name, base=version)
    since = before.changes + effect.count
    if not rebase and not is_own_base(since, rows):
        entry = replace(entry, base=before.base, changes=since)
    files.put(StagedChange(entry, effect.replaced, ordered, known.epoch if before.head else None))
    return rows


def _fit(cursor: Cursor, collection: Collection, change: str) -> None:
    """Bring every value of a change into its column's type.

    Raises:
        duckdb.Error: a value does not fit.
    """
    cast = [f"max({quote(item.name)})" for item in collection.fields if item.type is FieldType.DECIMAL]
    if cast:
        cursor.execute(f"SELECT {', '.join(cast)} FROM {quote(change)}").fetchall()  # noqa: S608 (names are quoted)


class _Effect:
    """Sees what a change does to each key, by key: how many rows come, and go."""

    def __init__(self, key: str) -> None:
        self._key = key
        self._last: pa.Array | None = None
        self.count = self.upserts = self.replaced = 0

    def look(self, batch: pa.RecordBatch) -> None:
        """See a batch.

        Raises:
            StoreFailure: a change has no key, or the key of the one before it.
        """
        keys = batch.column(self._key)
        if keys.null_count:
            raise StoreFailure(detail=f"a change has no {self._key}")
        keys = keys if self._last is None else pa.concat_arrays([self._last, keys])
        if pc.any(pc.equal(keys.slice(1), keys.slice(0, len(keys) - 1))).as_py():
            raise StoreFailure(detail=f"two rows have one {self._key}")
        self._last = keys.slice(len(keys) - 1)
        self.count += batch.num_rows
        self.upserts += batch.num_rows - batch.column(NEW).null_count
        self.replaced += pc.sum(batch.column(OLD)).as_py() or 0


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
