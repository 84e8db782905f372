"""The node side of an increment: new states, what they state, and deletes, inspected together."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa

from guotu.model.collection import Collection
from guotu.model.errors import InvalidInput
from node.ingest.deletes import DeletesInspector
from node.ingest.inspect import Inspector, require_sound
from node.ingest.kinds import FaultKind
from node.ingest.report import Fault, ImportReport
from node.ingest.stated import StatedColumns
from node.ingest.tally import Notes, RowNames, Tally


@dataclass(frozen=True, slots=True)
class Changed:
    """Inspected new states of one batch, row by row with what is stated of them."""

    rows: pa.RecordBatch
    """Schema `arrow_schema(collection)`."""
    stated: pa.RecordBatch | None
    """Schema `StatedColumns.schema`; None if the increment states nothing."""


class IncrementInspector:
    """Inspects an increment. Its rows go to an inspector of layers, without the columns that only state something."""

    def __init__(
        self,
        inspector: Inspector,
        collection: Collection,
        schema: pa.Schema | None,
        deletes: pa.Schema | None,
        directory: Path | None = None,
    ) -> None:
        """Take an inspector that expects part of a layer, and the schemas to come (None: none of that kind).

        Raises:
            InvalidInput: there is neither.
        """
        if schema is None and deletes is None:
            raise InvalidInput(detail="an increment has changes, deletes or both")
        self._inspector = inspector
        self._key = collection.key
        self._stated = StatedColumns(collection, schema.names if schema else ())
        self._deletes = None if deletes is None else DeletesInspector(collection, deletes, directory)
        self._schema = None if schema is None else _without(schema, self._stated.names)
        self._tally = Tally()
        self._rows = 0
        if self._schema is not None:
            inspector.begin(self._schema)

    @property
    def stated_schema(self) -> pa.Schema | None:
        """Schema of what rows state; None if they state nothing."""
        return self._stated.schema if self._stated.names else None

    @property
    def deletes_schema(self) -> pa.Schema | None:
        """Schema of inspected deletes; None if there are none."""
        return None if self._deletes is None else self._deletes.schema

    def take(self, batch: pa.RecordBatch) -> Changed | None:
        """Inspect the next new states; None once there is a fault, since nothing will be written.

        Raises:
            InvalidInput: the batch is not sound, or no changes were announced.
        """
        if self._schema is None:
            raise InvalidInput(detail="changes came that were not announced")
        require_sound(batch)
        arrays = [batch.column(name) for name in self._schema.names]
        rows = self._inspector.take(pa.RecordBatch.from_arrays(arrays, schema=self._schema))
        stated = None
        if self._stated.names:
            key = batch.column(self._key) if self._key in batch.schema.names else None
            stated = self._stated.cast(batch, Notes(self._tally, RowNames(key, self._rows)))
        self._rows += len(batch)
        return None if rows is None or self._tally.has_faults(frozenset()) else Changed(rows, stated)

    def take_deletes(self, batch: pa.RecordBatch) -> pa.RecordBatch | None:
        """Inspect the next deletes; None once they have a fault.

        Raises:
            InvalidInput: the batch is not sound, or no deletes were announced.
        """
        if self._deletes is None:
            raise InvalidInput(detail="deletes came that were not announced")
        require_sound(batch)
        return self._deletes.take(batch)

    def finish(self) -> ImportReport:
        """Return what was found, in the changes, in what they state, and in the deletes."""
        report = self._inspector.finish().joined(self._tally.findings())
        if self._deletes is not None:
            report = replace(report.joined(self._deletes.finish()), rows=report.rows + self._deletes.rows)
        return report if report.rows or not report.ok else report.joined([Fault(FaultKind.EMPTY_LAYER)])

    def close(self) -> None:
        """Give up temporary files."""
        self._inspector.close()
        if self._deletes is not None:
            self._deletes.close()


def _without(schema: pa.Schema, names: frozenset[str]) -> pa.Schema:
    return pa.schema([field for field in schema if field.name not in names])
