"""Arrow batches as rows of a binary COPY.

Each column becomes pieces of bytes, one a row: length and value together where all values have one length, the length
and the value apart elsewhere. Arrow then joins the pieces of a row, so that no row is touched by Python.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from node.stores.postgis.copying.wire import DAYS_TO_2000, FIXED, Numeric, numeric_of

Bytes = NDArray[np.uint8]
_MOST_BYTES = 8 << 20
"""Of Arrow, that are encoded at once."""
_GROUP = 10_000


class DoesNotFit(Exception):
    """A number is not finite, or has more digits than its column; carries the column's name."""

    def __init__(self, column: str) -> None:
        self.column = column
        super().__init__(column)


def encoded(batch: pa.RecordBatch, kinds: Sequence[str]) -> Iterator[bytes]:
    """Yield the rows of a batch as they follow the header of a COPY, in parts of some MiB.

    Args:
        batch: columns of string, binary (of any or a fixed length), int64, uint32, float64, date32 or bool.
        kinds: PostgreSQL types of the columns; a float64 goes into a numeric(width,decimals) rounded half away from
            zero, as DuckDB rounds it.

    Raises:
        DoesNotFit: a number cannot be what its column holds.
    """
    rows = max(int(batch.num_rows * _MOST_BYTES / max(batch.nbytes, 1)), 1)
    for start in range(0, batch.num_rows, rows):
        yield _joined(batch.slice(start, rows), kinds)


def _joined(batch: pa.RecordBatch, kinds: Sequence[str]) -> bytes:
    pieces: list[Any] = [pa.scalar(len(kinds).to_bytes(2, "big"), pa.binary())]
    for name, values, kind in zip(batch.schema.names, batch.columns, kinds, strict=True):
        try:
            pieces += _pieces(values, kind)
        except OverflowError:
            raise DoesNotFit(name) from None
    joined = pc.binary_join_element_wise(*pieces, b"")
    _, offsets, data = joined.buffers()
    ends = np.frombuffer(offsets, np.int32)[[joined.offset, joined.offset + len(joined)]]
    return bytes(memoryview(data)[ends[0] : ends[1]])


def _pieces(values: pa.Array, kind: str) -> list[pa.Array]:
    """Return the pieces of a column."""
    missing = np.asarray(values.is_null())
    if numeric := numeric_of(kind):
        return [_fixed(_numeric_bytes(_numbers(values), numeric), missing)]
    if values.type == pa.uint32():
        values = values.cast(pa.int64())
    if values.type in FIXED:
        return [_fixed(_fixed_bytes(values), missing)]
    plain = values.cast(pa.binary())
    lengths = np.where(missing, -1, np.asarray(pc.fill_null(pc.binary_length(plain), 0))).astype(">i4")
    return [_of_one_length(lengths.view(np.uint8).reshape(-1, 4)), pc.fill_null(plain, b"")]


def _fixed_bytes(values: pa.Array) -> Bytes:
    """Return the bytes of values of one length, a row each."""
    form, width = FIXED[values.type]
    if values.type == pa.date32():
        numbers = np.asarray(pc.fill_null(values.cast(pa.int32()), 0)) - DAYS_TO_2000
    else:
        numbers = np.asarray(pc.fill_null(values, pa.scalar(0).cast(values.type)))
    return numbers.astype(form).view(np.uint8).reshape(-1, width)


def _numbers(values: pa.Array) -> NDArray[np.float64]:
    return np.asarray(pc.fill_null(values, 0.0))


def _numeric_bytes(values: NDArray[np.float64], kind: Numeric) -> Bytes:
    """Return numbers as PostgreSQL's numeric, a row each: all have as many groups of digits as the column may need.

    Leading and trailing groups of zeros are cut off by the server.

    Raises:
        OverflowError: a number is not finite, or too large.
    """
    digits = _whole(np.abs(values) * 10.0**kind.decimals)
    if not np.all(digits < 10.0**kind.width):
        raise OverflowError
    groups = kind.whole_groups + kind.part_groups
    rows = np.zeros((len(values), 4 + groups), ">u2")
    rows[:, 0], rows[:, 1] = groups, kind.whole_groups - 1 & 0xFFFF
    rows[:, 2] = np.where((values < 0) & (digits > 0), 0x4000, 0)
    rows[:, 3] = kind.decimals
    # What does not fit in 63 bits goes on as Python's integers: so large are no areas, so that it is rare.
    left = digits.astype(np.int64) if np.all(digits < 2.0**63) else np.array([int(item) for item in digits], object)
    spare = 10 ** (kind.part_groups * 4 - kind.decimals)
    for place in range(3 + groups, 3, -1):
        # The last group after the point is filled up with zeros.
        fill = spare if place == 3 + groups else 1
        rows[:, place] = (left % (_GROUP // fill) * fill).astype(np.int64)
        left = left // (_GROUP // fill)
    return rows.view(np.uint8).reshape(len(values), -1)


def _whole(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Round numbers that are not negative, half up."""
    low = np.floor(values)
    return low + (values - low >= 0.5)


def _fixed(values: Bytes, missing: NDArray[np.bool_]) -> pa.Array:
    """Return pieces of length and value, where the value is missing the length -1 alone."""
    rows, width = values.shape
    whole = np.empty((rows, 4 + width), np.uint8)
    whole[:, :4] = np.frombuffer(width.to_bytes(4, "big"), np.uint8)
    whole[:, 4:] = values
    if not missing.any():
        return _of_one_length(whole)
    whole[missing, :4] = 0xFF
    kept = np.ones(whole.shape, np.bool_)
    kept[missing, 4:] = False
    lengths = np.where(missing, 4, 4 + width)
    return _binary(whole[kept], np.concatenate([[0], np.cumsum(lengths)]))


def _of_one_length(whole: Bytes) -> pa.Array:
    rows, width = whole.shape
    return _binary(np.ascontiguousarray(whole), np.arange(rows + 1) * width)


def _binary(data: Bytes, ends: NDArray[np.int64]) -> pa.Array:
    """Return a binary array of bytes that lie one after the other."""
    buffers = [None, pa.py_buffer(ends.astype(np.int32)), pa.py_buffer(data)]
    return pa.Array.from_buffers(pa.binary(), len(ends) - 1, buffers)
