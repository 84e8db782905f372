"""Zones from a file of polygons, in any format and reference system that a layer can be published from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import shapely

from guotu.model.collection import GEOMETRY, Collection, Family, Field, FieldType, GeometryType
from guotu.model.errors import InvalidQuestion, TooLarge
from guotu.model.zones import MAX_ZONE_BYTES, MAX_ZONES, ZONE, Zones, told, zone_faults, zones_of

if TYPE_CHECKING:
    from node.ingest.source import LayerSource

_PART = "ZONES"


@dataclass(frozen=True, slots=True)
class ZoneFile:
    """A file of zones, as given."""

    path: Path
    field: str | None
    """Column that names the zones; None to number them from 1 on."""
    layer: str | None
    encoding: str | None
    crs: str | None

    def read(self) -> Zones:
        """Return the zones, EPSG:4490.

        Raises:
            InvalidQuestion: the file cannot be read, or the zones have faults; all of them are told.
            TooLarge: there are too many, or they are too large.
        """
        from node.ingest.source import open_source

        try:
            source = open_source(
                self.path, self._collection(), layer=self.layer, encoding=self.encoding, crs=self.crs, key=self.field
            )
        except ValueError as failure:
            raise InvalidQuestion(part="--encoding", detail=str(failure)) from failure
        names, shapes = self._rows(source)
        faults = [*_file_faults(source), *(zone_faults(names, shapes) if len(source.schema) else [])]
        if faults:
            raise InvalidQuestion(part=_PART, detail=f"{source.describe}: {told(faults)}")
        return zones_of(names, shapes)

    def _collection(self) -> Collection:
        """Return a layer of zones as a collection."""
        fields = () if self.field is None else (Field(ZONE, "分区", FieldType.TEXT),)
        return Collection(ZONE, Family.PLANNING, "分区", "zones", GeometryType.POLYGON, ZONE, fields)

    def _rows(self, source: LayerSource) -> tuple[list[str], np.ndarray[tuple[int], np.dtype[np.object_]]]:
        names: list[str] = []
        parts: list[pa.Array] = []
        size = 0
        for batch in source.batches():
            named = ZONE in batch.schema.names
            names += _texts(batch.column(ZONE)) if named else _numbers(len(names), len(batch))
            if GEOMETRY in batch.schema.names:
                parts.append(batch.column(GEOMETRY))
                size += parts[-1].nbytes
            if len(names) > MAX_ZONES or size > MAX_ZONE_BYTES:
                most = MAX_ZONES if len(names) > MAX_ZONES else MAX_ZONE_BYTES
                raise TooLarge(what=f"{_PART} {self.path.name}", size=f"> {most}", limit=most)
        wkb = pa.chunked_array(parts, pa.binary())
        return names[: len(wkb)], shapely.from_wkb(wkb.to_numpy(), on_invalid="ignore")


def _texts(column: pa.Array) -> list[str]:
    texts: list[str] = pc.fill_null(column.cast(pa.string()), "").to_pylist()
    return texts


def _numbers(done: int, count: int) -> list[str]:
    return [str(number) for number in range(done + 1, done + count + 1)]


def _file_faults(source: LayerSource) -> list[str]:
    """Return what is wrong with a file, but for columns that have nothing to do with zones."""
    from node.ingest.kinds import FaultKind

    return [
        f"{fault.chinese} {fault.english}. {fault.remedy_chinese} {fault.remedy_english}".strip()
        for fault in source.faults
        if fault.kind is not FaultKind.EXTRA_COLUMN
    ]
