"""Features laid over zones (叠加分析): which meet which, and how large is what they have in common.

The one computation behind every store. A feature counts in a zone where the area that they have in common is at least
a square centimetre, rounded (0.0001 m²); what only touches a border does not. That area is ellipsoidal, by the survey's
formula, rounded half up to 4 decimals of m² for each pair of a zone and a feature, so that sums are exact and do not
depend on who adds. A feature of which less than a billionth lies outside (by area in degrees) is within: its own area
counts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import shapely
from numpy.typing import NDArray

from guotu.model.area import ellipsoidal_area_m2
from guotu.model.collection import GEOMETRY, Collection
from guotu.model.division import prefix_length
from guotu.model.errors import InvalidQuestion, TooLarge
from guotu.model.grouping import division_level, grouping_schema
from guotu.model.zones import ZONE, Objects, Zones

COUNT, AREA, SHARE = "count", "area_m2", "share"
AREA_DECIMALS = 4
AREA_TYPE = pa.decimal128(38, AREA_DECIMALS)
_UNITS_PER_M2 = 10**AREA_DECIMALS
_WITHIN = 1 - 1e-9
_PIECE_POINTS = 512
"""A zone with more points is cut into pieces of at most so many, of which a feature on its border meets a few."""
_MOST_HALVINGS = 40
_COMPACT_ROWS = 200_000

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
        raise InvalidQuestion(part="group_by", detail=f"a column name stands twice: {', '.join(names)}")
    return pa.schema(fields)


def scanned_fields(collection: Collection, group_by: tuple[str, ...]) -> tuple[str, ...]:
    """Return the columns that an overlay needs of each feature."""
    return (*dict.fromkeys(_column_of(collection, name) for name in group_by), GEOMETRY)


def _column_of(collection: Collection, name: str) -> str:
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
        self._zones = zones.shapes.copy()
        shapely.prepare(self._zones)
        self._pieces, self._zone_of = _cut_up(self._zones)
        self._cut = len(self._pieces) > len(self._zones)
        self._tree = shapely.STRtree(self._pieces)

    def common(self, shapes: Objects) -> Common:
        """Return what features (polygons, EPSG:4490, lon/lat; None or empty for none) have in common with the zones."""
        feature, piece = self._tree.query(shapes)
        pairs = np.unique(feature * len(self._zones) + self._zone_of[piece])
        features, zones = np.divmod(pairs, len(self._zones))
        inside = _robust(shapely.contains_properly, self._zones[zones], shapes[features]).astype(np.bool_)
        unsure = np.flatnonzero(~inside)
        crossing = unsure[
            _robust(shapely.intersects, self._zones[zones[unsure]], shapes[features[unsure]]).astype(bool)
        ]
        cuts, of_pair = self._cuts(shapes, pairs[crossing], feature, piece)
        outline = shapely.area(shapes[features[crossing]])
        inside[crossing] = np.bincount(of_pair, shapely.area(cuts), len(crossing)) >= outline * _WITHIN
        units = np.zeros(len(pairs), np.int64)
        owners, own = np.unique(features[inside], return_inverse=True)
        areas = ellipsoidal_area_m2(np.concatenate([shapes[owners], cuts]))
        units[inside] = _rounded(areas[: len(owners)])[own]
        partly = ~inside[crossing]
        sums = np.bincount(of_pair, areas[len(owners) :], len(crossing))
        units[crossing[partly]] = _rounded(sums[partly])
        some = units > 0
        return Common(zones[some], features[some], units[some])

    def _cuts(self, shapes: Objects, pairs: Ints, feature: Ints, piece: Ints) -> tuple[Objects, Ints]:
        """Return the intersections of pairs, piece by piece of the zones, and the place in `pairs` that each is of."""
        keys = feature * len(self._zones) + self._zone_of[piece]
        place = np.minimum(np.searchsorted(pairs, keys), max(len(pairs) - 1, 0))
        wanted = np.flatnonzero(pairs[place] == keys) if len(pairs) else np.zeros(0, np.int64)
        order = wanted[np.lexsort((piece[wanted], place[wanted]))]
        cuts = _robust(shapely.intersection, self._pieces[piece[order]], shapes[feature[order]])
        return cuts, place[order]


class Tabulation:
    """Groups of an overlay: counts and areas by zone and group, exact, added up as batches come."""

    def __init__(self, zones: Zones, collection: Collection, group_by: tuple[str, ...], max_rows: int) -> None:
        """Take the zones, the collection of the features, the group columns, and how many groups there may be.

        Raises: as `overlay_schema`.
        """
        self._names = zones.names
        self._overlayer = Overlayer(zones)
        self._collection = collection
        self._group_by = group_by
        self._max_rows = max_rows
        self._schema = overlay_schema(collection, group_by, shares=False)
        self._parts: list[pa.Table] = []
        self._gathered = 0

    def add(self, batch: pa.RecordBatch) -> None:
        """Add features; `batch` has the columns `scanned_fields`, geometry as WKB.

        Raises:
            TooLarge: more groups than there may be.
        """
        shapes = np.asarray(shapely.from_wkb(batch.column(GEOMETRY).to_numpy(zero_copy_only=False)), dtype=object)
        found = self._overlayer.common(shapes)
        columns = [pa.array(found.zones)]
        rows = pa.array(found.features)
        columns += [_group_column(batch, self._collection, name).take(rows) for name in self._group_by]
        columns += [pa.array(np.ones(len(rows), np.int64)), areas_of(found.units)]
        self._parts.append(self._grouped([pa.Table.from_arrays(columns, self._schema.names)]))
        self._gathered += self._parts[-1].num_rows
        if self._gathered > _COMPACT_ROWS + 2 * self._parts[0].num_rows:
            self._compact()

    def table(self) -> pa.Table:
        """Return one row a zone and group, not sorted; schema `overlay_schema` without shares.

        Raises:
            TooLarge: more groups than there may be.
        """
        if not self._parts:
            return self._schema.empty_table()
        self._compact()
        merged = self._parts[0]
        return merged.set_column(0, ZONE, self._names.take(merged.column(0).combine_chunks())).cast(self._schema)

    def _compact(self) -> None:
        self._parts = [self._grouped(self._parts)]
        self._gathered = self._parts[0].num_rows
        if self._gathered > self._max_rows:
            raise TooLarge(what="groups", size=f"> {self._max_rows}", limit=self._max_rows)

    def _grouped(self, parts: Sequence[pa.Table]) -> pa.Table:
        keys = [ZONE, *self._group_by]
        grouped = pa.concat_tables(parts).group_by(keys, use_threads=False).aggregate([(COUNT, "sum"), (AREA, "sum")])
        return grouped.select([*keys, f"{COUNT}_sum", f"{AREA}_sum"]).rename_columns([*keys, COUNT, AREA])


def _group_column(batch: pa.RecordBatch, collection: Collection, name: str) -> pa.Array:
    """Return a group column; a level is the prefix of the code, filled up with zeros."""
    values = batch.column(_column_of(collection, name))
    level = division_level(collection, name)
    if level is None:
        return values
    prefix = pc.utf8_slice_codeunits(values, 0, prefix_length(level))
    return pc.utf8_slice_codeunits(pc.binary_join_element_wise(prefix, "000000", ""), 0, 6)


def _rounded(areas: Floats) -> Ints:
    units: Ints = np.floor(areas * _UNITS_PER_M2 + 0.5).astype(np.int64)
    return units


def _cut_up(zones: Objects) -> tuple[Objects, Ints]:
    """Return pieces of zones, none with many points, and the number of the zone that each is of, ascending."""
    pieces, owner = zones, np.arange(len(zones))
    for _ in range(_MOST_HALVINGS):
        large = shapely.get_num_coordinates(pieces) > _PIECE_POINTS
        if not large.any():
            break
        halves = _halves(pieces[large])
        kept = np.concatenate([pieces[~large], halves])
        owners = np.concatenate([owner[~large], np.tile(owner[large], 2)])
        filled = ~shapely.is_empty(kept)
        order = np.argsort(owners[filled], kind="stable")
        pieces, owner = kept[filled][order], owners[filled][order]
    return pieces, owner


def _halves(shapes: Objects) -> Objects:
    """Return the lower or left halves of shapes, then the upper or right ones; cut across their longer side."""
    xmin, ymin, xmax, ymax = shapely.bounds(shapes).T
    wide = xmax - xmin > ymax - ymin
    x, y = (xmin + xmax) / 2, (ymin + ymax) / 2
    low = shapely.box(xmin, ymin, np.where(wide, x, xmax), np.where(wide, ymax, y))
    high = shapely.box(np.where(wide, x, xmin), np.where(wide, ymin, y), xmax, ymax)
    return _areal(_robust(shapely.intersection, np.tile(shapes, 2), np.concatenate([low, high])))


def _areal(shapes: Objects) -> Objects:
    """Return shapes without what they have besides polygons: the lines along which a cut touches."""
    mixed = shapely.get_type_id(shapes) == shapely.GeometryType.GEOMETRYCOLLECTION
    for place in np.flatnonzero(mixed).tolist():
        parts = shapely.get_parts(shapes[place])
        shapes[place] = shapely.multipolygons(parts[shapely.get_type_id(parts) == shapely.GeometryType.POLYGON])
    return shapes


def _robust(work: Callable[..., Any], left: Objects, right: Objects) -> NDArray[Any]:
    """Do some work with pairs of shapes; a pair that it fails with is repaired, whatever stands beside it."""
    try:
        return np.asarray(work(left, right))
    except shapely.errors.GEOSException:
        if len(left) > 1:
            half = len(left) // 2
            return np.concatenate([_robust(work, left[:half], right[:half]), _robust(work, left[half:], right[half:])])
        return np.asarray(work(shapely.make_valid(left), shapely.make_valid(right)))
