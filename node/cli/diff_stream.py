"""A difference on its way to the screen or into a file: counted as it passes, cut at a limit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import shapely

from guotu.model.area import official_area_m2
from guotu.model.collection import GEOMETRY
from guotu.model.records import Change

if TYPE_CHECKING:
    from guotu.wire.diffs import DiffHeader

BEFORE, AFTER = "before", "after"
INSERT, UPDATE, DELETE = "insert", "update", "delete"


class DiffStream:
    """Batches of `guotu.model.schema.change_schema`, read once; all are counted, `limit` features are handed on."""

    def __init__(self, dataset: str, header: DiffHeader, batches: Iterator[pa.RecordBatch], limit: int) -> None:
        """Take the header and what comes after it; `limit` 0 hands all on."""
        self.dataset = dataset
        self.since = header.since
        self.until = header.until
        self.schema: pa.Schema = header.schema
        self.handed = 0
        """Features handed on so far."""
        self._batches = batches
        self._limit = limit
        self._counts = dict.fromkeys((INSERT, UPDATE, DELETE), 0)
        self._areas = dict.fromkeys(((op, side) for op in self._counts for side in (BEFORE, AFTER)), 0.0)

    @property
    def key(self) -> str:
        """Name of the key column."""
        return str(self.schema.names[0])

    @property
    def fields(self) -> list[pa.Field]:
        """The collection's columns, the geometry last where there is one."""
        return list(self.schema.field(AFTER).type)

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        """Yield batches until the limit; the rest is read and counted all the same."""
        for batch in self._batches:
            self._count(batch)
            room = self._limit - self.handed if self._limit else batch.num_rows
            part = batch.slice(0, max(room, 0))
            if part.num_rows:
                self.handed += part.num_rows
                yield part

    @property
    def change(self) -> Change:
        """What was counted so far."""
        area = self._areas
        return Change(
            inserts=self._counts[INSERT],
            updates=self._counts[UPDATE],
            deletes=self._counts[DELETE],
            inserted_m2=round(area[INSERT, AFTER], 2),
            updated_before_m2=round(area[UPDATE, BEFORE], 2),
            updated_after_m2=round(area[UPDATE, AFTER], 2),
            deleted_m2=round(area[DELETE, BEFORE], 2),
        )

    def account(self) -> dict[str, Any]:
        """Return what the difference is of, and what it comes to; to be called once all batches were read."""
        from node.cli.change_table import change_document

        known = {"dataset": self.dataset, "since": self.since, "until": self.until}
        return {**known, "change": change_document(self.change)}

    def _count(self, batch: pa.RecordBatch) -> None:
        ops = batch.column("op")
        areas = {side: areas_of(column(batch, side, GEOMETRY)) for side in (BEFORE, AFTER)} if self._geometric else {}
        for op in self._counts:
            chosen = np.asarray(pc.equal(ops, op))
            self._counts[op] += int(chosen.sum())
            for side, values in areas.items():
                self._areas[op, side] += float(np.nan_to_num(values[chosen]).sum())

    @property
    def _geometric(self) -> bool:
        return any(field.name == GEOMETRY for field in self.fields)


def column(batch: pa.RecordBatch, side: str, name: str) -> pa.Array:
    """Return a column of one side, null where there is no such row."""
    struct = batch.column(side)
    return struct.flatten()[struct.type.get_field_index(name)]


def areas_of(wkb: pa.Array) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return the ellipsoidal area of each geometry, square metres, two decimals; NaN for none. Shape (n,)."""
    shapes = np.asarray(shapely.from_wkb(wkb.to_numpy(zero_copy_only=False)), dtype=object)
    return official_area_m2(shapes)
