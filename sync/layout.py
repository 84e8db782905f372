"""Layout: rows as base chunks, GeoParquet files in Hilbert order that anyone can read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import pyarrow as pa
import shapely
from numpy.typing import NDArray

from guotu.model.collection import GEOMETRY, Collection
from guotu.model.schema import arrow_schema
from sync.datafile import DataFile, Division, FileSizes, FileWriter, write_files
from sync.geoparquet import bbox_column, geo_metadata, geometry_types, with_bbox
from sync.prepared import read_geometries
from sync.spool import Ints

_ZSTD_LEVEL = 9
"""A base is written once and sent to many: level 3 takes a third of the time for 1.2 % more bytes."""


def write_chunks(windows: Iterable[pa.Table], collection: Collection, division: Division) -> Iterator[DataFile]:
    """Write rows, in curve order, schema `arrow_schema`, to base chunks; see `sync.datafile.write_files`."""
    types: set[str] = set()
    schema = arrow_schema(collection)
    covered = with_bbox(schema) if collection.has_geometry else schema

    def write(writer: FileWriter, group: pa.Table) -> None:
        if not collection.has_geometry:
            writer.write(group)
            return
        geometries = read_geometries(group.column(GEOMETRY))
        boxes = shapely.bounds(geometries)
        types.update(geometry_types(geometries))
        table = pa.Table.from_arrays([*group.columns, bbox_column(boxes)], schema=covered)
        writer.write(table, [boxes])

    def end(writer: FileWriter) -> DataFile:
        metadata = {"geo": geo_metadata(types, writer.extent)} if collection.has_geometry else None
        types.clear()
        return writer.close(metadata)

    return write_files(windows, division, lambda path: FileWriter(path, covered, collection, _ZSTD_LEVEL), write, end)


def ordered_windows(
    take: Callable[[Ints], pa.Table],
    order: Ints,
    row_sizes: NDArray[np.unsignedinteger],
    sizes: FileSizes | None = None,
) -> Iterator[pa.Table]:
    """Take rows by number in an order, shape (n,), a window at a time, so that memory holds one window.

    `row_sizes` are the bytes of each row, about, by number.
    """
    sizes = sizes or FileSizes()
    start = 0
    while start < len(order):
        # More rows than a window may have do not fit, so their sizes need not be known.
        ends = np.cumsum(row_sizes[order[start : start + sizes.window_rows]], dtype=np.int64)
        end = start + max(int(np.searchsorted(ends, sizes.window_bytes, side="right")), 1)
        yield take(order[start:end])
        start = end


def stream_windows(
    batches: Iterable[pa.RecordBatch], schema: pa.Schema, sizes: FileSizes | None = None
) -> Iterator[pa.Table]:
    """Gather batches that come in order, a window at a time; columns other than the schema's are left out."""
    sizes = sizes or FileSizes()
    held: list[pa.RecordBatch] = []
    rows = size = 0
    for batch in batches:
        held.append(batch)
        rows, size = rows + batch.num_rows, size + batch.nbytes
        if rows >= sizes.window_rows or size >= sizes.window_bytes:
            yield _window(held, schema)
            held, rows, size = [], 0, 0
    if rows:
        yield _window(held, schema)


def _window(batches: list[pa.RecordBatch], schema: pa.Schema) -> pa.Table:
    table = pa.Table.from_batches(batches).select(schema.names)
    return pa.Table.from_arrays(table.columns, schema=schema)
