"""Where features lie, against where their division does; exchanged axes and shifted web map coordinates."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from guotu.model.division import prefix_of
from guotu.model.gcj02 import gcj_to_wgs
from node.ingest.kinds import FaultKind
from node.ingest.placement import describe_label, label_rows
from node.ingest.tally import EXAMPLES, Mask, Notes, Tally, as_mask

Floats = NDArray[np.float64]

# The shift of web maps within China is below 0.01 degrees; only features this near an edge can be moved over it.
_RIM_DEG = 0.01
_SWAP_MARGIN_DEG = 0.5
_GLOBE = np.array([-180.0, -90.0, 180.0, 90.0])
_OUTWARD = np.array([-1.0, -1.0, 1.0, 1.0])
_FEWEST_SHIFTED, _CURED_SHARE = 3, 0.25


class BoundsWatch:
    """Watches the bounds of features, each against the box of its county or of the node's division."""

    def __init__(self, division: str, gazetteer_bounds: pa.Table, tolerance_deg: float) -> None:
        """Keep the boxes of `gazetteer_bounds`: code, xmin, ymin, xmax, ymax, EPSG:4490 lon/lat, sorted by code.

        Raises:
            ValueError: the division is not among them.
        """
        order = np.argsort(gazetteer_bounds["code"].to_numpy())
        self._codes = gazetteer_bounds["code"].to_numpy()[order].astype("U6")
        edges = [gazetteer_bounds[name].to_numpy()[order] for name in ("xmin", "ymin", "xmax", "ymax")]
        self._boxes: Floats = np.column_stack(edges)
        self._division = division
        own = np.flatnonzero(self._codes == division)
        if not len(own):
            raise ValueError(f"the gazetteer has no division {division}")
        self._own: Floats = self._boxes[own[0]]
        self._margin = _OUTWARD * tolerance_deg
        self._extents: dict[str, tuple[Floats, Floats]] = {}
        self._outside = self._outside_unshifted = 0
        self._cured: list[str] = []

    def check_codes(self, codes: pa.Array, notes: Notes) -> pa.Array:
        """Check which county features claim; returns the first six digits, null where they are no known county."""
        county = pc.utf8_slice_codeunits(codes, 0, 6)
        prefix = prefix_of(self._division)
        own = pc.and_(pc.match_substring_regex(county, r"^[1-9]\d{5}$"), pc.starts_with(county, prefix))
        present = as_mask(codes.is_valid())
        notes.note(FaultKind.FOREIGN_DIVISION, present & ~as_mask(own), codes, self._division)
        known = as_mask(pc.is_in(county, pa.array(self._codes)))
        notes.note(FaultKind.NOTICE_UNKNOWN_DIVISION, as_mask(own) & ~known, county)
        return pc.if_else(pa.array(as_mask(own) & known), county, None)

    def take(self, bounds: Floats, counties: pa.Array | None, notes: Notes) -> None:
        """Check one batch: (n, 4) bounds, NaN for rows to leave out, and the counties of `check_codes`."""
        present: Mask = np.isfinite(bounds).sum(axis=1) == 4
        boxes, names = self._boxes_of(counties, len(bounds))
        inside = present & _within(bounds, boxes + self._margin)
        wide = self._own + _SWAP_MARGIN_DEG * _OUTWARD
        swapped = present & ~inside & _within(bounds[:, [1, 0, 3, 2]], wide)
        notes.about("").note(FaultKind.AXES_SWAPPED, swapped)
        afar = present & ~swapped & ~_within(bounds, _GLOBE)
        self._note_afar(bounds, afar, notes.about(""))
        outside = present & ~inside & ~swapped & ~afar
        self._note_outside(bounds, boxes, names, outside, notes)
        self._watch_shift(bounds, boxes, present & ~swapped & ~afar, outside, notes)

    def finish(self, tally: Tally) -> None:
        """Write down extents, and whether the layer looks like shifted web map coordinates."""
        for name, (extent, box) in self._extents.items():
            tally.add(FaultKind.OUT_OF_BOUNDS, "", name, values=[_shown(extent), _shown(box)])
        if self._outside >= _FEWEST_SHIFTED and self._outside_unshifted <= _CURED_SHARE * self._outside:
            cured = self._outside - self._outside_unshifted
            tally.add(FaultKind.GCJ02_SUSPECTED, count=cured, keys=self._cured)

    def _boxes_of(self, counties: pa.Array | None, rows: int) -> tuple[Floats, NDArray[np.str_]]:
        """Return the box that each row must lie in, and whose it is."""
        boxes = np.broadcast_to(self._own, (rows, 4)).copy()
        names = np.full(rows, self._division, dtype="U6")
        if counties is not None:
            known = as_mask(counties.is_valid())
            codes = np.asarray(pc.fill_null(counties, "").to_numpy(zero_copy_only=False), dtype="U6")[known]
            boxes[known] = self._boxes[np.searchsorted(self._codes, codes)]
            names[known] = codes
        return boxes, names

    def _note_afar(self, bounds: Floats, afar: Mask, notes: Notes) -> None:
        if not afar.any():
            return
        labels = label_rows(bounds)
        for label in np.unique(labels[afar]):
            notes.note(FaultKind.COORDINATES_OUT_OF_RANGE, afar & (labels == label), detail=describe_label(int(label)))

    def _note_outside(
        self, bounds: Floats, boxes: Floats, names: NDArray[np.str_], outside: Mask, notes: Notes
    ) -> None:
        for name in np.unique(names[outside]):
            rows = outside & (names == name)
            notes.about("").note(FaultKind.OUT_OF_BOUNDS, rows, detail=str(name))
            extent = np.array([*bounds[rows, :2].min(axis=0), *bounds[rows, 2:].max(axis=0)])
            if str(name) in self._extents:
                known = self._extents[str(name)][0]
                extent = np.array([*np.minimum(extent, known)[:2], *np.maximum(extent, known)[2:]])
            self._extents[str(name)] = extent, boxes[rows][0]

    def _watch_shift(self, bounds: Floats, boxes: Floats, placed: Mask, outside: Mask, notes: Notes) -> None:
        """Count how many features leave their box as they are, and how many would with the shift undone."""
        inner = boxes - _OUTWARD * _RIM_DEG
        rim = np.flatnonzero(placed & ~_within(bounds, inner))
        if not len(rim):
            return
        west, south = gcj_to_wgs(bounds[rim, 0], bounds[rim, 1])
        east, north = gcj_to_wgs(bounds[rim, 2], bounds[rim, 3])
        back = _within(np.column_stack([west, south, east, north]), boxes[rim] + self._margin)
        self._outside += int(outside[rim].sum())
        self._outside_unshifted += int((~back).sum())
        cured = np.zeros(len(bounds), dtype=np.bool_)
        cured[rim[back & outside[rim]]] = True
        self._cured += notes.names.first(cured, EXAMPLES - len(self._cured))


def _within(bounds: Floats, boxes: Floats) -> Mask:
    boxes = np.broadcast_to(boxes, bounds.shape)
    low, high = bounds[:, :2] >= boxes[:, :2], bounds[:, 2:] <= boxes[:, 2:]
    inside: Mask = np.logical_and(low, high).sum(axis=1) == 2
    return inside


def _shown(box: Floats) -> str:
    return "[" + " ".join(f"{edge:.4f}" for edge in box) + "]"
