"""How the fingerprints of a table differ from those of its last publication, in memory that is bounded."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
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
_ODD = np.uint64(0x9E3779B97F4A7C15)


class Irregular(Exception):
    """The change cannot be told by fingerprints: everything has to be read, which tells what is wrong, if so."""


@dataclass(slots=True)
class Difference:
    """Keys of the table's rows that are new or differ, and keys that are no more; as the table has them."""

    changed: list[pa.Array] = field(default_factory=list)
    deleted: list[pa.Array] = field(default_factory=list)

    @property
    def count(self) -> int:
        """Return how many keys there are."""
        return sum(map(len, self.changed)) + sum(map(len, self.deleted))


def compare(before: Path, now: Path, rows_per_part: int = ROWS_PER_PART) -> Difference:
    """Compare two files of fingerprints, whose columns are key, place, one and two.

    Raises:
        Irregular: a key is null or comes twice, too much differs, or a file is not what it should be.
    """
    with _opened(before) as old, _opened(now) as new:
        if not old.schema.equals(new.schema):
            raise Irregular("the files have other columns")
        found = Difference()
        if old.read_all().equals(new.read_all()):  # a table that nobody touched comes in the same order
            return found
        most = max(_rows(old), _rows(new))
        parts = max(-(-most // rows_per_part), 1)
        for part in range(parts):
            _compare(_Part(old, part, parts), _Part(new, part, parts), found)
            if found.count > most * _MOST_DIFFERING:
                raise Irregular("too much differs")
        return found


class _Part:
    """The fingerprints of one part of the keys, by place."""

    def __init__(self, reader: pa.RecordBatchFileReader, part: int, parts: int) -> None:
        batches = [_of_part(reader.get_batch(number), part, parts) for number in range(reader.num_record_batches)]
        columns = pa.Table.from_batches(batches, reader.schema).columns
        self._keys = columns[0]
        if self._keys.null_count:
            raise Irregular("a key is null")
        place, one, two = (np.asarray(item) for item in columns[1:])
        self._order = np.argsort(place)
        self.place, self.one, self.two = place[self._order], one[self._order], two[self._order]
        if (self.place[1:] == self.place[:-1]).any():
            raise Irregular("a key comes twice")

    def keys(self, at: Ints | Mask) -> pa.Array:
        """Return keys by their number, or by a mask, in the order of their places."""
        return self._keys.take(pa.array(self._order[at])).combine_chunks()


def _compare(old: _Part, new: _Part, found: Difference) -> None:
    if np.array_equal(old.place, new.place):
        at, known = np.arange(len(new.place)), np.ones(len(new.place), np.bool_)
    elif not len(old.place):
        at, known = np.zeros(len(new.place), np.int64), np.zeros(len(new.place), np.bool_)
    else:
        at = np.minimum(np.searchsorted(old.place, new.place), len(old.place) - 1)
        known = old.place[at] == new.place
    if not pc.all(pc.equal(old.keys(at[known]), new.keys(known))).as_py():
        raise Irregular("two keys have one place")
    same = known.copy()
    same[known] = (old.one[at[known]] == new.one[known]) & (old.two[at[known]] == new.two[known])
    gone = np.ones(len(old.place), np.bool_)
    gone[at[known]] = False
    if not same.all():
        found.changed.append(new.keys(~same))
    if gone.any():
        found.deleted.append(old.keys(gone))


def _of_part(batch: pa.RecordBatch, part: int, parts: int) -> pa.RecordBatch:
    if parts == 1:
        return batch
    places = np.asarray(batch.column(1)).view(np.uint64)
    return batch.filter(pa.array((places * _ODD >> np.uint64(32)) % np.uint64(parts) == part))


def _rows(reader: pa.RecordBatchFileReader) -> int:
    return sum(reader.get_batch(number).num_rows for number in range(reader.num_record_batches))


@contextmanager
def _opened(path: Path) -> Iterator[pa.RecordBatchFileReader]:
    try:
        with pa.memory_map(str(path)) as mapped:
            yield pa.ipc.open_file(mapped)
    except (OSError, pa.ArrowException) as failure:
        raise Irregular(f"{path.name}: {failure}") from failure
