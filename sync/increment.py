"""Increment: new states and deletes held against the head, at a cost in proportion to them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from guotu.model.collection import GEOMETRY, Collection
from guotu.model.errors import InvalidInput
from guotu.model.ports import FeatureStore
from guotu.model.schema import HASH, arrow_type, difference_schema, stored_schema
from sync.attempt import (
    BEFORE_DIFFERS,
    CHANGED_AND_DELETED,
    DELETE_OF_MISSING,
    INSERT_OF_EXISTING,
    UPDATE_OF_MISSING,
    Misfit,
)
from sync.delta import INSERT, OP, UPDATE
from sync.survey import Survey

MAX_MISFITS = 10_000


@dataclass(slots=True)
class Increment:
    """Finds what an increment changes, and where it does not fit."""

    store: FeatureStore
    dataset: str
    version: int
    """The head; 0 if there is none."""
    collection: Collection
    misfits: list[Misfit] = field(default_factory=list)
    """The first 10,000."""

    async def look_up(self, keys: pa.Array, stated: Iterable[str]) -> pa.Table:
        """Return what is to be known of the head's rows with these keys, by key.

        That is the key, the hash, the geometry if there is one, and the fields `stated`.

        Raises:
            UnknownVersion: the head cannot be read.
        """
        stored = stored_schema(self.collection)
        names = {self.collection.key, HASH, *stated, *([GEOMETRY] if self.collection.has_geometry else [])}
        schema = pa.schema([item for item in stored if item.name in names])
        if not self.version:
            return schema.empty_table()
        looked = self.store.look_up(self.dataset, self.version, self.collection, keys, schema.names)
        return pa.Table.from_batches([batch async for batch in looked], schema).combine_chunks()

    def states(
        self, keys: pa.Array, start: int, found: Survey, stated: pa.Table | None, head: pa.Table
    ) -> pa.RecordBatch:
        """Hold new states against the head: their keys, from a row of the spool on; `stated` is of the same rows.

        `head` has the rows of these keys, as of `look_up`. Returns those that differ; schema `difference_schema`.
        """
        old = self._in_order(keys, head)
        if stated is not None:
            self._check_stated(keys, old, stated)
        numbers = np.arange(start, start + len(keys))
        hashes = found.hashes_of(numbers)
        same = pc.fill_null(pc.equal(hashes.cast(pa.binary()), old[HASH].cast(pa.binary())), False)
        return self._difference(keys, pa.array(numbers), old).filter(pc.invert(same))

    def deletes(self, rows: pa.RecordBatch, head: pa.Table) -> pa.RecordBatch:
        """Hold deletes against the head, of which `head` has the rows of their keys.

        Returns those of rows that there are; schema `difference_schema`.
        """
        keys = rows.column(self.collection.key)
        old = self._in_order(keys, head)
        present = old[HASH].is_valid()
        self._note(DELETE_OF_MISSING, keys.filter(pc.invert(present)))
        self._check_before(keys, old, pa.Table.from_batches([rows]), present)
        return self._difference(keys, pa.nulls(len(keys), pa.int64()), old).filter(present)

    def check_apart(self, changed: pa.ChunkedArray, deleted: pa.ChunkedArray) -> None:
        """Take note of keys that are both changed and deleted."""
        both = deleted.filter(pc.is_in(deleted, changed.combine_chunks()))
        self._note(CHANGED_AND_DELETED, both.combine_chunks())

    def _in_order(self, keys: pa.Array, head: pa.Table) -> dict[str, pa.Array]:
        """Return the columns of the head's rows with these keys, in their order; nulls where there is no row."""
        at = pc.index_in(keys, head.column(self.collection.key).combine_chunks())
        return {name: head.column(name).combine_chunks().take(at) for name in head.column_names}

    def _difference(self, keys: pa.Array, rows: pa.Array, old: dict[str, pa.Array]) -> pa.RecordBatch:
        columns = [keys, rows, old[HASH], *([old[GEOMETRY]] if self.collection.has_geometry else [])]
        return pa.RecordBatch.from_arrays(columns, schema=difference_schema(self.collection))

    def _check_stated(self, keys: pa.Array, old: dict[str, pa.Array], stated: pa.Table) -> None:
        """Check what an increment says that it does, and what it says was there."""
        names, present = stated.column_names, old[HASH].is_valid()
        op = stated.column(OP).combine_chunks() if OP in names else pa.nulls(len(keys), pa.int8())
        self._note(INSERT_OF_EXISTING, keys.filter(_true(pc.and_(pc.equal(op, INSERT), present))))
        missing = _true(pc.and_(pc.equal(op, UPDATE), pc.invert(present)))
        self._note(UPDATE_OF_MISSING, keys.filter(missing))
        self._check_before(keys, old, stated.select([name for name in names if name != OP]), pc.invert(missing))

    def _check_before(self, keys: pa.Array, old: dict[str, pa.Array], stated: pa.Table, asked: pa.Array) -> None:
        """Check stated before-values, of the rows asked for, against those there are."""
        for name in stated.column_names:
            if name == self.collection.key:
                continue
            told, there = stated.column(name).combine_chunks(), old[name]
            equal = pc.fill_null(pc.equal(told, there), False)
            differs = pc.and_(pc.and_(told.is_valid(), pc.invert(equal)), asked)
            pairs = zip(told.filter(differs).to_pylist(), there.filter(differs).to_pylist(), strict=True)
            for key, (value, present) in zip(keys.filter(differs).to_pylist(), pairs, strict=True):
                self._add(Misfit(BEFORE_DIFFERS, str(key), name, _text(value), _text(present)))

    def _note(self, kind: str, keys: pa.Array) -> None:
        for key in keys.slice(0, MAX_MISFITS).to_pylist():
            self._add(Misfit(kind, str(key)))

    def _add(self, misfit: Misfit) -> None:
        if len(self.misfits) < MAX_MISFITS:
            self.misfits.append(misfit)


def read_stated(path: Path, collection: Collection, rows: int) -> pa.Table:
    """Return what an increment states of its rows, in place: `_op` and before-values, in the types of the collection.

    Raises:
        InvalidInput: the file is not as described, or has not one row for each of the increment's.
    """
    table = _read(path, collection, {OP: pa.int8()})
    if table.num_rows != rows:
        raise InvalidInput(detail=f"{table.num_rows} rows are stated of {rows}")
    return table


def read_deletes(path: Path, collection: Collection) -> pa.Table:
    """Return an increment's deletes, in place: the key, and any fields with stated before-values.

    Raises:
        InvalidInput: the file is not as described.
    """
    table = _read(path, collection, {})
    if collection.key not in table.column_names or table.column(collection.key).null_count:
        raise InvalidInput(detail=f"deletes need the key {collection.key}, which is never null")
    return table


def _read(path: Path, collection: Collection, others: dict[str, pa.DataType]) -> pa.Table:
    types = {item.name: arrow_type(item) for item in collection.fields} | others
    try:
        table = pa.ipc.open_file(pa.memory_map(str(path))).read_all()
        schema = pa.schema([pa.field(name, types[name]) for name in table.column_names])
        return table.cast(schema)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, KeyError) as error:
        raise InvalidInput(detail=f"what the increment states is not of {collection.id}: {error}") from error


def _true(condition: pa.Array) -> pa.Array:
    return pc.fill_null(condition, False)


def _text(value: object) -> str:
    return "" if value is None else str(value)
