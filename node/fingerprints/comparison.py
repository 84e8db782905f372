"""How the fingerprints of a table differ from those of its last publication, in memory that is bounded."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]

ROWS_PER_PART = 4_000_000
"""Rows of each side that are in memory at once, about: 200 MB a side."""
_MOST_DIFFERING = 0.2
"""Share of rows above which everything is read: then that costs less than to ask for rows by key."""


class Irregular(Exception):
    """The change cannot be told by fingerprints: everything has to be read, which tells what is wrong, if so."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Keys of the table's rows that are new or differ, and keys that are no more; as the table has them."""

    changed: pa.Array | None = None
    deleted: pa.Array | None = None

    @property
    def count(self) -> int:
        """Return how many keys there are."""
        return len(self.changed or ()) + len(self.deleted or ())


def compare(before: Path, now: Path, rows_per_part: int = ROWS_PER_PART) -> Difference:
    """Compare two files of fingerprints, whose columns are key, one and two; no key comes twice in the first.

    Raises:
        Irregular: a key is null or comes twice, too much differs, or a file is not what it should be.
    """
    with _opened(before) as old, _opened(now) as new:
        if not old.schema.equals(new.schema):
            raise Irregular("the files have other columns")
        if old.read_all().equals(new.read_all()):  # a table that nobody touched comes in the same order
            return Difference()
        most = max(_rows(old), _rows(new))
        parts = max(-(-most // rows_per_part), 1)
        came, left = [], []
        with ThreadPoolExecutor(2) as pool:
            for number in range(parts):
                sides = pool.map(_Part, (old, new), (number, number), (parts, parts))
                fresh, stale = _apart(*sides)
                came.append(fresh)
                left.append(stale)
                if sum(map(len, came)) + sum(map(len, left)) > 2 * most * _MOST_DIFFERING:
                    raise Irregular("too much differs")
        return _difference(pa.chunked_array(came), pa.chunked_array(left), new)


class _Part:
    """Fingerprints of one part of all rows, by their first hash."""

    def __init__(self, reader: pa.RecordBatchFileReader, part: int, parts: int) -> None:
        batches = [_of_part(reader.get_batch(number), part, parts) for number in range(reader.num_record_batches)]
        columns = pa.Table.from_batches(batches, reader.schema).columns
        self._keys = columns[0]
        one, two = (np.asarray(item) for item in columns[1:])
        self._order = np.argsort(one)
        self.one, self.two = one[self._order], two[self._order]
        if (self.one[1:] == self.one[:-1]).any():
            raise Irregular("a row comes twice")

    def keys(self, at: Ints | Mask) -> pa.Array:
        """Return keys by their number, or by a mask, in the order of their first hash."""
        return self._keys.take(pa.array(self._order[at])).combine_chunks()


def _apart(old: _Part, new: _Part) -> tuple[pa.Array, pa.Array]:
    """Return the keys of rows that only the new part has, and of those that only the old one has."""
    at = np.searchsorted(old.one, new.one)
    known = at < len(old.one)
    known[known] = old.one[at[known]] == new.one[known]
    same = known.copy()
    same[known] = old.two[at[known]] == new.two[known]
    if not pc.all(pc.equal(old.keys(at[same]), new.keys(same)), min_count=0).as_py():
        raise Irregular("two rows have one fingerprint")
    gone = np.ones(len(old.one), np.bool_)
    gone[at[same]] = False
    return new.keys(~same), old.keys(gone)


def _difference(came: pa.ChunkedArray, left: pa.ChunkedArray, new: pa.RecordBatchFileReader) -> Difference:
    """Tell new states from deletes, and look for the new states' keys among all."""
    came, left = came.combine_chunks(), left.combine_chunks()
    if came.null_count:
        raise Irregular("a key is null")
    batches = (new.get_batch(number) for number in range(new.num_record_batches))
    if sum(pc.sum(pc.is_in(batch.column(0), came)).as_py() or 0 for batch in batches) != len(came):
        raise Irregular("a key comes twice")
    return Difference(came, left.filter(pc.invert(pc.is_in(left, came))))


def _of_part(batch: pa.RecordBatch, part: int, parts: int) -> pa.RecordBatch:
    if parts == 1:
        return batch
    hashes = np.asarray(batch.column(1)).view(np.uint64)
    return batch.filter(pa.array(hashes % np.uint64(parts) == part))


def _rows(reader: pa.RecordBatchFileReader) -> int:
    return sum(reader.get_batch(number).num_rows for number in range(reader.num_record_batches))


@contextmanager
def _opened(path: Path) -> Iterator[pa.RecordBatchFileReader]:
    try:
        with pa.memory_map(str(path)) as mapped:
            yield pa.ipc.open_file(mapped)
    except (OSError, pa.ArrowException) as failure:
        raise Irregular(f"{path.name}: {failure}") from failure
