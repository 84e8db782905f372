"""Prepared rows: with their place on the curve, their box and their hash, as a store takes them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import shapely
from numpy.typing import NDArray

from guotu.model.collection import GEOMETRY, Collection
from guotu.model.errors import CorruptObject
from guotu.model.hilbert import hilbert_index
from guotu.model.records import Extent
from guotu.model.schema import arrow_schema, stored_schema
from sync.ahead import ahead
from sync.rowhash import Objects, normal_form, row_hashes

BATCH_ROWS = 8_192
Floats = NDArray[np.float64]
Places = NDArray[np.uint32]
Keep = Callable[[pa.RecordBatch], NDArray[np.bool_]]
"""Tells of stored rows which a node holds, shape (n,)."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """Rows, where they lie and the normal form of their geometries: all that needs the geometries read."""

    batch: pa.RecordBatch
    collection: Collection
    boxes: Floats
    """xmin, ymin, xmax, ymax in degrees, EPSG:4490, shape (n, 4); NaN for an empty or missing geometry."""
    places: Places
    """On the Hilbert curve, by the centre of the box, shape (n,); 0 without geometry."""
    shapes: pa.BinaryArray | None
    """Normal form (`sync.rowhash.normal_form`); None for a collection without geometry."""

    def hashes(self) -> pa.FixedSizeBinaryArray:
        """Return the row hashes."""
        return row_hashes(self.batch, self.collection, self.shapes)

    def stored(self) -> pa.RecordBatch:
        """Return the rows as a store takes them; schema `stored_schema`."""
        columns = [self.batch.column(item.name) for item in self.collection.fields]
        if self.collection.has_geometry:
            geometry = self.batch.column(GEOMETRY)
            columns += [geometry, *_corners(self.boxes, geometry.is_null())]
        columns += [pa.array(self.places), self.hashes()]
        return pa.RecordBatch.from_arrays(columns, schema=stored_schema(self.collection))


def prepare(batch: pa.RecordBatch, collection: Collection) -> Prepared:
    """Prepare rows that have the columns of a collection, geometry as WKB (EPSG:4490 lon/lat)."""
    if not collection.has_geometry:
        nowhere = np.full((batch.num_rows, 4), np.nan)
        return Prepared(batch, collection, nowhere, np.zeros(batch.num_rows, np.uint32), None)
    shapes, boxes = normal_form(batch.column(GEOMETRY))
    return Prepared(batch, collection, boxes, places_of(boxes), shapes)


def places_of(boxes: Floats) -> Places:
    """Return the place on the Hilbert curve of the centre of each box, shape (n, 4); 0 for NaN."""
    return hilbert_index((boxes[:, 0] + boxes[:, 2]) / 2, (boxes[:, 1] + boxes[:, 3]) / 2)


def read_geometries(column: pa.Array) -> Objects:
    """Return the geometries of a WKB column, None for null. Shape (n,)."""
    return np.asarray(shapely.from_wkb(column.to_numpy(zero_copy_only=False)), dtype=object)


def _corners(boxes: Floats, missing: pa.Array) -> list[pa.Array]:
    """Return boxes of shape (n, 4) as four columns; null where `missing` (bool, n), NaN stays NaN."""
    mask = np.asarray(missing)
    return [pa.array(np.ascontiguousarray(boxes[:, corner]), mask=mask) for corner in range(4)]


def extent_of(boxes: Floats) -> Extent | None:
    """Return the extent of boxes of shape (n, 4), NaN for an empty or missing one; None if all are."""
    solid = boxes[~np.isnan(boxes).any(axis=1)]
    if not len(solid):
        return None
    return Extent(*map(float, (*solid[:, :2].min(axis=0), *solid[:, 2:].max(axis=0))))


def stored_batches(batches: Iterable[pa.RecordBatch], collection: Collection) -> Iterator[pa.RecordBatch]:
    """Turn rows with the columns of a collection into what a store takes, geometries in one thread, hashes in another.

    Schema `guotu.model.schema.stored_schema`.
    """
    for item in ahead(prepare(batch, collection) for batch in batches):
        yield item.stored()


def stored_rows_of_chunks(
    paths: Sequence[Path], collection: Collection, keep: Keep | None = None
) -> Iterator[pa.RecordBatch]:
    """Read base chunks, in the order given, as stored rows; those that `keep` does not hold are left out.

    Raises:
        CorruptObject: a file is not a chunk of that collection.
    """
    for path in paths:
        for batch in stored_batches(_read_chunk(path, collection), collection):
            yield batch if keep is None else batch.filter(pa.array(keep(batch)))


def _read_chunk(path: Path, collection: Collection) -> Iterator[pa.RecordBatch]:
    schema = arrow_schema(collection)
    try:
        # Not mapped: reading a mapped file that is cut short meanwhile would end the process.
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=BATCH_ROWS, columns=schema.names):
                # Parquet tells no order of columns where they are asked for by name.
                yield batch.select(schema.names)
    except (pa.ArrowInvalid, OSError, KeyError) as error:
        raise CorruptObject(object=path.name, detail=f"not a chunk of {collection.id}: {error}") from error
