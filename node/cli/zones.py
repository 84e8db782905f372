"""Zones as given: files of polygons in any format and CRS that layers are published from, drawn ones, divisions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import shapely

from guotu.model.collection import GEOMETRY, Collection, Family, Field, FieldType, GeometryType
from guotu.model.errors import InvalidQuestion, NotFound, TooLarge
from guotu.model.zones import MAX_ZONE_BYTES_IN_ALL, MAX_ZONES_IN_ALL, ZONE, Zones, told, zone_faults, zones_of
from node.cli.console import say
from node.cli.drawn import Drawn, Named

if TYPE_CHECKING:
    from guotu.model.boundary import Boundary
    from guotu.model.question import Cut
    from node.ingest.source import LayerSource

_PART = "ZONES"


FindBoundary = Callable[[str, "Cut"], "Boundary"]
"""Returns the boundary of a division, by its code or name, at a cut; as `guotu.client.Client.boundary`."""


@dataclass(frozen=True, slots=True)
class GivenZones:
    """All zones of one overlay, in the order file, drawn ones, divisions."""

    file: ZoneFile | None
    drawn: tuple[Drawn, ...] = ()
    divisions: tuple[str, ...] = ()
    """Codes or names; their zones are named by their codes."""

    def read(self, boundary: FindBoundary, cut: Cut) -> Zones:
        """Return the zones, EPSG:4490; those without a name are numbered by their place among all, from 1 on.

        Tells (on stderr) at which versions boundaries of divisions were found.

        Raises:
            InvalidQuestion: there is none, something cannot be read, or zones have faults; all of them are told.
            TooLarge: there are too many, or they are too large.
            Unavailable, Incomplete, DeadlineExceeded: who holds a boundary does not answer.
        """
        found, faults = self.file.zones() if self.file is not None else ([], [])
        for drawn in self.drawn:
            try:
                found += drawn.zones()
            except ValueError as failure:
                faults.append(f"--zone {failure}")
        for division in self.divisions:
            try:
                found.append(_bounded(boundary(division, cut)))
            except (InvalidQuestion, NotFound) as failure:
                faults.append(f"--division {division}: {failure.chinese} {failure.english}")
        names = [str(number) if name is None else name for number, (name, _) in enumerate(found, start=1)]
        if found or not faults:
            faults += zone_faults(names, np.array([shape for _, shape in found], object))
        if faults:
            raise InvalidQuestion(part=_PART, detail=told(faults))
        return zones_of(names, np.array([shape for _, shape in found], object))


def _bounded(found: Boundary) -> Named:
    versions = ", ".join(f"{dataset}@{version}" for dataset, version in sorted(found.cut.items()))
    say(f"分区 zone {found.code} {found.name}: {versions}")
    return found.code, shapely.from_wkb(found.wkb)


@dataclass(frozen=True, slots=True)
class ZoneFile:
    """A file of zones, as given."""

    path: Path
    field: str | None
    """Column that names the zones; None to number them from 1 on."""
    layer: str | None
    encoding: str | None
    crs: str | None

    def zones(self) -> tuple[list[Named], list[str]]:
        """Return the zones, EPSG:4490, and what is wrong with the file, but for the zones themselves.

        Raises:
            InvalidQuestion: the file cannot be read.
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
        return list(zip(names, shapes, strict=True)), [f"{source.describe}: {fault}" for fault in _file_faults(source)]

    def _collection(self) -> Collection:
        """Return a layer of zones as a collection."""
        fields = () if self.field is None else (Field(ZONE, "分区", FieldType.TEXT),)
        return Collection(ZONE, Family.PLANNING, "分区", "zones", GeometryType.POLYGON, ZONE, fields)

    def _rows(self, source: LayerSource) -> tuple[list[str | None], np.ndarray[tuple[int], np.dtype[np.object_]]]:
        names: list[str | None] = []
        parts: list[pa.Array] = []
        size = 0
        for batch in source.batches():
            named = ZONE in batch.schema.names
            names += _texts(batch.column(ZONE)) if named else [None] * len(batch)
            if GEOMETRY in batch.schema.names:
                parts.append(batch.column(GEOMETRY))
                size += parts[-1].nbytes
            if len(names) > MAX_ZONES_IN_ALL or size > MAX_ZONE_BYTES_IN_ALL:
                most = MAX_ZONES_IN_ALL if len(names) > MAX_ZONES_IN_ALL else MAX_ZONE_BYTES_IN_ALL
                raise TooLarge(what=f"{_PART} {self.path.name}", size=f"> {most}", limit=most)
        wkb = pa.chunked_array(parts, pa.binary())
        return names[: len(wkb)], shapely.from_wkb(wkb.to_numpy(), on_invalid="ignore")


def _texts(column: pa.Array) -> list[str]:
    texts: list[str] = pc.fill_null(column.cast(pa.string()), "").to_pylist()
    return texts


def _file_faults(source: LayerSource) -> list[str]:
    """Return what is wrong with a file, but for columns that have nothing to do with zones."""
    from node.ingest.kinds import FaultKind

    return [
        f"{fault.chinese} {fault.english}. {fault.remedy_chinese} {fault.remedy_english}".strip()
        for fault in source.faults
        if fault.kind is not FaultKind.EXTRA_COLUMN
    ]
