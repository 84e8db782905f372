"""Layout: the rows of a spool as base chunks, GeoParquet files in Hilbert order that anyone can read."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import shapely
from numpy.typing import NDArray

from guotu.model.collection import GEOMETRY, Collection, FieldType
from guotu.model.records import Extent
from guotu.model.schema import arrow_schema
from sync.geoparquet import bbox_column, geo_metadata, geometry_types, with_bbox
from sync.spool import Ints, Spool
from sync.survey import Advance, extent_of, read_geometries

ZSTD_LEVEL = 9
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ChunkSizes:
    """How rows are divided."""

    group_rows: int = 10_000
    """Most rows of a row group."""
    window_rows: int = 50_000
    """Most rows gathered at a time, and then divided into row groups of one size."""
    window_bytes: int = 32 << 20
    """Most bytes gathered at a time, about, unless one row has more."""
    target_bytes: int = 40 << 20
    """A chunk is full at that size."""
    least_bytes: int = 20 << 20
    """What would remain for the last chunk must be more than that, or the one before takes it."""


@dataclass(frozen=True, slots=True)
class ChunkFile:
    """A base chunk on disk."""

    path: Path
    sha256: str
    size_bytes: int
    rows: int
    extent: Extent | None


def write_chunks(
    spool: Spool, order: Ints, sizes: Ints, folder: Path, advance: Advance, limits: ChunkSizes | None = None
) -> Iterator[ChunkFile]:
    """Write the rows of a spool in an order, shape (rows,), yielding each file when it is whole.

    `sizes` are the bytes of each row of the spool, about. Files are named in their order; no rows give no file.
    Memory holds one window. `advance` is told after each row group how many rows it had.
    """
    limits = limits or ChunkSizes()
    remaining = int(sizes.sum())
    number = 0
    chunk: _Chunk | None = None
    for group, group_bytes in _groups(spool, order, sizes, limits):
        if chunk is None:
            chunk = _Chunk(folder / f"chunk-{number:06d}.parquet", spool.collection)
            number += 1
        chunk.write(group, group_bytes)
        remaining -= group_bytes
        advance(group.num_rows)
        if chunk.size >= limits.target_bytes and remaining * chunk.ratio > limits.least_bytes:
            yield chunk.close()
            chunk = None
    if chunk is not None:
        yield chunk.close()


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _groups(spool: Spool, order: Ints, sizes: Ints, limits: ChunkSizes) -> Iterator[tuple[pa.Table, int]]:
    """Gather rows in their order, a row group at a time, with its bytes."""
    ends = np.cumsum(sizes[order])
    start = 0
    while start < len(order):
        full = ends[start - 1] if start else 0
        end = int(np.searchsorted(ends, full + limits.window_bytes, side="right"))
        end = min(max(end, start + 1), start + limits.window_rows, len(order))
        window = spool.take(order[start:end])
        count = -(-window.num_rows // limits.group_rows)
        cuts = np.linspace(0, window.num_rows, count + 1).astype(int).tolist()
        for low, high in pairwise(cuts):
            yield window.slice(low, high - low), int(sizes[order[start + low : start + high]].sum())
        start = end


class _Chunk:
    """A chunk being written."""

    def __init__(self, path: Path, collection: Collection) -> None:
        self._path = path
        self._geometric = collection.has_geometry
        schema = arrow_schema(collection)
        self._schema = with_bbox(schema) if self._geometric else schema
        self._sink = pa.OSFile(str(path), "wb")
        texts = [item.name for item in collection.fields if item.type is FieldType.TEXT]
        self._writer = pq.ParquetWriter(
            self._sink,
            self._schema,
            compression="zstd",
            compression_level=ZSTD_LEVEL,
            use_dictionary=texts,
            # Least and greatest WKB say nothing; the covering column has the boxes.
            write_statistics=[name for name in _leaves(self._schema) if name != GEOMETRY],
        )
        self._types: set[str] = set()
        self._bounds: list[Floats] = []
        self._rows = 0
        self._raw_bytes = 0

    @property
    def size(self) -> int:
        """Bytes written so far."""
        return int(self._sink.tell())

    @property
    def ratio(self) -> float:
        """Bytes written for each byte of rows."""
        return self.size / max(self._raw_bytes, 1)

    def write(self, rows: pa.Table, raw_bytes: int) -> None:
        """Write one row group."""
        table = self._covered(rows) if self._geometric else rows
        self._writer.write_table(table, row_group_size=table.num_rows)
        self._rows += table.num_rows
        self._raw_bytes += raw_bytes

    def close(self) -> ChunkFile:
        """Finish the file."""
        extent = extent_of(np.vstack([np.empty((0, 4)), *self._bounds]))
        if self._geometric:
            self._writer.add_key_value_metadata({"geo": geo_metadata(self._types, extent)})
        self._writer.close()
        self._sink.close()
        size = self._path.stat().st_size
        return ChunkFile(self._path, file_sha256(self._path), size, self._rows, extent)

    def _covered(self, rows: pa.Table) -> pa.Table:
        """Add the covering column, and take note of where the features are."""
        geometries = read_geometries(rows.column(GEOMETRY))
        bounds = shapely.bounds(geometries)
        self._types |= geometry_types(geometries)
        self._bounds.append(bounds)
        return pa.Table.from_arrays([*rows.columns, bbox_column(bounds)], schema=self._schema)


def _leaves(schema: pa.Schema) -> list[str]:
    """Return the Parquet paths of the columns of a schema."""
    return [
        f"{field.name}.{child.name}" if child is not None else field.name
        for field in schema
        for child in (field.type if pa.types.is_struct(field.type) else [None])
    ]
