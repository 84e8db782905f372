"""Inspection of a list of what is to be deleted: keys, and what is said to be there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from guotu.model.collection import Collection
from guotu.model.schema import arrow_type
from node.ingest.cast import FieldCaster
from node.ingest.keys import KeyLedger
from node.ingest.kinds import FaultKind
from node.ingest.report import DELETES, Fault
from node.ingest.stated import stated_field
from node.ingest.tally import Notes, RowNames, Tally


class DeletesInspector:
    """Inspects the keys to delete, batch by batch, and any stated values under their fields' names."""

    def __init__(self, collection: Collection, schema: pa.Schema, directory: Path | None = None) -> None:
        """`schema` is that of the batches; columns that are no fields are left out; `directory` takes a file."""
        self._key = collection.key
        self._keys = KeyLedger(directory)
        self._tally = Tally()
        self._casters = [
            FieldCaster(item if item.name == self._key else stated_field(item, item.name), collection)
            for item in collection.fields
            if item.name in schema.names
        ]
        self.schema = pa.schema([pa.field(item.field.name, arrow_type(item.field)) for item in self._casters])
        """Of the inspected rows: the key and what is stated, in the collection's order; all nullable."""
        self.rows = 0
        if self._key not in self.schema.names:
            self._tally.add(FaultKind.MISSING_COLUMN, self._key)

    def take(self, batch: pa.RecordBatch) -> pa.RecordBatch | None:
        """Inspect the next rows; returns them with `schema`, None once there is a fault."""
        keys = batch.column(self._key) if self._key in batch.schema.names else None
        notes = Notes(self._tally, RowNames(keys, self.rows))
        arrays = [caster.cast(batch.column(caster.field.name), notes) for caster in self._casters]
        cast = dict(zip(self.schema.names, arrays, strict=True))
        if self._key in cast:
            self._keys.add(cast[self._key].cast(pa.string()))
        self.rows += len(batch)
        if self._tally.has_faults(frozenset()):
            return None
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)

    def finish(self) -> list[Fault]:
        """Look for repeated keys and return what was found; no more rows may come."""
        repeated, keys = self._keys.repeated()
        if repeated:
            self._tally.add(FaultKind.KEY_DUPLICATE, self._key, count=repeated, keys=keys)
        return [replace(finding, part=DELETES) for finding in self._tally.findings()]

    def close(self) -> None:
        """Give up the temporary file."""
        self._keys.close()
