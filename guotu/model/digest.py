"""Result digests: the same rows in the same order give the same 32 bytes, however they were batched.

Definition (docs/reference/digests.md): per column a SHA-256 over its name and type, then for each run of rows the
validity (one byte a row), and the values: fixed-width values little-endian with nulls as zeros; variable-width values
as int32 lengths (nulls 0) and as bytes, in two hashes of their own. The segment digest is the SHA-256 over those of its
columns in order; the result digest is the SHA-256 over the segments in order, those without rows left out: it does not
matter who was asked in vain.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from guotu.model.answer import Segment


class _ColumnDigest:
    """Running digest of one column."""

    def __init__(self, field: pa.Field) -> None:
        self._validity = hashlib.sha256(f"{field.name}\0{field.type}".encode())
        self._values = hashlib.sha256()
        self._lengths = hashlib.sha256()
        self._variable = pa.types.is_string(field.type) or pa.types.is_binary(field.type)

    def update(self, column: pa.Array) -> None:
        if not len(column):
            return  # an empty array need not have buffers
        valid = _validity(column)
        self._validity.update((np.ones(len(column), np.uint8) if valid is None else valid).data)
        if self._variable:
            self._update_variable(column, valid)
        else:
            self._values.update(_fixed_values(column, valid).data)

    def _update_variable(self, column: pa.Array, valid: NDArray[np.uint8] | None) -> None:
        lengths = np.diff(_offsets(column))
        if valid is not None and lengths[valid == 0].any():
            column = pc.fill_null(column, "" if pa.types.is_string(column.type) else b"")
            lengths = np.diff(_offsets(column))
        self._lengths.update(lengths.data)
        data = column.buffers()[2]
        if data is not None:
            offsets = _offsets(column)
            self._values.update(memoryview(data)[int(offsets[0]) : int(offsets[-1])])

    def digest(self) -> bytes:
        parts = self._validity.digest() + self._lengths.digest() + self._values.digest()
        return hashlib.sha256(parts).digest()


def _validity(column: pa.Array) -> NDArray[np.uint8] | None:
    """Return one byte a row, 1 for a value and 0 for null; None if there is no null."""
    if not column.null_count:
        return None
    bitmap = column.buffers()[0]
    if bitmap is None:
        return np.zeros(len(column), np.uint8)
    start, stop = column.offset, column.offset + len(column)
    bits = np.unpackbits(np.frombuffer(bitmap, np.uint8, (stop + 7) // 8), count=stop, bitorder="little")
    return bits[start:]


def _offsets(column: pa.Array) -> NDArray[np.int32]:
    return np.frombuffer(column.buffers()[1], np.int32, len(column) + 1, column.offset * 4)


def _fixed_values(column: pa.Array, valid: NDArray[np.uint8] | None) -> NDArray[Any]:
    """Return the values of a fixed-width column, little-endian, nulls and negative zeros as zeros."""
    if pa.types.is_boolean(column.type):
        column = column.cast(pa.uint8())
    buffer, width = column.buffers()[1], column.type.byte_width
    if buffer is None:
        return np.zeros(len(column) * width, np.uint8)
    words = width // min(width, 8)
    kind = np.dtype(f"<i{min(width, 8)}")
    values = np.frombuffer(buffer, kind, len(column) * words, column.offset * width)
    if valid is not None:
        values = np.where(np.repeat(valid, words) if words > 1 else valid, values, kind.type(0))
    return values.view(np.float64) + 0.0 if pa.types.is_floating(column.type) else values


class SegmentDigest:
    """Running digest of one segment's rows."""

    def __init__(self, schema: pa.Schema) -> None:
        self._columns = [_ColumnDigest(field) for field in schema]
        self.rows = 0

    def update(self, batch: pa.RecordBatch) -> None:
        """Take more rows; the batch has the segment's schema."""
        self.rows += batch.num_rows
        for digest, column in zip(self._columns, batch.columns, strict=True):
            digest.update(column)

    def digest(self) -> bytes:
        """Return the digest of the rows so far, 32 bytes."""
        return hashlib.sha256(b"".join(column.digest() for column in self._columns)).digest()


def result_digest(segments: Iterable[Segment]) -> bytes:
    """Return the digest of a whole answer, 32 bytes."""
    whole = hashlib.sha256()
    for segment in segments:
        if not segment.rows:
            continue
        whole.update(f"{segment.dataset}@{segment.version}:{segment.rows}\0".encode())
        whole.update(segment.digest)
    return whole.digest()
