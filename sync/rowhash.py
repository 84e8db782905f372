"""Row hash: SHA-256 of a canonical encoding of a row (docs/reference/digests.md)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import shapely
from numpy.typing import NDArray

from guotu.model.collection import GEOMETRY, Collection
from sync.simplerings import normalise_rings

HASH_BYTES = 32
Bytes = NDArray[np.uint8]
Floats = NDArray[np.float64]
Objects = NDArray[np.object_]


def row_hashes(
    batch: pa.RecordBatch, collection: Collection, shapes: pa.BinaryArray | None = None
) -> pa.FixedSizeBinaryArray:
    """Return the hash of each row, fixed_size_binary(32).

    `batch` has the columns of `guotu.model.schema.arrow_schema(collection)`, geometry in EPSG:4490 lon/lat; its
    encoding must stay under 2 GiB. `shapes`, the `normal_form` of its geometries, saves finding it if it is at hand.

    Raises:
        KeyError: a column is missing.
        TypeError: a column's type is none of the schema's.
    """
    columns = [batch.column(name) for name in collection.column_names]
    if collection.has_geometry:
        if shapes is None:
            shapes, _ = normal_form(batch.column(GEOMETRY))
        columns[-1] = shapes
    return fixed_binary(b"".join(sha256_each(encode(columns, batch.num_rows))), HASH_BYTES)


def normal_form(column: pa.BinaryArray) -> tuple[pa.BinaryArray, Floats]:
    """Return the normal form of a WKB column, and the boxes of its geometries, shape (n, 4): NaN for empty or missing.

    Simple rings are brought into it column-wise, all else by `canonical_wkb`; the result is the same.
    """
    simple = normalise_rings(column)
    if simple.rows.all():
        return simple.shapes, simple.boxes
    rest = column.filter(pa.array(~simple.rows))
    geometries = np.asarray(shapely.from_wkb(rest.to_numpy(zero_copy_only=False)), dtype=object)
    at = np.empty(len(column), np.int64)
    at[simple.rows], at[~simple.rows] = np.arange(len(simple.boxes)), len(simple.boxes) + np.arange(len(rest))
    shapes = pa.concat_arrays([simple.shapes, canonical_wkb(geometries)]).take(pa.array(at))
    return shapes, np.vstack([simple.boxes, shapely.bounds(geometries).reshape(-1, 4)])[at]


def canonical_wkb(geometries: Objects) -> pa.BinaryArray:
    """Return normalised little-endian ISO WKB, -0.0 and NaN folded; missing stays missing. Shape (n,)."""
    coordinates = shapely.get_coordinates(geometries, include_z=bool(shapely.has_z(geometries).any()))
    if (np.signbit(coordinates) & (coordinates == 0)).any() or np.isnan(coordinates).any():
        # The stubs do not know yet that None keeps the dimensions of each geometry.
        geometries = shapely.transform(geometries, _fold, include_z=None)  # type: ignore[call-overload]
    normal = shapely.normalize(geometries)
    return pa.array(shapely.to_wkb(normal, byte_order=1, flavor="iso"), pa.binary())


def encode(columns: list[pa.Array], rows: int) -> pa.BinaryArray:
    """Return the canonical encoding of each row of some columns, in their order.

    Raises:
        TypeError: a column's type has no encoding.
    """
    parts: list[pa.Array] = []
    fixed: list[Bytes] = []
    for column in columns:
        fixed.append(np.asarray(column.is_valid().cast(pa.uint8()))[:, None])
        if pa.types.is_string(column.type) or pa.types.is_binary(column.type):
            values = _filled(column.cast(pa.binary()), b"")
            fixed.append(_as_bytes(np.asarray(pc.binary_length(values)).astype("<u4")))
            parts += [_joined(fixed), values]
            fixed = []
        else:
            fixed.append(_fixed_width(column))
    if fixed or not parts:
        parts.append(_joined([np.zeros((rows, 0), np.uint8), *fixed]))
    return pc.binary_join_element_wise(*parts, b"")


def sha256_each(encoded: pa.BinaryArray) -> list[bytes]:
    """Return the SHA-256 of each value, 32 bytes each; no value is null."""
    sha256 = hashlib.sha256
    return [sha256(value).digest() for value in values_of(encoded)]


def values_of(column: pa.BinaryArray) -> list[bytes]:
    """Return the values of a binary column, of which none is null."""
    return column.to_numpy(zero_copy_only=False).tolist()  # type: ignore[no-any-return]


def fixed_binary(data: bytes, width: int) -> pa.FixedSizeBinaryArray:
    """Return bytes as an array of values of one width (at least 1)."""
    kind = pa.binary(width)
    return pa.FixedSizeBinaryArray.from_buffers(kind, len(data) // width, [None, pa.py_buffer(data)])


def _fixed_width(column: pa.Array) -> Bytes:
    """Return the values of a fixed-width column, little-endian, nulls as zeros, shape (n, width)."""
    kind = column.type
    if pa.types.is_boolean(kind):
        return _as_bytes(np.asarray(_filled(column, False).cast(pa.uint8())))
    if pa.types.is_date32(kind):
        return _as_bytes(np.asarray(_filled(column.view(pa.int32()), 0)).astype("<i4"))
    if pa.types.is_int64(kind):
        return _as_bytes(np.asarray(_filled(column, 0)).astype("<i8"))
    if pa.types.is_float64(kind):
        return _as_bytes(_fold(np.asarray(_filled(column, 0.0))).astype("<f8"))
    raise TypeError(f"no canonical encoding for {kind}")


def _filled(column: pa.Array, zero: object) -> pa.Array:
    return pc.fill_null(column, zero) if column.null_count else column


def _fold(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Make -0.0 zero and every NaN the one quiet NaN 0x7ff8000000000000."""
    return np.where(np.isnan(values), np.nan, values + 0.0)


def _as_bytes(values: NDArray[np.generic]) -> Bytes:
    return np.ascontiguousarray(values).view(np.uint8).reshape(len(values), values.dtype.itemsize)


def _joined(pieces: Iterable[Bytes]) -> pa.BinaryArray:
    """Put byte columns side by side, as one binary value a row."""
    rows = np.concatenate(list(pieces), axis=1)
    count, width = rows.shape
    offsets = np.arange(count + 1, dtype=np.int32) * width
    return pa.BinaryArray.from_buffers(
        pa.binary(), count, [None, pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(rows))]
    )
