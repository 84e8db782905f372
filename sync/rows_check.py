"""Rows check: stored rows against their own values, and against what they must be."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import shapely
from numpy.typing import NDArray

from guotu.model.collection import GEOMETRY, Collection
from guotu.model.schema import CORNERS, HASH, PLACE, stored_schema
from sync.prepared import prepare
from sync.setdigest import BUCKETS, SetDigest, bucket_numbers

MISSING, EXTRA, CHANGED = "missing", "extra", "changed"
CROOKED = "_crooked"
"""True for a row whose hash, place or box is not what its values come to. bool."""
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Difference:
    """A key whose row is not what it must be."""

    key: str
    """As text."""
    how: str
    """"missing", "extra" or "changed"."""


class RowsCheck:
    """Sums up rows by their values."""

    def __init__(self, collection: Collection) -> None:
        self._collection = collection
        self.rows = 0
        self.digest = SetDigest()
        self.crooked: Flags = np.zeros(BUCKETS, np.bool_)
        """Buckets with a row whose hash, place or box is not what its values come to, shape (4096,)."""

    def take(self, batch: pa.RecordBatch) -> None:
        """Add stored rows, schema `stored_schema`."""
        right, crooked = _recomputed(batch, self._collection)
        keys = right.column(self._collection.key)
        self.digest.add(keys, right.column(HASH))
        self.crooked[bucket_numbers(keys.filter(pa.array(crooked)))] = True
        self.rows += batch.num_rows


def part_schema(collection: Collection) -> pa.Schema:
    """Return the schema of `stored_part`."""
    kind = stored_schema(collection).field(collection.key).type
    return pa.schema([(collection.key, kind), (HASH, pa.binary(32)), (CROOKED, pa.bool_())])


def stored_part(batch: pa.RecordBatch, collection: Collection, buckets: Flags) -> pa.Table:
    """Return key, hash (by the values) and CROOKED of the stored rows that are in some buckets."""
    part = batch.filter(pa.array(buckets[bucket_numbers(batch.column(collection.key))]))
    right, crooked = _recomputed(part, collection)
    columns = [right.column(collection.key), right.column(HASH), pa.array(crooked)]
    return pa.table(columns, part_schema(collection))


def differing(stored: pa.Table, expected: pa.Table, key: str) -> pa.Table:
    """Return the keys that differ and `how`; `stored` as of `stored_part`, `expected` with key and hash at least."""
    counts = pc.value_counts(stored[key].combine_chunks())
    doubled = counts.field(0).filter(pc.greater(counts.field(1), 1))
    at = pc.index_in(expected[key], value_set=stored[key].combine_chunks())
    other = pc.not_equal(stored[HASH].take(at), expected[HASH])
    wrong = pc.or_(pc.or_(other, stored[CROOKED].take(at)), pc.is_in(expected[key], value_set=doubled))
    # Where there is no stored row, nothing is known of it.
    how = pc.if_else(pc.is_null(at), MISSING, pc.if_else(wrong, CHANGED, pa.scalar(None, pa.string())))
    here = pa.table({key: expected[key], "how": how}).filter(pc.is_valid(how))
    extra = pc.unique(stored[key].filter(pc.invert(pc.is_in(stored[key], value_set=expected[key].combine_chunks()))))
    return pa.concat_tables([here, pa.table({key: extra, "how": pa.array([EXTRA] * len(extra), pa.string())})])


def told(table: pa.Table, key: str, most: int) -> list[Difference]:
    """Return at most so many of the keys that differ."""
    some = table.slice(0, most)
    texts = some[key].cast(pa.string()).to_pylist()
    return [Difference(text or "", how) for text, how in zip(texts, some["how"].to_pylist(), strict=True)]


def _recomputed(batch: pa.RecordBatch, collection: Collection) -> tuple[pa.RecordBatch, Flags]:
    """Return rows with hash, place and box found out from their values, and which rows told otherwise, shape (n,)."""
    values = batch.select(collection.column_names)
    unreadable = np.zeros(batch.num_rows, np.bool_)
    if collection.has_geometry:
        values, unreadable = _readable(values)
    right = prepare(values, collection).stored()
    crooked = unreadable | _unequal(batch.column(HASH), right.column(HASH))
    crooked |= _unequal(batch.column(PLACE), right.column(PLACE))
    for corner in CORNERS if collection.has_geometry else ():
        was, now = (side.column(corner).to_numpy(zero_copy_only=False) for side in (batch, right))
        crooked |= ~((was == now) | (np.isnan(was) & np.isnan(now)))
    return right, crooked


def _readable(values: pa.RecordBatch) -> tuple[pa.RecordBatch, Flags]:
    """Put null in the place of WKB that cannot be read; tells which, shape (n,)."""
    column = values.column(GEOMETRY)
    shapes = shapely.from_wkb(column.to_numpy(zero_copy_only=False), on_invalid="ignore")
    unreadable = shapely.is_missing(shapes) & np.asarray(column.is_valid())
    if not unreadable.any():
        return values, unreadable
    clean = pc.if_else(pa.array(unreadable), pa.scalar(None, column.type), column)
    return values.set_column(values.schema.get_field_index(GEOMETRY), GEOMETRY, clean), unreadable


def _unequal(was: pa.Array, now: pa.Array) -> Flags:
    return np.asarray(pc.fill_null(pc.not_equal(was, now), True))
