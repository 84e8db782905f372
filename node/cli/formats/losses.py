"""What of an answer a form other than Parquet cannot keep to the bit, counted as the rows are written.

Whatever is not counted here is read back as it was, which `guotu receipt verify` relies on.
"""

from __future__ import annotations

import struct
from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import shapely

_FLAT, _SOLID, _MULTI = range(1, 7), range(1001, 1007), (4, 5, 6)
"""ISO WKB codes of points, lines, polygons and several of them, with two and three dimensions."""


class Losses:
    """Counts the cells that are not kept."""

    def __init__(self, heights: bool) -> None:
        """`heights` tells whether the form keeps a third dimension."""
        self._heads = pa.array([_head(code) for code in (*_FLAT, *(_SOLID if heights else ()))], pa.binary())
        self._cells: Counter[str] = Counter()

    @property
    def cells(self) -> dict[str, int]:
        """Cells that are not kept, by column; columns that are kept whole are left out."""
        return dict(+self._cells)

    def update(self, batch: pa.RecordBatch) -> None:
        """Count what is not kept of more rows.

        That is numbers that are not finite, texts with a NUL, and geometries that are not little-endian ISO WKB of a
        point, a line, a polygon or several of one kind, or that are empty in part or have a coordinate that is not
        finite, or is -0.0.
        """
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            if pa.types.is_binary(column.type):
                self._cells[name] += self._geometries(column.drop_null())
            elif pa.types.is_floating(column.type):
                self._cells[name] += _count(pc.invert(pc.is_finite(column)))
            elif pa.types.is_string(column.type):
                self._cells[name] += _count(pc.match_substring(column, "\0"))

    def _geometries(self, column: pa.BinaryArray) -> int:
        plain = np.asarray(self._begins(column, 0))
        several = np.asarray(pc.is_in(pc.binary_slice(column, 0, 5), pa.array(_MULTI_HEADS, pa.binary())))
        plain &= ~several | np.asarray(self._begins(column, 9))
        with np.errstate(invalid="ignore"):  # that is looked for
            shapes = shapely.from_wkb(
                column.filter(pa.array(plain)).to_numpy(zero_copy_only=False), on_invalid="ignore"
            )
        points, owner = shapely.get_coordinates(shapes, include_z=bool(shapely.has_z(shapes).any()), return_index=True)
        flat = np.isnan(points[:, 2:]) & ~shapely.has_z(shapes)[owner][:, None]
        points[:, 2:][flat] = 0.0
        odd = ~np.isfinite(points) | (np.signbit(points) & (points == 0))
        parts, whole = shapely.get_parts(shapes, return_index=True)
        bad = np.concatenate([owner[odd.any(axis=1)], whole[shapely.is_empty(parts)]])
        kept = ~(shapely.is_missing(shapes) | shapely.is_empty(shapes))
        kept[bad] = False
        return len(column) - int(kept.sum())

    def _begins(self, column: pa.BinaryArray, at: int) -> pa.BooleanArray:
        return pc.is_in(pc.binary_slice(column, at, at + 5), self._heads)


def _head(code: int) -> bytes:
    return struct.pack("<BI", 1, code)


_MULTI_HEADS = [_head(code + depth) for code in _MULTI for depth in (0, 1000)]


def _count(mask: pa.BooleanArray) -> int:
    return pc.sum(mask).as_py() or 0
