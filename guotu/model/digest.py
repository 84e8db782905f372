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

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

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
        self._validity.update(np.asarray(pc.is_valid(column).cast(pa.uint8())).tobytes())
        if self._variable:
            self._update_variable(column)
        else:
            self._values.update(_fixed_bytes(column))

    def _update_variable(self, column: pa.Array) -> None:
        if column.null_count:
            column = pc.fill_null(column, "" if pa.types.is_string(column.type) else b"")
        _, offsets_buffer, data = column.buffers()
        offsets = np.frombuffer(offsets_buffer, np.int32, len(column) + 1, column.offset * 4)
        self._lengths.update(np.diff(offsets).tobytes())
        if data is not None:
            self._values.update(memoryview(data)[int(offsets[0]) : int(offsets[-1])])

    def digest(self) -> bytes:
        parts = self._validity.digest() + self._lengths.digest() + self._values.digest()
        return hashlib.sha256(parts).digest()


def _fixed_bytes(column: pa.Array) -> bytes:
    """Return the values of a fixed-width column, little-endian, nulls and negative zeros as zeros."""
    if pa.types.is_boolean(column.type):
        column = column.cast(pa.uint8())
    if pa.types.is_decimal(column.type):
        if column.null_count:
            column = pc.fill_null(column, pa.scalar(0, column.type))
        width = column.type.byte_width
        buffer = column.buffers()[1]
        return b"" if buffer is None else bytes(memoryview(buffer)[column.offset * width :][: len(column) * width])
    values = np.asarray(pc.fill_null(column.view(_integer_of(column.type)), 0))
    if pa.types.is_floating(column.type):
        values = values.view(np.float64) + 0.0
    return values.tobytes()


def _integer_of(kind: pa.DataType) -> pa.DataType:
    """Return the integer type of the same width, so that any fixed-width column is read as plain numbers."""
    return {8: pa.uint8(), 16: pa.int16(), 32: pa.int32(), 64: pa.int64()}[kind.bit_width]


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
