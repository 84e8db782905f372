"""The node side of a publish: every row is looked at before anything is written, and all faults are told."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType

import pyarrow as pa

from guotu.model.collection import GEOMETRY, Collection
from guotu.model.errors import InvalidInput
from guotu.model.schema import arrow_schema
from node.ingest.bounds import BoundsWatch
from node.ingest.cast import FieldCaster
from node.ingest.columns import is_bookkeeping
from node.ingest.geometry import GeometryInspector, Parsed
from node.ingest.keys import KeyLedger
from node.ingest.kinds import FORCEABLE, UNPLACED, UNREAD, FaultKind
from node.ingest.report import Fault, ImportReport, sort_findings
from node.ingest.tally import Notes, RowNames, Tally

TOLERANCE_DEG = 0.001
"""How far features may leave their division's box: about 100 m, what simplified boundaries are off by."""


class Inspector:
    """Inspects the rows of one layer, batch by batch, in memory that does not grow with them.

    Rows come with the collection's field names in any type that can be read as the field's, and `geometry` as WKB in
    EPSG:4490, x before y. Use as a context manager, or `close` it: it keeps the keys in a temporary file.
    """

    def __init__(
        self,
        collection: Collection,
        division: str,
        gazetteer_bounds: pa.Table,
        *,
        repair: bool = False,
        force_bounds: bool = False,
        tolerance_deg: float = TOLERANCE_DEG,
        source: str = "",
        source_faults: Sequence[Fault] = (),
        directory: Path | None = None,
        whole: bool = True,
    ) -> None:
        """Prepare to inspect.

        `division` is the node's; `gazetteer_bounds` as `Gazetteer.bounds_table()`; `source_faults` are what the
        reader found and become part of the report; `directory` takes the temporary file. `whole` tells that the rows
        are all there are: then a layer without rows is a fault, and an optional field without column is null.

        Raises:
            ValueError: the gazetteer does not know the division.
        """
        self._collection = collection
        self._schema = arrow_schema(collection)
        self._casters = [FieldCaster(field, collection) for field in collection.fields]
        self._geometry = GeometryInspector(collection.geometry, repair) if collection.has_geometry else None
        self._bounds = BoundsWatch(division, gazetteer_bounds, tolerance_deg)
        self._allowed = FORCEABLE if force_bounds else frozenset()
        self._source = source
        self._source_faults = tuple(source_faults)
        self._keys = KeyLedger(directory)
        self._beside = ThreadPoolExecutor(1, "ingest-geometry")
        self._tally = Tally()
        self._incoming: pa.Schema | None = None
        self._whole = whole
        self._rows = 0

    def begin(self, schema: pa.Schema) -> None:
        """Compare the columns that will come with the collection's; `take` does so itself for the first batch."""
        self._incoming = schema
        if self._knows(UNREAD):
            return
        filled = FaultKind.NOTICE_COLUMN_FILLED if self._whole else FaultKind.INCOMPLETE_STATE
        for field in self._collection.fields:
            if field.name not in schema.names:
                required = not field.nullable or field.name == self._collection.key
                self._tally.add(FaultKind.MISSING_COLUMN if required else filled, field.name)
        for name in schema.names:
            if name not in self._schema.names:
                ignored = FaultKind.NOTICE_COLUMN_IGNORED if is_bookkeeping(name) else FaultKind.EXTRA_COLUMN
                self._tally.add(ignored, name)
        if self._geometry and GEOMETRY not in schema.names and not self._knows(UNPLACED):
            self._tally.add(FaultKind.GEOMETRY_MISSING)

    def take(self, batch: pa.RecordBatch) -> pa.RecordBatch | None:
        """Inspect the next rows.

        Returns them with the schema of `arrow_schema(collection)`, in their order; None once the layer has a fault,
        since nothing of it will be written.

        Raises:
            InvalidInput: the batch is no sound Arrow data, or has another schema than the first.
        """
        self._admit(batch)
        columns = dict(zip(batch.schema.names, batch.columns, strict=True))
        names = RowNames(columns.get(self._collection.key), self._rows)
        notes = Notes(self._tally, names)
        parsing = self._parse(columns.get(GEOMETRY))
        arrays = [
            caster.cast(columns[caster.field.name], notes)
            if caster.field.name in columns
            else pa.nulls(len(batch), self._schema.field(caster.field.name).type)
            for caster in self._casters
        ]
        cast = dict(zip((caster.field.name for caster in self._casters), arrays, strict=True))
        if self._collection.key in columns:
            self._keys.add(cast[self._collection.key].cast(pa.string()))
        shapes = self._take_places(parsing, cast, notes)
        self._rows += len(batch)
        if self._is_refused():
            return None
        return pa.RecordBatch.from_arrays([*arrays, *([shapes] if self._geometry else [])], schema=self._schema)

    def finish(self) -> ImportReport:
        """Look for repeated keys and return what was found; no more rows may come."""
        repeated, keys = self._keys.repeated()
        if repeated:
            self._tally.add(FaultKind.KEY_DUPLICATE, self._collection.key, count=repeated, keys=keys)
        self._bounds.finish(self._tally)
        if self._whole and not self._rows and not self._knows(UNREAD):
            self._tally.add(FaultKind.EMPTY_LAYER)
        faults, notices = sort_findings(self._tally.findings())
        report = ImportReport(
            collection=self._collection.id,
            source=self._source,
            rows=self._rows,
            faults=tuple(fault for fault in faults if fault.kind not in self._allowed),
            notices=(*notices, *(fault for fault in faults if fault.kind in self._allowed)),
            repairs=self._geometry.repairs if self._geometry else None,
        )
        return report.joined(self._source_faults)

    def close(self) -> None:
        """Give up the temporary file and the second thread."""
        self._beside.shutdown(cancel_futures=True)
        self._keys.close()

    def __enter__(self) -> Inspector:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _admit(self, batch: pa.RecordBatch) -> None:
        if self._incoming is None:
            self.begin(batch.schema)
        if not batch.schema.equals(self._incoming):
            raise InvalidInput(detail="a batch has another schema than the first")
        require_sound(batch)

    def _parse(self, shapes: pa.Array | None) -> Future[Parsed] | None:
        """Parse geometries on the second thread, while this one casts the attributes."""
        if self._geometry is None or shapes is None:
            return None
        return self._beside.submit(self._geometry.parse, shapes.cast(pa.binary()))

    def _take_places(self, parsing: Future[Parsed] | None, cast: dict[str, pa.Array], notes: Notes) -> pa.Array | None:
        """Inspect geometries and the counties that features claim; return WKB."""
        claimed = self._collection.division_field
        counties = None
        if claimed:
            codes = cast[claimed].cast(pa.string())
            counties = self._bounds.check_codes(codes, notes.about(claimed))
        if self._geometry is None or parsing is None:
            return None
        inspected = self._geometry.take(parsing.result(), notes)
        self._bounds.take(inspected.bounds, counties, notes)
        return inspected.shapes

    def _knows(self, kinds: frozenset[FaultKind]) -> bool:
        return any(fault.kind in kinds and not fault.part for fault in self._source_faults)

    def _is_refused(self) -> bool:
        known = any(not fault.kind.is_notice for fault in self._source_faults)
        return known or self._tally.has_faults(self._allowed)


def require_sound(batch: pa.RecordBatch) -> None:
    """Look for broken offsets, lengths and texts.

    Raises:
        InvalidInput: the batch is no sound Arrow data.
    """
    try:
        batch.validate(full=True)
    except pa.ArrowInvalid as error:
        raise InvalidInput(detail=f"a batch is not sound: {error}") from error
