"""Delta: what turns a version into the next, as Parquet files (docs/reference/manifest.md).

Each changed feature is one row: its new state, or its key if it is deleted; 8 bytes of the hash of the row that it
replaces; and where that row lay, if it is deleted or its geometry changes. Rows are in curve order.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import shapely

from guotu.model.collection import GEOMETRY, Collection
from guotu.model.errors import CorruptObject
from guotu.model.schema import arrow_type, stored_schema
from sync.datafile import DataFile, Division, FileWriter, Floats, write_files
from sync.prepared import BATCH_ROWS, Keep, prepare, read_geometries
from sync.proof import OLD_BYTES, Replaced

OP, OLD = "_op", "_old"
INSERT, UPDATE, DELETE = 1, 2, 3
_ZSTD_LEVEL = 3
"""Level 9 takes two and a half times as long for 0.6 % fewer bytes, and somebody waits for a delta."""
OLD_CORNERS = ("_oxmin", "_oymin", "_oxmax", "_oymax")
"""Box of the row that is replaced, degrees, EPSG:4490; null unless it is deleted or its geometry changes."""


def delta_schema(collection: Collection) -> pa.Schema:
    """Return the schema of a delta: `_op` (1 insert, 2 update, 3 delete), the collection's columns, `_old`, corners.

    Columns are nullable, geometry is plain WKB; corners only where there is a geometry.
    """
    fields = [pa.field(OP, pa.int8()), *(pa.field(item.name, arrow_type(item)) for item in collection.fields)]
    if collection.has_geometry:
        fields.append(pa.field(GEOMETRY, pa.binary()))
    fields.append(pa.field(OLD, pa.binary(OLD_BYTES)))
    if collection.has_geometry:
        fields += [pa.field(corner, pa.float64()) for corner in OLD_CORNERS]
    return pa.schema(fields)


def write_deltas(windows: Iterable[pa.Table], collection: Collection, division: Division) -> Iterator[DataFile]:
    """Write changes, in curve order, schema `delta_schema`, to files; see `sync.datafile.write_files`."""
    schema = delta_schema(collection)

    def write(writer: FileWriter, group: pa.Table) -> None:
        writer.write(group, _boxes(group) if collection.has_geometry else ())

    def begin(path: Path) -> FileWriter:
        return FileWriter(path, schema, collection, _ZSTD_LEVEL)

    return write_files(windows, division, begin, write, FileWriter.close)


def read_delta(path: Path, collection: Collection) -> Iterator[pa.RecordBatch]:
    """Read a delta; schema `delta_schema(collection)`.

    Raises:
        CorruptObject: the file is not a delta of that collection.
    """
    schema = delta_schema(collection)
    try:
        with pq.ParquetFile(path) as file:
            if not file.schema_arrow.equals(schema):
                raise CorruptObject(object=path.name, detail=f"not a delta of {collection.id}")
            yield from file.iter_batches(batch_size=BATCH_ROWS)
    except (pa.ArrowInvalid, OSError) as error:
        raise CorruptObject(object=path.name, detail=f"not a delta of {collection.id}: {error}") from error


def changes_of_delta(
    paths: Sequence[Path], collection: Collection, keep: Keep | None = None, replaced: Replaced | None = None
) -> Iterator[pa.RecordBatch]:
    """Read deltas as a store takes changes: `stored_schema`, for a delete the key and nulls.

    A new state that `keep` does not hold is a delete too. What each replaces is put into `replaced`.

    Raises:
        CorruptObject: a file is not a delta of that collection.
    """
    for path in paths:
        for batch in read_delta(path, collection):
            if replaced is not None:
                replaced.add(batch.column(collection.key), batch.column(OLD))
            yield from _changes(batch, collection, keep)


def _changes(batch: pa.RecordBatch, collection: Collection, keep: Keep | None) -> Iterator[pa.RecordBatch]:
    gone = pc.equal(batch.column(OP), DELETE)
    states = prepare(batch.filter(pc.invert(gone)), collection).stored()
    held = pa.array(np.ones(states.num_rows, bool) if keep is None else keep(states), pa.bool_())
    yield states.filter(held)
    for keys in (batch.filter(gone), states.filter(pc.invert(held))):
        if keys.num_rows:
            yield deletes(keys.column(collection.key), collection)


def deletes(keys: pa.Array, collection: Collection) -> pa.RecordBatch:
    """Return deletes as a store takes them: keys and nulls; schema `stored_schema`."""
    schema = stored_schema(collection)
    columns = [keys if item.name == collection.key else pa.nulls(len(keys), item.type) for item in schema]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _boxes(group: pa.Table) -> list[Floats]:
    """Return the boxes of the new states and of what they replace, each shape (n, 4)."""
    old = [group.column(corner).to_numpy() for corner in OLD_CORNERS]
    return [shapely.bounds(read_geometries(group.column(GEOMETRY))), np.column_stack(old)]
