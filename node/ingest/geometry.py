"""Geometries of one collection: readable, of the right type, finite, valid; repaired where that is asked for."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import shapely
from numpy.typing import NDArray

from guotu.model.area import Floats, Objects, ellipsoidal_area_m2
from guotu.model.collection import GeometryType
from node.ingest.kinds import FaultKind
from node.ingest.report import Repairs
from node.ingest.tally import EXAMPLES, Mask, Notes, as_mask

_TYPES = {GeometryType.POINT: (0, 4), GeometryType.LINE: (1, 5), GeometryType.POLYGON: (3, 6)}
_DIMENSION = {GeometryType.POINT: 0, GeometryType.LINE: 1, GeometryType.POLYGON: 2}
_NAMES = (
    "Point", "LineString", "LinearRing", "Polygon", "MultiPoint", "MultiLineString", "MultiPolygon",
    "GeometryCollection",
)  # fmt: skip
_COLLECTION = 7
_LOCATION = re.compile(r"\[.*\]$")


@dataclass(frozen=True, slots=True)
class Parsed:
    """The geometries of one batch before their checks; n rows."""

    shapes: pa.Array
    """WKB, binary, as it came."""
    geometries: Objects
    """Two-dimensional; None where there is none or the bytes cannot be read."""
    valid: Mask
    deep: Mask
    """Rows that had heights or measures."""
    closed: Mask
    """Rows whose open rings the parser closed."""


@dataclass(frozen=True, slots=True)
class Inspected:
    """The geometries of one batch after their checks."""

    shapes: pa.Array
    """WKB, binary; the bytes as they came where nothing was repaired."""
    bounds: Floats
    """(n, 4) xmin, ymin, xmax, ymax; NaN where there is no finite geometry of the right type."""


class GeometryInspector:
    """Checks the geometries of one collection, batch by batch."""

    def __init__(self, kind: GeometryType, repair: bool) -> None:
        self._kind = kind
        self._repair = repair
        self._count = 0
        self._keys: list[str] = []
        self._before = self._after = self._largest = 0.0

    @property
    def repairs(self) -> Repairs | None:
        """What was repaired so far; None if nothing was."""
        if not self._count:
            return None
        return Repairs(self._count, tuple(self._keys), self._before, self._after, self._largest)

    def parse(self, shapes: pa.Array) -> Parsed:
        """Parse one batch of WKB and test what can be; touches nothing else, so that it may run beside other work."""
        raw = shapes.to_numpy(zero_copy_only=False)
        with np.errstate(invalid="ignore"):  # NaN is told of later
            geometries: Objects = shapely.from_wkb(raw, on_invalid="ignore")
        closed = np.zeros(len(raw), dtype=np.bool_)
        unread = shapely.is_missing(geometries) & as_mask(shapes.is_valid())
        if self._repair and unread.any():
            geometries[unread] = _closed(raw[unread])
            closed = unread & ~shapely.is_missing(geometries)
        deep = shapely.has_z(geometries) | shapely.has_m(geometries)
        geometries[deep] = shapely.force_2d(geometries[deep])
        return Parsed(shapes, geometries, shapely.is_valid(geometries), deep, closed)

    def take(self, parsed: Parsed, notes: Notes) -> Inspected:
        """Check one batch of geometries in EPSG:4490, x before y; write down what is wrong, repair if asked to."""
        geometries, valid, closed = parsed.geometries, parsed.valid, parsed.closed
        null = ~as_mask(parsed.shapes.is_valid())
        notes.note(FaultKind.GEOMETRY_NULL, null)
        notes.note(FaultKind.GEOMETRY_UNREADABLE, shapely.is_missing(geometries) & ~null)
        notes.note(FaultKind.NOTICE_DIMENSION_DROPPED, parsed.deep)
        sound = self._check_kind(geometries, notes)
        finite = self._is_finite(geometries, sound & ~valid, notes)
        broken = sound & ~valid & finite
        changed = parsed.deep | closed
        if self._repair and (broken | closed).any():
            changed |= self._mend(geometries, broken, closed & sound, notes)
        else:
            _note_reasons(geometries, broken, notes)
        bounds = shapely.bounds(geometries)
        bounds[~(sound & finite)] = np.nan
        return Inspected(_with(parsed.shapes, geometries, changed), bounds)

    def _check_kind(self, geometries: Objects, notes: Notes) -> Mask:
        """Write down empty geometries and those of another type; returns which are neither nor missing."""
        types = shapely.get_type_id(geometries)
        present: Mask = types >= 0
        empty = present & shapely.is_empty(geometries)
        notes.note(FaultKind.GEOMETRY_EMPTY, empty)
        sound: Mask = present & ~empty & np.isin(types, _TYPES[self._kind])
        wrong = present & ~empty & ~sound
        wanted = pa.array([self._kind.value] * len(geometries)) if wrong.any() else None
        for code in np.unique(types[wrong]):
            notes.note(FaultKind.GEOMETRY_TYPE, wrong & (types == code), wanted, _NAMES[code])
        return sound

    def _is_finite(self, geometries: Objects, doubtful: Mask, notes: Notes) -> Mask:
        """Tell which of the doubtful geometries have finite coordinates only; True for all others."""
        finite = np.ones(len(geometries), dtype=np.bool_)
        rows = np.flatnonzero(doubtful)
        points, owner = shapely.get_coordinates(geometries[rows], return_index=True)
        finite[rows[np.unique(owner[~np.isfinite(points).all(axis=1)])]] = False
        notes.note(FaultKind.COORDINATES_NOT_FINITE, ~finite)
        return finite

    def _mend(self, geometries: Objects, broken: Mask, closed: Mask, notes: Notes) -> Mask:
        """Repair in place; returns which rows were."""
        before = geometries[broken | closed]
        after = before.copy()
        invalid = broken[broken | closed]
        after[invalid] = _keep(_valid(before[invalid]), _DIMENSION[self._kind])
        lost = shapely.is_empty(after) | ~shapely.is_valid(after)
        rows = np.flatnonzero(broken | closed)
        failed = np.zeros(len(geometries), dtype=np.bool_)
        failed[rows[lost]] = True
        for reason, mask in _reasons(geometries, failed):
            notes.note(FaultKind.GEOMETRY_UNREPAIRABLE, mask, detail=reason)
        mended: Mask = (broken | closed) & ~failed
        self._record(before[~lost], after[~lost], mended, notes)
        for reason, mask in _reasons(geometries, mended & broken):
            notes.note(FaultKind.NOTICE_REPAIRED, mask, detail=reason)
        notes.note(FaultKind.NOTICE_REPAIRED, mended & ~broken, detail="Ring not closed")
        geometries[rows[~lost]] = after[~lost]
        return mended

    def _record(self, before: Objects, after: Objects, mended: Mask, notes: Notes) -> None:
        self._count += len(after)
        self._keys += notes.names.first(mended, EXAMPLES - len(self._keys))
        old, new = _areas(before), _areas(after)
        self._before += float(old.sum())
        self._after += float(new.sum())
        self._largest = max(self._largest, float(np.abs(new - old).max(initial=0.0)))


def _note_reasons(geometries: Objects, broken: Mask, notes: Notes) -> None:
    for reason, mask in _reasons(geometries, broken):
        notes.note(FaultKind.GEOMETRY_INVALID, mask, detail=reason)


def _reasons(geometries: Objects, broken: Mask) -> list[tuple[str, Mask]]:
    """Return why geometries are not valid, with the rows of each reason; places are left out."""
    rows = np.flatnonzero(broken)
    texts = np.array([_LOCATION.sub("", text) for text in shapely.is_valid_reason(geometries[rows])], dtype=object)
    found = []
    for reason in dict.fromkeys(texts):
        mask = np.zeros(len(geometries), dtype=np.bool_)
        mask[rows[texts == reason]] = True
        found.append((str(reason), mask))
    return found


def _closed(raw: NDArray[np.object_]) -> Objects:
    """Parse with open rings closed; None for bytes that are broken otherwise."""
    parsed = [_close_one(item) for item in raw]
    result: Objects = np.empty(len(parsed), dtype=object)
    result[:] = parsed
    return result


def _close_one(wkb: bytes) -> shapely.Geometry | None:
    try:
        return shapely.from_wkb(wkb, on_invalid="fix")
    except (shapely.errors.ShapelyError, ValueError):
        return None


def _valid(geometries: Objects) -> Objects:
    valid: Objects = shapely.make_valid(geometries, method="structure", keep_collapsed=False)
    return valid


def _keep(geometries: Objects, dimension: int) -> Objects:
    """Keep of each geometry the parts of that dimension; a multi-geometry where there are several."""
    kept = geometries.copy()
    for row in np.flatnonzero(shapely.get_type_id(geometries) == _COLLECTION):
        parts = shapely.get_parts(shapely.get_parts(geometries[row]))
        kept[row] = shapely.union_all(parts[shapely.get_dimensions(parts) == dimension])
    return kept


def _areas(geometries: Objects) -> Floats:
    """Return ellipsoidal areas, m²; NaN-free, 0 where coordinates are no longitudes and latitudes."""
    bounds = shapely.bounds(geometries)
    placed = (np.abs(bounds[:, [0, 2]]) <= 180).all(axis=1) & (np.abs(bounds[:, [1, 3]]) <= 90).all(axis=1)
    areas = np.zeros(len(geometries))
    areas[placed] = ellipsoidal_area_m2(geometries[placed])
    return areas


def _with(shapes: pa.Array, geometries: Objects, changed: Mask) -> pa.Array:
    """Return the WKB as it came, but for the rows that changed."""
    if not changed.any():
        return shapes
    raw = shapes.to_numpy(zero_copy_only=False).copy()
    raw[changed] = shapely.to_wkb(geometries[changed], byte_order=1, flavor="iso")
    return pa.array(raw, pa.binary())
