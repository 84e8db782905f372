"""The order of an answer's rows, for forms that put them in one of their own."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from sync.rowhash import encode, sha256_each

_BYTES = 8
_KIND = np.dtype("<u8")
_BATCH_ROWS = 16_384
Marks = NDArray[np.uint64]
"""The first eight bytes of the SHA-256 of each row's canonical encoding, its geometry as it is."""


class RowOrder:
    """Notes the order of rows as they come."""

    def __init__(self) -> None:
        self._marks: list[Marks] = []

    def update(self, batch: pa.RecordBatch) -> None:
        """Take more rows."""
        self._marks.append(_marks(batch))

    def text(self) -> str:
        """Return the marks of all rows in their order, in base64."""
        return base64.b64encode(b"".join(part.tobytes() for part in self._marks)).decode()


def in_order(batches: Sequence[pa.RecordBatch], text: str) -> Iterator[pa.RecordBatch]:
    """Yield the rows of all batches in the order that was noted; those of equal marks are the same.

    Raises:
        ValueError: the rows are not those that were noted.
    """
    try:
        noted = np.frombuffer(base64.b64decode(text, validate=True), _KIND)
    except binascii.Error as failure:
        raise ValueError(f"order: {failure}") from failure
    held = np.concatenate([np.zeros(0, _KIND), *map(_marks, batches)])
    wanted, found = np.argsort(noted, kind="stable"), np.argsort(held, kind="stable")
    if not np.array_equal(noted[wanted], held[found]):
        raise ValueError("有的行不是写入时的 some rows are not those that were written")
    places = np.empty(len(held), np.int64)
    places[wanted] = found
    begins = np.cumsum([0, *(batch.num_rows for batch in batches)])
    for start in range(0, len(places), _BATCH_ROWS):
        yield _gathered(batches, begins, places[start : start + _BATCH_ROWS])


def _gathered(
    batches: Sequence[pa.RecordBatch], begins: NDArray[np.int64], places: NDArray[np.int64]
) -> pa.RecordBatch:
    """Return the rows at some places, counted over all batches."""
    homes = np.searchsorted(begins, places, side="right") - 1
    by_home = np.argsort(homes, kind="stable")
    parts = [batches[home].take(pa.array(places[homes == home] - begins[home])) for home in np.unique(homes)]
    return pa.concat_batches(parts).take(pa.array(np.argsort(by_home)))


def _marks(batch: pa.RecordBatch) -> Marks:
    hashes = sha256_each(encode(batch.columns, batch.num_rows))
    return np.frombuffer(b"".join(row[:_BYTES] for row in hashes), _KIND)
