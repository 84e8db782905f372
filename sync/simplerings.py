"""Simple rings: polygons of one ring brought into their normal form over whole columns of WKB, without GEOS.

Most parcels are one ring. What is not, or where the rules would need a second look (a tie for the least or the highest
point, an angle too flat for floating point, -0.0), is left to GEOS, so that the normal form is one and the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Bools = NDArray[np.bool_]
Bytes = NDArray[np.uint8]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_POLYGON = np.frombuffer(bytes.fromhex("010300000001000000"), np.uint8)
_MULTIPOLYGON = np.frombuffer(bytes.fromhex("010600000001000000") + _POLYGON.tobytes(), np.uint8)
_POINT = "V16"
_COUNT_BYTES, _POINT_BYTES = 4, 16
_LEAST_POINTS = 4
_SURE = 1e-15
"""Relative size from which the sign of an orientation is certain; GEOS computes exactly below it, as must we."""


@dataclass(frozen=True, slots=True)
class SimpleRings:
    """The rows of a column that could be brought into their normal form here."""

    rows: Bools
    """Which they are, shape (n,)."""
    shapes: pa.BinaryArray
    """Normal form of these rows, WKB, in their order."""
    boxes: Floats
    """xmin, ymin, xmax, ymax of these rows, in their order, shape (m, 4)."""


def normalise_rings(column: pa.BinaryArray) -> SimpleRings:
    """Bring polygons, and multipolygons of one part, of one ring in two dimensions into their normal form.

    The form is that of docs/reference/digests.md: from the least point, clockwise. `column` is WKB, shape (n,).
    """
    column, ends, data = _compact(column)
    start, points = _rings(column, ends, data)
    candidates = points > 0
    if not candidates.any():
        return SimpleRings(candidates, column.slice(0, 0), np.empty((0, 4)))
    with np.errstate(invalid="ignore", over="ignore"):
        rings = _Rings(data, start[candidates], points[candidates] - 1)
        rings.write(data)
    rows = candidates.copy()
    rows[candidates] = rings.sure
    offsets = pa.py_buffer(ends.astype(np.int32))
    written = pa.BinaryArray.from_buffers(pa.binary(), len(column), [None, offsets, pa.py_buffer(data)])
    return SimpleRings(rows, written if rows.all() else written.filter(pa.array(rows)), rings.boxes[rings.sure])


def _compact(column: pa.BinaryArray) -> tuple[pa.BinaryArray, Ints, Bytes]:
    """Return a column, the offsets of its values in a copy of just its bytes, shape (n + 1,), and that copy."""
    _, offsets, data = column.buffers()
    ends = np.frombuffer(offsets, np.int32, len(column) + 1, column.offset * 4).astype(np.int64)
    return column, ends - ends[0], np.frombuffer(data or b"", np.uint8)[ends[0] : ends[-1]].copy()


def _rings(column: pa.BinaryArray, ends: Ints, data: Bytes) -> tuple[Ints, Ints]:
    """Return where the points of each row's one ring begin, and how many they are; 0 for other rows."""
    begins, lengths = ends[:-1], np.diff(ends)
    start, points = np.zeros(len(column), np.int64), np.zeros(len(column), np.int64)
    rest = np.flatnonzero(np.asarray(column.is_valid()))
    for head in (_POLYGON, _MULTIPOLYGON):
        width = len(head) + _COUNT_BYTES
        rows = rest[lengths[rest] >= width + _LEAST_POINTS * _POINT_BYTES]
        if not len(rows):
            continue
        stated = _values(data, "<u4")[begins[rows] + len(head)].astype(np.int64)
        fits = lengths[rows] == width + _POINT_BYTES * stated
        for part in {*range(0, len(head) - 7, 8), len(head) - 8}:
            fits &= _values(data, "<u8")[begins[rows] + part] == head[part : part + 8].view("<u8")
        start[rows[fits]], points[rows[fits]] = begins[rows[fits]] + width, stated[fits]
        rest = rows[~fits]
    return start, points


class _Rings:
    """Rings of WKB points, flat: x and y of all of them but the closing ones."""

    def __init__(self, data: Bytes, start: Ints, sizes: Ints) -> None:
        """Read rings whose points begin at `start`, of so many points without the closing one; shape (m,) each."""
        self._start, self._sizes = start, sizes
        self._first = np.cumsum(sizes) - sizes
        self._ring = np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)
        numbers = np.arange(len(self._ring), dtype=np.int32)
        begins = np.repeat((start - _POINT_BYTES * self._first).astype(np.int32), sizes)
        self._points = _values(data, _POINT)[begins + _POINT_BYTES * numbers]
        self._x, self._y = _coordinates(self._points)
        extremes = (np.minimum, self._x), (np.minimum, self._y), (np.maximum, self._x), (np.maximum, self._y)
        self.boxes: Floats = np.column_stack([kind.reduceat(values, self._first) for kind, values in extremes])
        self._least, one_least = self._find_least()
        self._anticlockwise, certain = self._find_turn()
        self.sure: Bools = one_least & certain & self._is_closed(data) & ~self._folds()
        """Which rings have one least and one highest point, a certain orientation and no -0.0; shape (m,)."""

    def write(self, data: Bytes) -> None:
        """Write the points of the sure rings back in their normal order, where they are not in it."""
        moves = np.flatnonzero(self.sure & (self._anticlockwise | (self._least != self._first)))
        sizes, first, start = (of[moves].astype(np.int32) for of in (self._sizes, self._first, self._start))
        least = self._least[moves].astype(np.int32)
        way = np.where(self._anticlockwise[moves], np.int32(-1), np.int32(1))
        step = np.arange(sizes.sum(), dtype=np.int32) - np.repeat(np.cumsum(sizes, dtype=np.int32) - sizes, sizes)
        place, size = np.repeat(least - first, sizes) + np.repeat(way, sizes) * step, np.repeat(sizes, sizes)
        place += np.where(place < 0, size, 0) - np.where(place >= size, size, 0)
        points = _values(data, _POINT)
        points[np.repeat(start, sizes) + _POINT_BYTES * step] = self._points[np.repeat(first, sizes) + place]
        points[start + _POINT_BYTES * sizes] = self._points[least]

    def _is_closed(self, data: Bytes) -> Bools:
        x, y = _coordinates(_values(data, _POINT)[self._start + _POINT_BYTES * self._sizes])
        closed: Bools = (x == self._x[self._first]) & (y == self._y[self._first])
        return closed

    def _folds(self) -> Bools:
        """Tell which rings have a -0.0."""
        zero = np.flatnonzero((self._x == 0) | (self._y == 0))
        minus = zero[np.signbit(self._x[zero]) | np.signbit(self._y[zero])]
        return np.bincount(self._ring[minus], minlength=len(self._sizes)) > 0

    def _find_least(self) -> tuple[Ints, Bools]:
        """Return the least point of each ring, and whether there is one."""
        west = np.flatnonzero(self._x == self.boxes[self._ring, 0])
        south = np.full(len(self._sizes), np.inf)
        np.minimum.at(south, self._ring[west], self._y[west])
        return self._one(west[self._y[west] == south[self._ring[west]]])

    def _find_turn(self) -> tuple[Bools, Bools]:
        """Return whether each ring runs anticlockwise, and whether that is certain: by its highest point."""
        at, one = self._one(np.flatnonzero(self._y == self.boxes[self._ring, 3]))
        end = self._first + self._sizes
        before = np.where(at == self._first, end, at) - 1
        after = np.where(at + 1 == end, self._first, at + 1)
        left = (self._x[before] - self._x[after]) * (self._y[at] - self._y[after])
        right = (self._y[before] - self._y[after]) * (self._x[at] - self._x[after])
        certain = np.abs(left - right) > _SURE * (np.abs(left) + np.abs(right))
        return left > right, one & certain

    def _one(self, points: Ints) -> tuple[Ints, Bools]:
        """Return the point chosen in each ring, and whether it is just one."""
        rings = self._ring[points]
        chosen = self._first.copy()
        chosen[rings] = points
        return chosen, np.bincount(rings, minlength=len(self._sizes)) == 1


def _values(data: Bytes, kind: str) -> NDArray[Any]:
    """Return a view that has a value at each byte: values stand at any, and bytes need no alignment."""
    return np.ndarray((len(data) - np.dtype(kind).itemsize + 1,), kind, data.data, strides=(1,))


def _coordinates(points: NDArray[np.void]) -> tuple[Floats, Floats]:
    pairs = points.view("<f8").reshape(-1, 2)
    return np.ascontiguousarray(pairs[:, 0]), np.ascontiguousarray(pairs[:, 1])
