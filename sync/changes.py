"""Changes: what a publish found to be different from the head, noted in a scratch file and summed up."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import shapely
from numpy.typing import NDArray

from guotu.model.area import official_area_m2
from guotu.model.collection import GEOMETRY, Collection, GeometryType
from guotu.model.records import Change
from guotu.model.schema import PLACE
from sync.delta import DELETE, INSERT, OLD, OLD_CORNERS, OP, UPDATE, delta_schema
from sync.layout import ordered_windows
from sync.prepared import Floats, places_of, read_geometries
from sync.proof import OLD_BYTES
from sync.rowhash import HASH_BYTES, Objects
from sync.setdigest import SetDigest
from sync.spool import Ints, MappedRows, Spool
from sync.survey import ROW, Survey

Bools = NDArray[np.bool_]
_DELETE_BYTES = 128
"""Size of a delete, about."""


class Changes:
    """Takes differences, keeps what a delta needs of them, and sums them up. Memory is flat.

    Areas are measured in a thread of their own, those of one batch at a time.
    """

    def __init__(self, path: Path, spool: Spool, found: Survey, digest: SetDigest | None) -> None:
        """Begin a scratch file at `path`; `digest`, if given, goes from the version before to the new."""
        self.digest = digest
        self._path = path
        self._spool = spool
        self._found = found
        self._collection = spool.collection
        self._counts = dict.fromkeys((INSERT, UPDATE, DELETE), 0)
        self._areas = dict.fromkeys(("inserted", "before", "after", "deleted"), 0.0)
        self._beside = ThreadPoolExecutor(1, "changes-area")
        self._measuring: Future[None] | None = None
        self._schema = _note_schema(self._collection)
        self._sink = pa.OSFile(str(path), "wb")
        self._writer = pa.ipc.new_file(self._sink, self._schema)

    def take(self, batch: pa.RecordBatch) -> None:
        """Take differences: `guotu.model.schema.difference_schema`, rows that are really different."""
        comes = np.asarray(batch.column(ROW).is_valid())
        was = np.asarray(batch.column("old_hash").is_valid())
        rows = np.asarray(batch.column(ROW).drop_null()).astype(np.int64)
        op = np.where(comes, np.where(was, UPDATE, INSERT), DELETE).astype(np.int8)
        for kind in self._counts:
            self._counts[kind] += int((op == kind).sum())
        keys, old = batch.column(self._collection.key), batch.column("old_hash")
        if self.digest is not None:
            self.digest.remove(keys.filter(pa.array(was)), old.filter(pa.array(was)))
            self.digest.add(keys.filter(pa.array(comes)), self._found.hashes_of(rows))
        places = np.zeros(len(op), np.uint32)
        places[comes] = self._found.places[rows]
        columns = [keys, batch.column(ROW), pa.array(op), None, _short(old)]
        if self._collection.has_geometry:
            boxes = self._boxes(batch.column("old_geometry"), comes, rows, op)
            places[~comes] = places_of(boxes[~comes])
            hidden = np.isnan(boxes)
            columns += [pa.array(np.ascontiguousarray(boxes[:, at]), mask=hidden[:, at]) for at in range(4)]
        columns[3] = pa.array(places)
        self._writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=self._schema))

    def _boxes(self, old_wkb: pa.Array, comes: Bools, rows: Ints, op: NDArray[np.int8]) -> Floats:
        """Begin to measure; return the boxes of the rows replaced, NaN where a geometry stays or there is none."""
        new_wkb = np.full(len(op), None, object)
        new_wkb[comes] = self._spool.take(rows, [GEOMETRY]).column(GEOMETRY).to_numpy()
        olds, old = old_wkb.to_numpy(zero_copy_only=False), read_geometries(old_wkb)
        moved: Bools = (olds != new_wkb) & (op != INSERT)
        if self._collection.geometry is GeometryType.POLYGON:
            self._wait()
            self._measuring = self._beside.submit(self._measure, old, new_wkb, moved, op)
        boxes = shapely.bounds(old).reshape(-1, 4)
        boxes[~moved] = np.nan
        return boxes

    def _measure(self, old: Objects, new_wkb: Objects, moved: Bools, op: NDArray[np.int8]) -> None:
        before = np.nan_to_num(official_area_m2(old))
        after = before.copy()
        fresh = moved | (op == INSERT)
        after[fresh] = np.nan_to_num(official_area_m2(np.asarray(shapely.from_wkb(new_wkb[fresh]), object)))
        sums = (("inserted", after, INSERT), ("before", before, UPDATE), ("after", after, UPDATE),
                ("deleted", before, DELETE))  # fmt: skip
        for name, areas, kind in sums:
            self._areas[name] += float(areas[op == kind].sum())

    def finish(self) -> Change:
        """Close the file; return the counts. Areas are being measured: see `measured`."""
        self._writer.close()
        self._sink.close()
        return Change(self._counts[INSERT], self._counts[UPDATE], self._counts[DELETE])

    def measured(self, change: Change) -> Change:
        """Return what `finish` did with the areas, once they are known."""
        self._wait()
        self._beside.shutdown()
        areas = {name: round(area, 2) for name, area in self._areas.items()}
        return replace(
            change,
            inserted_m2=areas["inserted"],
            updated_before_m2=areas["before"],
            updated_after_m2=areas["after"],
            deleted_m2=areas["deleted"],
        )

    def _wait(self) -> None:
        if self._measuring is not None:
            self._measuring.result()

    def keys(self) -> pa.Array:
        """Return the keys of all changes; only after `finish`."""
        with MappedRows(self._path, self._schema, "changes") as notes:
            return notes.column(self._collection.key).combine_chunks()

    def windows(self) -> Iterator[pa.Table]:
        """Yield all changes as a delta has them, in curve order, a window at a time; only after `finish`."""
        schema = delta_schema(self._collection)
        with MappedRows(self._path, self._schema, "changes") as notes:
            table = pa.table({name: notes.column(name) for name in (PLACE, self._collection.key)})
            order = pc.sort_indices(table, sort_keys=[(name, "ascending") for name in table.column_names])
            rows = np.asarray(pc.fill_null(notes.column(ROW), -1))
            sizes = np.full(len(rows), _DELETE_BYTES, np.uint32)
            sizes[rows >= 0] += self._found.sizes[rows[rows >= 0]]
            yield from ordered_windows(
                lambda wanted: self._images(notes.take(wanted), schema), np.asarray(order).view(np.int64), sizes
            )

    def _images(self, notes: pa.Table, schema: pa.Schema) -> pa.Table:
        """Put the new states beside what was noted; nulls for deletes."""
        numbers = notes.column(ROW).combine_chunks()
        comes = np.asarray(numbers.is_valid())
        states = self._spool.take(np.asarray(numbers.drop_null()).astype(np.int64))
        at = pa.array(np.cumsum(comes) - 1, mask=~comes)
        columns = [
            notes.column(name) if name in self._schema.names else states.column(name).take(at) for name in schema.names
        ]
        return pa.Table.from_arrays(columns, schema=schema)


def _note_schema(collection: Collection) -> pa.Schema:
    delta = delta_schema(collection)
    names = [OLD, *(OLD_CORNERS if collection.has_geometry else ())]
    fixed = [delta.field(collection.key), pa.field(ROW, pa.int64()), delta.field(OP), pa.field(PLACE, pa.uint32())]
    return pa.schema([*fixed, *map(delta.field, names)])


def _short(hashes: pa.FixedSizeBinaryArray) -> pa.FixedSizeBinaryArray:
    """Return the first bytes of each hash; null stays null."""
    wide = pc.fill_null(hashes, bytes(HASH_BYTES)).cast(pa.binary())
    short = pc.binary_slice(wide, 0, OLD_BYTES).cast(pa.binary(OLD_BYTES))
    return pc.if_else(hashes.is_valid(), short, pa.scalar(None, short.type))
