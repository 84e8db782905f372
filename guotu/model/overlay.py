"""Features laid over zones (叠加分析): which meet which, and how large is what they have in common.

The one computation behind every store. A feature counts in a zone where the area that they have in common is at least
a square centimetre, rounded (0.0001 m²); what only touches a border does not. That area is ellipsoidal, by the survey's
formula, rounded half up to 4 decimals of m² for each pair of a zone and a feature, so that sums are exact and do not
depend on who adds. A feature of which less than a billionth lies outside (by area in degrees) is within: its own area
counts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import shapely
from numpy.typing import NDArray

from guotu.model.area import ellipsoidal_area_m2
from guotu.model.collection import GEOMETRY, Collection
from guotu.model.errors import InvalidQuestion
from guotu.model.grouping import division_level, grouping_schema
from guotu.model.pieces import robust
from guotu.model.zones import ZONE, Objects, Zones

COUNT, AREA, SHARE = "count", "area_m2", "share"
AREA_DECIMALS = 4
AREA_TYPE = pa.decimal128(38, AREA_DECIMALS)
_UNITS_PER_M2 = 10**AREA_DECIMALS
_NOTHING = 1e-9
"""Share of a feature, by area in degrees, that may lie outside of a zone which it is within."""
_PAIRS = 1 << 15
"""Pairs of a feature and a piece of a zone that are worked on at a time."""
_TREE_PIECES = 4096
"""Pieces of zones that are looked through at a time."""
_UNKNOWN = -1

Mask = NDArray[np.bool_]
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


def overlay_schema(collection: Collection, group_by: tuple[str, ...], shares: bool) -> pa.Schema:
    """Return the schema of an overlay: `zone`, the group columns, `count`, `area_m2`, and `share` if asked for.

    `zone` is string, `count` int64, `area_m2` decimal128(38, 4), `share` (of the zone's own area) float64, 0 to 1, or
    more where features overlap.

    Raises:
        UnknownField: no such field.
        InvalidQuestion: a level does not suit the collection, or a column would stand twice.
    """
    groups = grouping_schema(collection, group_by, ())
    values = [pa.field(COUNT, pa.int64()), pa.field(AREA, AREA_TYPE)]
    values += [pa.field(SHARE, pa.float64())] if shares else []
    fields = [pa.field(ZONE, pa.string()), *groups, *values]
    names = [field.name for field in fields]
    if len(set(names)) < len(names):
        raise InvalidQuestion(part="group_by", detail=f"列名重复 a column name stands twice: {', '.join(names)}")
    return pa.schema(fields)


def scanned_fields(collection: Collection, group_by: tuple[str, ...]) -> tuple[str, ...]:
    """Return the columns that an overlay needs of each feature."""
    return (*dict.fromkeys(column_of(collection, name) for name in group_by), GEOMETRY)


def zone_column(name: str) -> str:
    """Return the column of an answer that holds a group column of zones which are features themselves."""
    return f"zone_{name}"


def layer_schema(
    zones: Collection, zones_by: tuple[str, ...], collection: Collection, group_by: tuple[str, ...]
) -> pa.Schema:
    """Return the schema of a layer overlay: `zone_` and the name of each group column of the zones, then the others.

    Those are the group columns of the collection, `count` (int64, of pairs of a zone and a feature) and `area_m2`
    (decimal128(38, 4)).

    Raises:
        UnknownField: no such field.
        InvalidQuestion: a level does not suit its collection, or a column would stand twice.
    """
    labels = [field.with_name(zone_column(field.name)) for field in grouping_schema(zones, zones_by, ())]
    fields = [*labels, *list(overlay_schema(collection, group_by, shares=False))[1:]]
    names = [field.name for field in fields]
    if len(set(names)) < len(names):
        raise InvalidQuestion(part="group_by", detail=f"列名重复 a column name stands twice: {', '.join(names)}")
    return pa.schema(fields)


def column_of(collection: Collection, name: str) -> str:
    """Return the column that a group column is made of."""
    return name if division_level(collection, name) is None else collection.division_field


def area_units(shapes: Objects) -> Ints:
    """Return ellipsoidal areas of shapes (EPSG:4490, lon/lat) in units of 0.0001 m², half up. Shape (n,)."""
    return _rounded(ellipsoidal_area_m2(shapes))


def areas_of(units: Ints) -> pa.Decimal128Array:
    """Return units of 0.0001 m² as AREA_TYPE, without a step by Python."""
    halves = np.stack([units, units >> 63], axis=1)
    return pa.Array.from_buffers(AREA_TYPE, len(units), [None, pa.py_buffer(np.ascontiguousarray(halves))])


@dataclass(frozen=True, slots=True)
class Common:
    """What zones and features have in common: pairs, by feature, then by zone."""

    zones: Ints
    """Numbers of the zones, shape (n,)."""
    features: Ints
    """Numbers of the features, shape (n,)."""
    units: Ints
    """Areas in units of 0.0001 m², at least 1, shape (n,)."""


class Overlayer:
    """Lays features over the same zones, batch by batch."""

    def __init__(self, zones: Zones) -> None:
        self._count = len(zones)
        self._pieces, self._zone_of = zones.pieces.shapes, zones.pieces.owners
        shapely.prepare(self._pieces)
        self._trees = [(start, shapely.STRtree(self._pieces[start:end])) for start, end in self._runs()]

    def common(self, shapes: Objects) -> Iterator[Common]:
        """Yield what features have in common with the zones, a bounded number of pairs at a time.

        `shapes` are polygons (EPSG:4490, lon/lat), None or empty for none. A pair comes once.
        """
        own = np.full(len(shapes), _UNKNOWN)
        for feature, piece in self._near(shapes):
            # One number for each pair of a feature and a zone; a pair may have several pieces of the zone.
            pairs, of_pair = np.unique(feature * self._count + self._zone_of[piece], return_inverse=True)
            features, zones = np.divmod(pairs, self._count)
            inside, cut = self._placed(shapes[feature], piece, of_pair, len(pairs))
            cuts = robust(shapely.intersection, self._pieces[piece[cut]], shapes[feature[cut]])
            crossing, of_crossing = np.unique(of_pair[cut], return_inverse=True)
            left = shapely.area(shapes[features[crossing]])
            lost = left - _sums(of_crossing, shapely.area(cuts), len(crossing))
            inside[crossing] = np.abs(lost) <= left * _NOTHING
            units = np.zeros(len(pairs), np.int64)
            units[crossing] = _rounded(_sums(of_crossing, ellipsoidal_area_m2(cuts), len(crossing)))
            units[inside] = _own(own, shapes, features[inside])
            some = units > 0
            yield Common(zones[some], features[some], units[some])

    def _runs(self) -> Iterator[tuple[int, int]]:
        """Yield runs of pieces that are looked through together; the pieces of a zone stand in one."""
        first = np.searchsorted(self._zone_of, np.arange(self._count))
        starts = first[np.unique(first // _TREE_PIECES, return_index=True)[1]].tolist()
        yield from zip(starts, [*starts[1:], len(self._pieces)], strict=True)

    def _near(self, shapes: Objects) -> Iterator[tuple[Ints, Ints]]:
        """Yield features and pieces whose boxes meet, by feature, then by piece; all pieces of a zone together."""
        for start, tree in self._trees:
            feature, piece = tree.query(shapes)
            order = np.lexsort((piece, feature))
            feature, piece = feature[order], piece[order] + start
            zone = self._zone_of[piece]
            ends = np.flatnonzero(np.append((feature[1:] != feature[:-1]) | (zone[1:] != zone[:-1]), len(zone) > 0)) + 1
            done = 0
            while done < len(feature):
                end = int(
                    ends[max(np.searchsorted(ends, done + _PAIRS, "right") - 1, np.searchsorted(ends, done, "right"))]
                )
                yield feature[done:end], piece[done:end]
                done = end

    def _placed(self, shapes: Objects, piece: Ints, of_pair: Ints, count: int) -> tuple[Mask, Ints]:
        """Return which pairs of a feature and a zone lie well inside, shape (count,), and the places to be cut.

        `shapes` are met by the box of the `piece` beside them; `of_pair` tells the pair that each place is of.
        """
        inside = np.zeros(count, np.bool_)
        inside[of_pair[robust(shapely.contains_properly, self._pieces[piece], shapes).astype(np.bool_)]] = True
        unsure = np.flatnonzero(~inside[of_pair])
        meet = robust(shapely.intersects, self._pieces[piece[unsure]], shapes[unsure]).astype(np.bool_)
        return inside, unsure[meet]


def _sums(place: Ints, values: Floats, count: int) -> Floats:
    sums: Floats = np.bincount(place, values, count).astype(np.float64)  # of no values at all, it makes integers
    return sums


def _own(own: Ints, shapes: Objects, features: Ints) -> Ints:
    """Return the features' own areas in units; `own` keeps those that are known by now."""
    fresh = np.unique(features[own[features] == _UNKNOWN])
    own[fresh] = area_units(shapes[fresh])
    known: Ints = own[features]
    return known


def _rounded(areas: Floats) -> Ints:
    units: Ints = np.floor(areas * _UNITS_PER_M2 + 0.5).astype(np.int64)
    return units
