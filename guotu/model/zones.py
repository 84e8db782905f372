"""Zones: named areas that features are counted and measured in, checked and bounded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import shapely
from numpy.typing import NDArray

from guotu.model.errors import InvalidQuestion, TooLarge
from guotu.model.pieces import cut_up

MAX_ZONES = 100_000
"""Most zones of one request."""
MAX_ZONE_BYTES = 32 << 20
"""Most bytes of the zones of one request."""
MAX_BYTES_OF_A_SHAPE = MAX_ZONE_BYTES - (16 << 10)
"""Most bytes of one shape, as WKB, in a request: it has room for a name beside it. Two million points."""
MAX_ZONES_IN_ALL = 5_000_000
"""Most zones of one overlay, which is asked in as many requests as it takes."""
MAX_ZONE_BYTES_IN_ALL = 1 << 30
"""Most bytes of the shapes of one overlay's zones, as WKB."""
ZONE = "zone"
"""Column of a zone's name."""
_POINT_BYTES = 16
_ROW_BYTES = 64
"""Of a row without its points and its name."""
_SHAPE = "geometry"
_SCHEMA = pa.schema([pa.field(ZONE, pa.string(), nullable=False), pa.field(_SHAPE, pa.binary(), nullable=False)])
_MAX_NAME = 256
_SHOWN = 20
_AREAL = (shapely.GeometryType.POLYGON, shapely.GeometryType.MULTIPOLYGON)
_UNREADABLE = (pa.ArrowException, OSError, EOFError, ValueError, TypeError, KeyError)

Objects = NDArray[np.object_]
Numbers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Zones:
    """Named areas, in the order given; they may overlap. Each is of one shape, or of pieces that do not overlap."""

    names: pa.StringArray
    """Unique, shape (n,)."""
    shapes: Objects
    """Valid polygons or multipolygons, EPSG:4490, lon/lat, shape (m,)."""
    owners: Numbers
    """Number of the zone that each shape is, or is a piece of: ascending, from 0 on, shape (m,)."""

    def __len__(self) -> int:
        """Return how many zones there are."""
        return len(self.names)

    def __eq__(self, other: object) -> bool:
        """Tell whether the same names stand for the same shapes, in the same order."""
        return (
            isinstance(other, Zones)
            and self.names.equals(other.names)
            and np.array_equal(self.owners, other.owners)
            and bool((shapely.to_wkb(self.shapes) == shapely.to_wkb(other.shapes)).all())
        )

    def __hash__(self) -> int:
        """Return a hash of the names."""
        return hash(tuple(self.names.to_pylist()))

    @property
    def boxes(self) -> NDArray[np.float64]:
        """The bounding boxes of the shapes: xmin, ymin, xmax, ymax in degrees, shape (m, 4)."""
        bounds: NDArray[np.float64] = shapely.bounds(self.shapes)
        return bounds

    @property
    def whole(self) -> bool:
        """Tell whether each zone is one shape."""
        return len(self.shapes) == len(self.names)

    @property
    def oversized(self) -> bool:
        """Tell whether a shape alone is too large for a request."""
        large = self.shapes[_size_bound(self.shapes) > MAX_BYTES_OF_A_SHAPE]
        return any(len(wkb) > MAX_BYTES_OF_A_SHAPE for wkb in shapely.to_wkb(large).tolist())

    @cached_property
    def pieces(self) -> Zones:
        """The same zones, the large ones in small pieces; pieces are the same however often they are cut up."""
        shapes, source = cut_up(self.shapes)
        return Zones(self.names, shapes, self.owners[source])

    def take(self, numbers: Sequence[int]) -> Zones:
        """Return the zones with these numbers, from 0 on, ascending."""
        wanted = np.array(numbers, np.int64)
        chosen = np.isin(self.owners, wanted)
        return Zones(
            self.names.take(pa.array(wanted)), self.shapes[chosen], np.searchsorted(wanted, self.owners[chosen])
        )

    def part(self, numbers: Sequence[int]) -> Zones:
        """Return what the pieces with these numbers, from 0 on, ascending, are of the zones: for who meets no others.

        A zone is given as those of its pieces, or as it is where that takes no more bytes. No vertex is moved:
        features that meet no other pieces have the same area in common with it, to the last bit.
        """
        chosen = np.array(numbers, np.int64)
        owners = self.pieces.owners[chosen]
        needed = self._sizes(self.pieces.shapes[chosen], owners)
        uncut = (needed > 0) & (needed >= self._sizes(self.shapes, self.owners))
        mine, theirs = uncut[self.owners], ~uncut[owners]
        place = np.concatenate([self.owners[mine], owners[theirs]])
        shapes = np.concatenate([self.shapes[mine], self.pieces.shapes[chosen[theirs]]])
        order = np.argsort(place, kind="stable")
        met, place = np.unique(place[order], return_inverse=True)
        return Zones(self.names.take(pa.array(met)), shapes[order], place)

    def _sizes(self, shapes: Objects, owners: Numbers) -> Numbers:
        """Return about how many bytes the zones take, made of some shapes, in a request; 0 of none, shape (n,)."""
        rows = _POINT_BYTES * shapely.get_num_coordinates(shapes) + _ROW_BYTES + _lengths(self.names)[owners]
        sizes: Numbers = np.bincount(owners, rows, len(self)).astype(np.int64)
        return sizes

    def runs(self) -> Iterator[Zones]:
        """Yield these zones in runs, none of which is too many or too large for one request; by an upper bound."""
        sizes = np.bincount(self.owners, _size_bound(self.shapes), len(self)) + _lengths(self.names)
        start, total = 0, 0.0
        for number, size in enumerate(sizes.tolist()):
            total += size
            if number > start and (total > MAX_ZONE_BYTES or number - start >= MAX_ZONES):
                yield self.take(range(start, number))
                start, total = number, size
        yield self if start == 0 else self.take(range(start, len(self)))

    def encoded(self) -> bytes:
        """Return the `stream`, for a request.

        Raises:
            TooLarge: more than MAX_ZONE_BYTES.
        """
        data = self.stream()
        if len(data) > MAX_ZONE_BYTES:
            raise TooLarge(what="zones", size=len(data), limit=MAX_ZONE_BYTES)
        return data

    def stream(self) -> bytes:
        """Return an Arrow IPC stream: `zone` (string), `geometry` (WKB, ISO, little-endian), a row a shape."""
        wkb = pa.array(shapely.to_wkb(self.shapes, byte_order=1, flavor="iso"), pa.binary())
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, _SCHEMA) as writer:
            writer.write_batch(pa.record_batch([self.names.take(pa.array(self.owners)), wkb], schema=_SCHEMA))
        data: bytes = sink.getvalue().to_pybytes()
        return data


def zones_of(names: Iterable[str], shapes: Objects) -> Zones:
    """Return zones of names and shapes (EPSG:4490, lon/lat); heights are dropped.

    Raises:
        InvalidQuestion: names or shapes have faults; all of them are told, by the zone's number from 1 on.
        TooLarge: more than MAX_ZONES_IN_ALL.
    """
    named = list(names)
    if len(named) > MAX_ZONES_IN_ALL:
        raise TooLarge(what="zones", size=len(named), limit=MAX_ZONES_IN_ALL)
    faults = zone_faults(named, shapes)
    if faults:
        raise InvalidQuestion(part="zones", detail=told(faults))
    return Zones(pa.array(named, pa.string()), _flat(shapes), np.arange(len(named)))


def decoded(data: bytes, pieces: bool = False) -> Zones:
    """Return the zones of an Arrow IPC stream, as `Zones.encoded` makes it.

    With `pieces`, rows of one name that follow each other are pieces of one zone.

    Raises:
        InvalidQuestion, TooLarge: as `zones_of`, or the bytes are no such stream, or of more than MAX_ZONES.
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
    names = table[ZONE].to_pylist()
    first = [place for place, name in enumerate(names) if not (pieces and place and names[place - 1] == name)]
    if len(first) > MAX_ZONES:
        raise TooLarge(what="zones", size=len(first), limit=MAX_ZONES)
    if len(first) == len(names):
        return zones_of(names, shapes)
    faults = _name_faults([names[place] for place in first]) + _shape_faults(names, shapes)
    if faults:
        raise InvalidQuestion(part="zones", detail=told(faults))
    owners = np.searchsorted(np.array(first), np.arange(len(names)), "right") - 1
    return Zones(pa.array([names[place] for place in first], pa.string()), _flat(shapes), owners)


def zone_faults(names: Sequence[str], shapes: Objects) -> list[str]:
    """Return one sentence a fault, in Chinese and English; none if all is well."""
    if not names:
        return ["没有分区 there is no zone"]
    return _name_faults(names) + _shape_faults(names, shapes)


def _shape_faults(names: Sequence[str], shapes: Objects) -> list[str]:
    kinds = shapely.get_type_id(shapes)
    missing = shapely.is_missing(shapes) | shapely.is_empty(shapes)
    areal = ~missing & np.isin(kinds, _AREAL)
    faults = _each(names, missing, "没有图形，或无法读取 no shape, or one that cannot be read")
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


def _flat(shapes: Objects) -> Objects:
    return np.asarray(shapely.force_2d(shapes), dtype=object)


def _size_bound(shapes: Objects) -> NDArray[np.float64]:
    """Return how many bytes shapes take at most as WKB; a ring has four points or more."""
    bound: NDArray[np.float64] = np.asarray(shapely.get_num_coordinates(shapes) * 21.0 + 64, np.float64)
    return bound


def _lengths(names: pa.StringArray) -> NDArray[np.int64]:
    """Return how many bytes names take."""
    lengths: NDArray[np.int64] = pc.binary_length(names).to_numpy().astype(np.int64)
    return lengths
