"""Rows of a binary COPY as Arrow columns.

Where a row begins is known only once all fields before it have been read. So that no row is touched by Python, all
places are taken that could begin a row, since they hold the count of fields; the fields behind each are walked through
for all places at once; and a place where the walk from another one ends is the row after it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from node.stores.postgis.copying.wire import DAYS_TO_2000, FIXED, HEADER, TRAILER

Places = NDArray[np.int64]
_PAD = 16
"""Bytes behind the rows, so that the fields of a row that is cut off can be looked at."""


class BrokenCopy(Exception):
    """The bytes are not those of a COPY of such columns, or break off."""


@dataclass(frozen=True, slots=True)
class _Field:
    """A field of all rows."""

    starts: Places
    lengths: Places
    """-1 where it is null."""


class Decoder:
    """Decodes one COPY whose columns are string, binary, int64, float64, date32 or bool."""

    def __init__(self, schema: pa.Schema) -> None:
        self._schema = schema
        self._widths = [FIXED[field.type][1] if field.type in FIXED else None for field in schema]
        self._count = len(schema).to_bytes(2, "big")
        self._rest = b""
        self._begun = False

    def decode(self, data: bytes) -> pa.RecordBatch:
        """Return the rows that are whole by now, none perhaps.

        Raises:
            BrokenCopy: the bytes are not those of a COPY of such columns.
        """
        rest = self._rest + data
        if not self._begun:
            if len(rest) < len(HEADER):
                self._rest = rest
                return self._columns(rest, [_none()] * len(self._schema))
            if not rest.startswith(HEADER):
                raise BrokenCopy("no header")
            self._begun, rest = True, rest[len(HEADER) :]
        fields, end = self._fields(rest)
        self._rest = rest[end:]
        return self._columns(rest, fields)

    def finish(self) -> None:
        """Check that the COPY has come to its end.

        Raises:
            BrokenCopy: it has not.
        """
        if not self._begun or self._rest != TRAILER:
            raise BrokenCopy("it breaks off")

    def _fields(self, data: bytes) -> tuple[list[_Field], int]:
        """Return the fields of the rows that are whole, and where these end."""
        padded = np.frombuffer(data + bytes(_PAD), np.uint8)
        places = np.flatnonzero((padded[:-1] == self._count[0]) & (padded[1:] == self._count[1]))
        places = places[places < len(data)]
        fields, ends = self._walk(padded, places, len(data))
        rows = _chain(places, ends)
        if not len(rows):
            if data and data[:2] not in (self._count, TRAILER, self._count[:1], TRAILER[:1]):
                raise BrokenCopy("another number of fields")
            return [_none()] * len(fields), 0
        end = int(ends[rows[-1]])
        if data[end : end + 2] not in (self._count, TRAILER, self._count[:1], TRAILER[:1], b""):
            raise BrokenCopy("no row where one should begin")
        return [_Field(field.starts[rows], field.lengths[rows]) for field in fields], end

    def _walk(self, padded: NDArray[np.uint8], places: Places, size: int) -> tuple[list[_Field], Places]:
        """Return the fields that would follow each place, and where these would end; -1 where they cannot be."""
        lengths_at = _unaligned(padded, ">i4")
        at, possible = places + 2, np.ones(len(places), np.bool_)
        fields = []
        for width in self._widths:
            lengths = lengths_at[np.minimum(at, size)].astype(np.int64)
            possible &= (at + 4 <= size) & (lengths >= -1)
            if width is not None:
                possible &= (lengths == width) | (lengths == -1)
            starts = at + 4
            at = np.minimum(starts + np.maximum(lengths, 0), size + 1)
            fields.append(_Field(starts, lengths))
        return fields, np.where(possible & (at <= size), at, -1)

    def _columns(self, data: bytes, fields: Sequence[_Field]) -> pa.RecordBatch:
        columns = [_column(data, found, item.type) for found, item in zip(fields, self._schema, strict=True)]
        return pa.RecordBatch.from_arrays(columns, schema=self._schema)


def _chain(places: Places, ends: Places) -> Places:
    """Return the numbers of the places where rows begin that are whole, the first of them at 0."""
    if not len(places) or places[0] != 0:
        return np.empty(0, np.int64)
    if np.array_equal(ends[:-1], places[1:]):
        return np.arange(len(places) if ends[-1] >= 0 else len(places) - 1)
    after = np.searchsorted(places, ends)
    known = (after < len(places)) & (places[np.minimum(after, len(places) - 1)] == ends)
    following = np.where(known, after, -1).tolist()
    rows, place = [], 0
    while place >= 0 and ends[place] >= 0:
        rows.append(place)
        place = following[place]
    return np.array(rows, np.int64)


def _column(data: bytes, field: _Field, kind: pa.DataType) -> pa.Array:
    missing = field.lengths < 0
    if kind not in FIXED:
        return _bytes(data, field, missing).cast(kind)
    values = _unaligned(np.frombuffer(data + bytes(_PAD), np.uint8), FIXED[kind][0])[field.starts]
    values = values.astype(values.dtype.newbyteorder("="))
    if kind == pa.date32():
        return pa.array(values + DAYS_TO_2000, pa.int32(), mask=missing).cast(kind)
    return pa.array(values.astype(np.bool_) if kind == pa.bool_() else values, kind, mask=missing)


def _bytes(data: bytes, field: _Field, missing: NDArray[np.bool_]) -> pa.Array:
    """Take values out of the rows: they and what lies between them make an array without a copy."""
    ends = np.stack([field.starts, field.starts + np.maximum(field.lengths, 0)], axis=1).ravel()
    buffers = [None, pa.py_buffer(ends.astype(np.int32)), pa.py_buffer(data)]
    all_parts = pa.Array.from_buffers(pa.binary(), max(len(ends) - 1, 0), buffers)
    return all_parts.take(pa.array(np.arange(0, len(ends), 2), mask=missing))


def _unaligned(data: NDArray[np.uint8], form: str) -> NDArray[np.generic]:
    """Return what stands at each byte, read as a number."""
    kind = np.dtype(form)
    return np.ndarray((len(data) - kind.itemsize + 1,), kind, data, strides=(1,))


def _none() -> _Field:
    return _Field(np.empty(0, np.int64), np.empty(0, np.int64))
