"""Coverage polygons in a tenth of their WKB, for a directory that holds hundreds of thousands of them.

Coverages run along a grid of hundredths of a degree (guotu.model.coverage), so whole numbers of hundredths, taken as
differences from vertex to vertex, say the same. What does not lie on the grid is kept as it is; either way the same
bytes come back.

Layout, little-endian: kind u8 (0: the WKB follows; else the WKB type), width u8 of a difference in bytes, count of
numbers u16, these numbers u16 (parts, rings of each part, points of each ring), first x and y i32, differences.
"""

from __future__ import annotations

import struct

import numpy as np
from numpy.typing import NDArray

_POLYGON, _MULTIPOLYGON = 3, 6
_POLYGON_HEADER = struct.pack("<BI", 1, _POLYGON)
_HEADER = struct.Struct("<BBH")
_START = struct.Struct("<ii")
_COUNT = struct.Struct("<I")
_WIDTHS: dict[int, str] = {1: "<i1", 2: "<i2", 4: "<i4"}
_RAW = b"\0"
_STEPS = 100.0


def pack_outline(wkb: bytes) -> bytes:
    """Return a polygon or multipolygon in the short form; any other bytes with one byte before them."""
    try:
        counts, spans = _walk(wkb)
        rings = [np.frombuffer(wkb, "<f8", 2 * points, at) for at, points in spans]
        return _pack(wkb[1], counts, rings[0] if len(rings) == 1 else np.concatenate(rings)) or _RAW + wkb
    except (struct.error, ValueError, IndexError, OverflowError):
        return _RAW + wkb


def unpack_outline(data: bytes) -> bytes:
    """Return the bytes that `pack_outline` was given."""
    if data[:1] == _RAW:
        return data[1:]
    kind, width, length = _HEADER.unpack_from(data)
    counts = struct.unpack_from(f"<{length}H", data, _HEADER.size)
    at = _HEADER.size + 2 * length
    steps = np.frombuffer(data, _WIDTHS[width], -1, at + _START.size)
    vertices = np.empty(len(steps) + 2)
    vertices[:2] = _START.unpack_from(data, at)
    vertices[2:] = steps
    cells = np.add.accumulate(vertices.reshape(-1, 2), axis=0)
    cells /= _STEPS
    return _wkb(kind, counts, cells.tobytes())


def _walk(wkb: bytes) -> tuple[list[int], list[tuple[int, int]]]:
    """Return the counts in order, and of each ring the offset of its coordinates and its points.

    Raises:
        ValueError: not a little-endian 2D polygon or multipolygon, or bytes are left over.
        struct.error: it is cut short.
    """
    order, kind = struct.unpack_from("<BI", wkb)
    if order != 1 or kind not in (_POLYGON, _MULTIPOLYGON):
        raise ValueError("not a little-endian 2D polygon")
    parts, at = (1, 0) if kind == _POLYGON else (_COUNT.unpack_from(wkb, 5)[0], 9)
    counts, spans = [parts], []
    for _ in range(parts):
        if wkb[at : at + 5] != _POLYGON_HEADER:
            raise ValueError("a part is not a polygon")
        (rings,) = _COUNT.unpack_from(wkb, at + 5)
        at += 9
        counts.append(rings)
        for _ in range(rings):
            (points,) = _COUNT.unpack_from(wkb, at)
            counts.append(points)
            spans.append((at + 4, points))
            at += 4 + 16 * points
    if at != len(wkb):
        raise ValueError("bytes are left over")
    return counts, spans


def _pack(kind: int, counts: list[int], coordinates: NDArray[np.float64]) -> bytes | None:
    """Return the short form; None if a vertex is off the grid."""
    with np.errstate(invalid="ignore", over="ignore"):
        # Adding 0.0 makes -0.0 differ from what is checked, as it has no whole number of its own.
        cells = np.rint(coordinates * _STEPS) + 0.0
        if (cells / _STEPS).tobytes() != coordinates.tobytes():
            return None
        steps = cells[2:] - cells[:-2]
    reach = max(steps.max(initial=0), -steps.min(initial=0))
    width = next((width for width in _WIDTHS if reach < 1 << (8 * width - 1)), None)
    if width is None:
        return None
    numbers = struct.pack(f"<{len(counts)}H", *counts)
    start = _START.pack(int(cells[0]), int(cells[1]))
    return _HEADER.pack(kind, width, len(counts)) + numbers + start + steps.astype(_WIDTHS[width]).tobytes()


def _wkb(kind: int, counts: tuple[int, ...], coordinates: bytes) -> bytes:
    """Put counts and coordinates together again."""
    numbers = iter(counts)
    parts = next(numbers)
    pieces = [] if kind == _POLYGON else [struct.pack("<BII", 1, kind, parts)]
    at = 0
    for _ in range(parts):
        rings = next(numbers)
        pieces.append(_POLYGON_HEADER + _COUNT.pack(rings))
        for _ in range(rings):
            points = next(numbers)
            pieces += (_COUNT.pack(points), coordinates[at : at + 16 * points])
            at += 16 * points
    return b"".join(pieces)
