"""The source side of a publish: a layer of a file, as batches that are ready for the inspector."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from guotu.model.collection import GEOMETRY, Collection
from node.ingest.columns import ColumnPlan, Role, plan_columns
from node.ingest.container import Container, find_container
from node.ingest.crs_claim import settle_crs
from node.ingest.delimited import DelimitedReader
from node.ingest.encoding import EncodingChoice, normalise_encoding
from node.ingest.kinds import UNPLACED, FaultKind
from node.ingest.parquet import ParquetReader
from node.ingest.placing import Placer
from node.ingest.reader import LayerReader, UnreadableLayer
from node.ingest.report import Fault, sort_findings
from node.ingest.tally import RowNames, Tally

BATCH_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class SourceDescription:
    """What was opened; `str()` of it is the source in reports."""

    file: str
    layer: str = ""
    driver: str = ""
    crs: str = ""
    encoding: str = ""

    def __str__(self) -> str:
        facts = ", ".join(filter(None, (self.driver, self.crs, self.encoding)))
        layer = f" [{self.layer}]" if self.layer else ""
        return f"{self.file}{layer} ({facts})" if facts else f"{self.file}{layer}"


class LayerSource:
    """One layer, opened; nothing of it is read twice unless its extent raises doubts about its CRS."""

    def __init__(
        self,
        description: SourceDescription,
        tally: Tally,
        reader: LayerReader | None = None,
        plan: ColumnPlan | None = None,
        placer: Placer | None = None,
        key: str = "",
    ) -> None:
        self.describe = description
        self._tally = tally
        self._reader = reader
        self._columns = dict(plan.column_of) if plan else {}
        self._placer = placer
        self._key = key
        self._judged = False
        self.schema = self._schema()
        """Arrow schema of the batches: fields of the collection in the file's types, then `geometry` as binary."""

    @property
    def feature_count(self) -> int:
        """Rows that will come; 0 if the format does not tell."""
        return self._reader.facts.feature_count if self._reader else 0

    @property
    def faults(self) -> list[Fault]:
        """Why the layer cannot be accepted, as far as was seen; complete after the last batch."""
        return list(sort_findings(self._tally.findings())[0])

    @property
    def notices(self) -> list[Fault]:
        """What else was seen; complete after the last batch."""
        return list(sort_findings(self._tally.findings())[1])

    def judge_extent(self) -> None:
        """Compare the layer's extent with its CRS; where it leaves doubts, look at the rows."""
        if self._placer is None or self._reader is None:
            return
        extent = self._reader.facts.extent
        if extent is not None and self._placer.placement.is_plain(extent):
            return
        try:
            for batch, names in self._read([self._key] if self._key in self._columns else [], geometry=True):
                self._placer.watch(batch.column(GEOMETRY), names)
        except UnreadableLayer as error:
            self._tally.add(FaultKind.UNREADABLE_FILE, detail=str(error))
        self._placer.placement.judge(self._tally)
        self._judged = True
        if any(fault.kind in UNPLACED for fault in self.faults):
            self._placer = None
            self.schema = self._schema()

    def batches(self, most_bytes: int = BATCH_BYTES) -> Iterator[pa.RecordBatch]:
        """Yield the rows in the file's order, in batches of about `most_bytes`, with `schema`; memory stays flat.

        After the last, look at `faults` again: a file whose header lies about its extent shows only then. A layer
        that cannot be read gives no batches.
        """
        if self._reader is None or not len(self.schema):
            return
        try:
            for batch, names in self._read(list(self._columns), self._placer is not None):
                arrays = batch.columns
                if self._placer is not None:
                    arrays[-1] = self._placer.place(arrays[-1], names)
                yield from _sliced(pa.RecordBatch.from_arrays(arrays, schema=self.schema), most_bytes)
        except UnreadableLayer as error:
            self._tally.add(FaultKind.UNREADABLE_FILE, detail=str(error))
        if self._placer is not None and not self._judged:
            self._placer.placement.judge(self._tally)
            self._judged = True

    def _read(self, fields: list[str], geometry: bool) -> Iterator[tuple[pa.RecordBatch, RowNames]]:
        assert self._reader is not None
        done = 0
        columns = list(dict.fromkeys(self._columns[field] for field in fields))
        places = [columns.index(self._columns[field]) for field in fields]
        at = fields.index(self._key) if self._key in fields else None
        for read in self._reader.batches(columns, geometry, self._tally):
            batch = read if len(columns) == len(fields) else _repeated(read, fields, places)
            yield batch, RowNames(None if at is None else batch.column(at), done)
            done += len(batch)

    def _schema(self) -> pa.Schema:
        if self._reader is None:
            return pa.schema([])
        types = self._reader.facts.schema
        fields = [pa.field(field, types.field(column).type) for field, column in self._columns.items()]
        return pa.schema([*fields, *([pa.field(GEOMETRY, pa.binary())] if self._placer else [])])


def open_source(
    path: Path,
    collection: Collection,
    *,
    layer: str | None = None,
    encoding: str | None = None,
    crs: str | None = None,
    key: str | None = None,
    mapping: Mapping[str, str] | None = None,
    role: Role = Role.LAYER,
    operation: str | None = None,
) -> LayerSource:
    """Open a layer for a collection; never raises for what is wrong with it, see `LayerSource.faults`.

    `layer` names one of several; `encoding` and `crs` say what the file does not; `key` is the column that holds
    the collection's key; `mapping` gives the field of a column by the column, empty to leave it out. `role` is what the
    file is for: the batches of changes may have the columns of `stated_columns`, a list of deletes has no geometry.
    `operation` is the column that stands for `OPERATION`.

    Raises:
        ValueError: `encoding` names no text encoding.
    """
    codec = None if encoding is None else normalise_encoding(encoding)
    if encoding is not None and codec is None:
        raise ValueError(f"unknown text encoding {encoding!r}: for example GB18030 or UTF-8")
    tally = Tally()
    description = SourceDescription(path.name)
    try:
        container = find_container(path)
        description = SourceDescription(container.name)
        reader = _open_reader(container, collection, layer, codec, tally)
    except (UnreadableLayer, ValueError) as error:
        tally.add(FaultKind.UNREADABLE_FILE, detail=str(error))
        return LayerSource(description, tally)
    if reader is None:
        return LayerSource(description, tally)
    given = {**(mapping or {}), **({key: collection.key} if key else {})}
    plan = plan_columns(reader.facts.schema.names, collection, given, tally, role, operation)
    placer = None if role is Role.DELETES else placer_of(reader, collection, crs, tally)
    return source_of(container.name, reader, plan, placer, collection.key, tally)


def source_of(
    file: str, reader: LayerReader, plan: ColumnPlan, placer: Placer | None, key: str, tally: Tally
) -> LayerSource:
    """Return the source of a layer that is open, after a look at its extent; `file` is what reports call it."""
    facts = reader.facts
    crs_name = placer.crs_name if placer else ""
    description = SourceDescription(file, facts.layer, facts.driver, crs_name, facts.encoding)
    source = LayerSource(description, tally, reader, plan, placer, key)
    source.judge_extent()
    if not len(source.schema) and not source.faults:
        # Nothing will be sent, so that nobody else could tell.
        tally.add(FaultKind.MISSING_COLUMN, key)
    return source


def _open_reader(
    container: Container, collection: Collection, layer: str | None, encoding: str | None, tally: Tally
) -> LayerReader | None:
    """Open the layer; None if it is not clear which, which is written down."""
    if container.suffix in (".parquet", ".geoparquet"):
        return ParquetReader(container)
    if container.suffix == ".csv":
        table = DelimitedReader(container, encoding)
        _tell_encoding(table.choice, tally)
        return table
    from node.ingest.gdal import GdalReader, list_layers  # GDAL takes a quarter of a second to load

    layers = list_layers(container)
    if layer is not None and layer not in layers:
        tally.add(FaultKind.LAYER_UNKNOWN, layer, ", ".join(layers))
        return None
    if layer is None and len(layers) != 1:
        kind = FaultKind.LAYER_AMBIGUOUS if layers else FaultKind.EMPTY_LAYER
        tally.add(kind, detail=", ".join(layers))
        return None
    reader = GdalReader(container, layer or layers[0], encoding)
    _tell_encoding(reader.choice, tally)
    return reader


def _tell_encoding(choice: EncodingChoice, tally: Tally) -> None:
    if choice.is_wrong:
        tally.add(FaultKind.WRONG_ENCODING, detail=str(choice.named), values=[choice.encoding])
    elif choice.named is None and choice.encoding != "utf-8":
        tally.add(FaultKind.NOTICE_ENCODING, detail=choice.encoding)


def placer_of(reader: LayerReader, collection: Collection, crs: str | None, tally: Tally) -> Placer | None:
    """Return what places the geometries; None if the collection wants none or nobody knows where they lie."""
    facts = reader.facts
    if not collection.has_geometry:
        if facts.has_geometry:
            tally.add(FaultKind.NOTICE_GEOMETRY_DROPPED)
        return None
    if not facts.has_geometry:
        tally.add(FaultKind.GEOMETRY_MISSING)
        return None
    if isinstance(reader, ParquetReader) and reader.geometry_encoding != "WKB":
        tally.add(FaultKind.GEOMETRY_ENCODING, detail=reader.geometry_encoding)
        return None
    claim = settle_crs(facts, crs, tally)
    return None if claim is None else Placer(claim, tally)


def _repeated(batch: pa.RecordBatch, fields: list[str], places: list[int]) -> pa.RecordBatch:
    """Return a batch with a column for each field, where one column of the file stands for two."""
    rest = batch.columns[len(set(places)) :]
    names = [*fields, *batch.schema.names[len(set(places)) :]]
    return pa.RecordBatch.from_arrays([*(batch.column(place) for place in places), *rest], names)


def _sliced(batch: pa.RecordBatch, most_bytes: int) -> Iterator[pa.RecordBatch]:
    """Cut a batch into pieces of about that size."""
    rows = max(1, len(batch) * most_bytes // max(batch.nbytes, 1))
    for start in range(0, len(batch), rows):
        yield batch.slice(start, rows)
