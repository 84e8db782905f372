"""A table of a database as a layer: which columns are which fields, where its geometries lie, and its rows."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator

import numpy as np
import pyarrow as pa

from guotu.model.collection import GEOMETRY, Collection, FieldType
from guotu.model.definition import collection_to_json
from node.fingerprints.binding import Binding, TableOptions, software
from node.ingest.columns import plan_columns
from node.ingest.curves import curved
from node.ingest.kinds import FaultKind
from node.ingest.placing import Placer
from node.ingest.reader import LayerFacts
from node.ingest.report import Fault
from node.ingest.source import LayerSource, placer_of, source_of
from node.ingest.tally import EXAMPLES, RowNames, Tally, shorten
from node.stores.postgis.tables.column import Column
from node.stores.postgis.tables.facts import Shape, TableFacts
from node.stores.postgis.tables.statements import Wanted, bound_filter, references
from node.stores.postgis.tables.table import LiveTable, Reference

DRIVER = "PostgreSQL"
"""What reports call where a table is, in the place of a file's format."""
Read = Callable[[Wanted], Iterator[pa.RecordBatch]]
"""Begins to read what is wanted of a table; schema `Wanted.schema`."""


class TableLayer:
    """A table that is open, matched with a collection."""

    def __init__(self, live: LiveTable, options: TableOptions, collection: Collection) -> None:
        """Open it; what does not fit the collection is told by the faults of `source`.

        Raises:
            InvalidQuestion: the URL of the database cannot be read.
            InvalidTable: there is no such table, or it may not be read.
            DatabaseUnavailable: the database is out of reach.
            InvalidFilter, UnknownField, TooLarge: the filter does not suit the table.
        """
        self.facts: TableFacts = live.open()
        self.options = options
        self.collection = collection
        self._live = live
        self._tally = Tally()
        self._filter = bound_filter(options.where, self.facts)
        mapping = {**dict(options.mapping), **({options.key: collection.key} if options.key else {})}
        self._columns = {item.name: item for item in self.facts.columns}
        self._plan = plan_columns([*self._columns], collection, mapping, self._tally)
        self._shape = self._chosen() if collection.has_geometry else None

    @property
    def wanted(self) -> Wanted:
        """What a publication reads of it."""
        columns = dict.fromkeys(self._plan.column_of.values())
        return self._wanted(list(columns), self._shape)

    @property
    def key(self) -> Column | None:
        """The column of the key, if two of its values never become one key; None else, or if there is none."""
        column = self._columns.get(self._plan.column_of.get(self.collection.key, ""))
        field = self.collection.field(self.collection.key)
        if column is None or field is None:
            return None
        plain = {FieldType.TEXT: (pa.string(), pa.int64()), FieldType.INTEGER: (pa.int64(),)}
        return column if column.kind.arrow in plain.get(field.type, ()) else None

    @property
    def read_columns(self) -> tuple[tuple[str, str, str], ...]:
        """Field, column and type of all that is read, the geometry last."""
        fields = [(field, name, self._columns[name].declared) for field, name in self._plan.column_of.items()]
        shapes = [] if self._shape is None else [(GEOMETRY, self._shape.name, self._shape.declared)]
        return (*fields, *shapes)

    @property
    def missing(self) -> tuple[str, ...]:
        """Optional fields that no column stands for."""
        return tuple(
            item.name
            for item in self.collection.fields
            if item.nullable and item.name not in self._plan.column_of and item.name != self.collection.key
        )

    def binding(self, force_bounds: bool, tolerance_deg: float) -> Binding:
        """Return what fingerprints of a publication from it are bound to."""
        return Binding(
            options=self.options,
            force_bounds=force_bounds,
            tolerance_deg=tolerance_deg,
            relation=self.facts.label,
            columns=self.read_columns,
            server=self.facts.server,
            software=software(),
            definition=hashlib.sha256(collection_to_json(self.collection)).hexdigest(),
        )

    @property
    def findings(self) -> list[Fault]:
        """What was found of its columns, not sorted; without looking at its rows."""
        return self._tally.findings()

    def note_filled(self) -> None:
        """Take note of optional fields without a column, which are null; of a whole layer the node tells it itself."""
        for name in self.missing:
            self._tally.add(FaultKind.NOTICE_COLUMN_FILLED, name)

    @property
    def label(self) -> str:
        """What reports and manifests call it: the table and the filter, nothing of the database."""
        where = f" [{shorten(self.options.where)}]" if self.options.where else ""
        return f"{self.facts.label}{where}"

    def source(self, read: Read, rows: int | None = None) -> LayerSource:
        """Return its rows as `read` reads them; all rows unless their number is told."""
        references = self._references() if self._shape and (rows is None or not self._shape.srid) else None
        facts = self._layer_facts(references, rows)
        reader = TableReader(facts, lambda names, shape: read(self._wanted(names, self._shape if shape else None)))
        placer = self._placer(reader, references)
        return source_of(self.label, reader, self._plan, placer, self.collection.key, self._tally)

    def _wanted(self, names: list[str], shape: Shape | None) -> Wanted:
        return Wanted(self.facts, tuple(self._columns[name] for name in names), shape, self._filter)

    def _chosen(self) -> Shape | None:
        """Return the column of geometries; None if there is none, or it is not clear which, which is written down."""
        shapes, named = self.facts.shapes, self.options.geometry
        fitting = [item for item in shapes if item.name == named] if named else list(shapes)
        if not fitting and named:
            fitting = [item for item in shapes if item.name.casefold() == named.casefold()]
        if len(fitting) == 1:
            for other in shapes:
                if other is not fitting[0]:
                    self._tally.add(FaultKind.NOTICE_COLUMN_IGNORED, other.name)
            return fitting[0]
        if shapes:
            self._tally.add(FaultKind.GEOMETRY_AMBIGUOUS, values=[item.name for item in shapes])
        return None

    def _references(self) -> list[Reference]:
        return self._live.references(references(self._wanted([], self._shape)))

    def _layer_facts(self, references: list[Reference] | None, rows: int | None) -> LayerFacts:
        srid = self._shape.srid if self._shape else 0
        extent = None
        if references:
            srid = max(references, key=lambda item: item.rows).srid
            extent = references[0].extent
        return LayerFacts(
            layer="",
            driver=DRIVER,
            encoding="",
            schema=pa.schema([(item.name, item.kind.arrow) for item in self.facts.columns]),
            feature_count=sum(item.rows for item in references or ()) if rows is None else rows,
            has_geometry=bool(self.facts.shapes),
            crs=self._live.system(srid) or f"EPSG:{srid}" if srid else None,
            extent=extent if rows is None else None,
        )

    def _placer(self, reader: TableReader, references: list[Reference] | None) -> Placer | None:
        if self.collection.has_geometry and self._shape is None and self.facts.shapes:
            return None
        if references and len(references) > 1:
            detail = ", ".join(f"SRID {item.srid} × {item.rows}" for item in references)
            most = max(item.rows for item in references)
            self._tally.add(FaultKind.MIXED_CRS, detail=detail, count=sum(item.rows for item in references) - most)
            return None
        return placer_of(reader, self.collection, self.options.crs or None, self._tally)


class TableReader:
    """Rows of a table; see `LayerReader`."""

    def __init__(self, facts: LayerFacts, read: Callable[[list[str], bool], Iterator[pa.RecordBatch]]) -> None:
        """`read` begins to read columns, and the geometry if asked for."""
        self.facts = facts
        self._read = read
        self._told = False

    def batches(self, columns: list[str], geometry: bool, tally: Tally) -> Iterator[pa.RecordBatch]:
        """Yield rows; see `LayerReader`. Those with curves are written down, once, and left out.

        Raises:
            InvalidTable, DatabaseUnavailable: the database gives no more.
        """
        done = 0
        for batch in self._read(columns, geometry):
            bent = curved(batch.column(GEOMETRY)) if geometry else np.zeros(0, np.bool_)
            if bent.any() and not self._told:
                names = RowNames(None, done).first(bent, EXAMPLES)
                tally.add(FaultKind.GEOMETRY_CURVED, count=int(bent.sum()), keys=names)
            done += batch.num_rows
            yield batch.filter(pa.array(~bent)) if bent.any() else batch
        self._told = self._told or geometry
