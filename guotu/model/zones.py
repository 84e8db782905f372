"""Zones: named areas that features are counted and measured in, checked and bounded."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import shapely
from numpy.typing import NDArray

from guotu.model.errors import InvalidQuestion, TooLarge

MAX_ZONES = 100_000
MAX_ZONE_BYTES = 32 << 20
"""Most bytes of an encoded set of zones."""
ZONE = "zone"
"""Column of a zone's name."""
_SHAPE = "geometry"
_SCHEMA = pa.schema([pa.field(ZONE, pa.string(), nullable=False), pa.field(_SHAPE, pa.binary(), nullable=False)])
_MAX_NAME = 256
_SHOWN = 20
_AREAL = (shapely.GeometryType.POLYGON, shapely.GeometryType.MULTIPOLYGON)
_UNREADABLE = (pa.ArrowException, OSError, EOFError, ValueError, TypeError, KeyError)

Objects = NDArray[np.object_]
Numbers = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Zones:
    """Named areas, in the order given; they may overlap."""

    names: pa.StringArray
    """Unique, shape (n,)."""
    shapes: Objects
    """Valid polygons or multipolygons, EPSG:4490, lon/lat, shape (n,)."""

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.shapes)

    def __eq__(self, other: object) -> bool:
        """Tell whether the same names stand for the same shapes, in the same order."""
        return isinstance(other, Zones) and self.encoded() == other.encoded()

    def __hash__(self) -> int:
        """Return a hash of the names."""
        return hash(tuple(self.names.to_pylist()))

    @property
    def boxes(self) -> NDArray[np.float64]:
        """The bounding boxes: xmin, ymin, xmax, ymax in degrees, shape (n, 4)."""
        bounds: NDArray[np.float64] = shapely.bounds(self.shapes)
        return bounds

    def take(self, numbers: Sequence[int]) -> Zones:
        """Return the zones with these numbers, from 0 on."""
        return Zones(self.names.take(pa.array(numbers, pa.int64())), self.shapes[np.array(numbers, np.int64)])

    def encoded(self) -> bytes:
        """Return an Arrow IPC stream: `zone` (string), `geometry` (WKB, ISO, little-endian).

        Raises:
            TooLarge: more than MAX_ZONE_BYTES.
        """
        wkb = pa.array(shapely.to_wkb(self.shapes, byte_order=1, flavor="iso"), pa.binary())
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, _SCHEMA) as writer:
            writer.write_batch(pa.record_batch([self.names, wkb], schema=_SCHEMA))
        data: bytes = sink.getvalue().to_pybytes()
        if len(data) > MAX_ZONE_BYTES:
            raise TooLarge(what="zones", size=len(data), limit=MAX_ZONE_BYTES)
        return data


def zones_of(names: Iterable[str], shapes: Objects) -> Zones:
    """Return zones of names and shapes (EPSG:4490, lon/lat); heights are dropped.

    Raises:
        InvalidQuestion: names or shapes have faults; all of them are told, by the zone's number from 1 on.
        TooLarge: more than MAX_ZONES.
    """
    named = list(names)
    if len(named) > MAX_ZONES:
        raise TooLarge(what="zones", size=len(named), limit=MAX_ZONES)
    faults = zone_faults(named, shapes)
    if faults:
        raise InvalidQuestion(part="zones", detail=told(faults))
    return Zones(pa.array(named, pa.string()), np.asarray(shapely.force_2d(shapes), dtype=object))


def decoded(data: bytes) -> Zones:
    """Return the zones of an Arrow IPC stream, as `Zones.encoded` makes it.

    Raises:
        InvalidQuestion, TooLarge: as `zones_of`, or the bytes are no such stream.
    """
    if len(data) > MAX_ZONE_BYTES:
        raise TooLarge(what="zones", size=len(data), limit=MAX_ZONE_BYTES)
    try:
        table = pa.ipc.open_stream(pa.py_buffer(data)).read_all()
        table.validate(full=True)
        table = table.select(_SCHEMA.names).cast(_SCHEMA)
        shapes = shapely.from_wkb(table[_SHAPE].to_numpy(), on_invalid="ignore")
    except _UNREADABLE as failure:
        raise InvalidQuestion(part="zones", detail=f"not an Arrow IPC stream of zones: {failure}") from failure
    return zones_of(table[ZONE].to_pylist(), shapes)


def zone_faults(names: Sequence[str], shapes: Objects) -> list[str]:
    """Return one sentence a fault, in Chinese and English; none if all is well."""
    if not names:
        return ["没有分区 there is no zone"]
    faults = _name_faults(names)
    kinds = shapely.get_type_id(shapes)
    missing = shapely.is_missing(shapes) | shapely.is_empty(shapes)
    areal = ~missing & np.isin(kinds, _AREAL)
    faults += _each(names, missing, "没有图形，或无法读取 no shape, or one that cannot be read")
    faults += _each(names, ~missing & ~areal, "须为面 a polygon is needed")
    with np.errstate(invalid="ignore"):
        low, high = np.split(shapely.bounds(shapes), 2, axis=1)
        outside = areal & ~((low >= (-180, -90)).all(axis=1) & (high <= (180, 90)).all(axis=1))
    faults += _each(
        names, outside, "坐标须为经纬度（EPSG:4490，经度在前） coordinates must be degrees, longitude first"
    )
    sound = np.flatnonzero(areal & ~outside)
    broken = sound[~shapely.is_valid(shapes[sound])]
    for place, reason in zip(broken.tolist(), shapely.is_valid_reason(shapes[broken]), strict=True):
        faults.append(f"{_which(names, place)}: 图形有误 the shape is not valid: {reason}")
    return faults


def told(faults: Sequence[str]) -> str:
    """Return faults as one text, the first twenty of many."""
    more = [f"… +{len(faults) - _SHOWN}"] if len(faults) > _SHOWN else []
    return "; ".join([*faults[:_SHOWN], *more])


def _name_faults(names: Sequence[str]) -> list[str]:
    first: dict[str, int] = {}
    faults = []
    for place, name in enumerate(names):
        if not name.strip() or len(name) > _MAX_NAME:
            faults.append(
                f"第 no. {place + 1}: 名称须有 1 至 {_MAX_NAME} 字 a name of 1 to {_MAX_NAME} characters is needed"
            )
        elif name in first:
            faults.append(f"{_which(names, place)}: 与第 {first[name] + 1} 个重名 named as no. {first[name] + 1}")
        first.setdefault(name, place)
    return faults


def _each(names: Sequence[str], wrong: NDArray[np.bool_], sentence: str) -> list[str]:
    return [f"{_which(names, place)}: {sentence}" for place in np.flatnonzero(wrong).tolist()]


def _which(names: Sequence[str], place: int) -> str:
    return f"第 no. {place + 1} {names[place][:40]!r}"
