"""Which reference system coordinates look like, and whether that agrees with what their layer states.

The rules for Gauss-Krüger (高斯-克吕格) eastings and northings are those by which people read them: seven digits are
a northing, eight an easting with its zone in front, six an easting without.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pyproj import CRS

from node.ingest.kinds import FaultKind
from node.ingest.tally import Mask, RowNames, Tally

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]

ABSENT, UNKNOWN, DEGREES, METRES, MERCATOR, SWAPPED, BETWEEN = -1, 0, 1, 2, 3, 4, 5
"""Labels of rows; `ZONE` + z stands for metres in zone z, BETWEEN for an easting far from any central meridian."""
ZONE = 100
ANY_PROJECTED = -2
"""What a projected system without rule of its own expects: anything but degrees."""

_NORTHINGS = (4e5, 6.2e6)
_THREE_DEGREE, _SIX_DEGREE = range(25, 46), range(13, 24)
# Half the width of a six degree zone at 20°N, in metres; a zone's own features lie within it.
_HALF_ZONE_M = 340_000.0
_MERCATOR_EASTINGS = (8.0e6, 13.0e6)


def label_rows(bounds: Floats) -> Labels:
    """Return what the coordinates of each row look like, from (n, 4) xmin, ymin, xmax, ymax; NaN is ABSENT.

    A row whose two corners look different (a vertex at 0, 0 among metres) is UNKNOWN.
    """
    low, high = _label(bounds[:, 0], bounds[:, 1]), _label(bounds[:, 2], bounds[:, 3])
    same_zone = (np.floor(bounds[:, 0] / 1e6) == np.floor(bounds[:, 2] / 1e6)) & (low >= BETWEEN) & (high >= BETWEEN)
    labels: Labels = np.where(low == high, low, np.where(same_zone, np.maximum(low, high), UNKNOWN))
    labels[np.isnan(bounds).any(axis=1)] = ABSENT
    return labels


def _label(x: Floats, y: Floats) -> Labels:
    labels = np.full(x.shape, UNKNOWN, dtype=np.int64)
    labels[(np.abs(x) <= 180) & (np.abs(y) <= 180)] = DEGREES
    north = (y >= _NORTHINGS[0]) & (y <= _NORTHINGS[1])
    labels[north & (x >= -1e6) & (x < 2e6)] = METRES
    labels[north & (x >= _MERCATOR_EASTINGS[0]) & (x < _MERCATOR_EASTINGS[1])] = MERCATOR
    zone = np.nan_to_num(np.floor(x / 1e6)).astype(np.int64)
    zoned = north & (np.isin(zone, _THREE_DEGREE) | np.isin(zone, _SIX_DEGREE))
    near = np.abs(x - zone * 1e6 - 500_000) <= _HALF_ZONE_M
    labels[zoned] = np.where(near[zoned], ZONE + zone[zoned], BETWEEN)
    east = np.nan_to_num(np.floor(y / 1e6)).astype(np.int64)
    eastward = np.isin(east, _THREE_DEGREE) | np.isin(east, _SIX_DEGREE) | ((y >= 1e5) & (y < 1e6))
    labels[(x >= 2e6) & (x <= _NORTHINGS[1]) & eastward] = SWAPPED
    return labels


def expected_label(crs: CRS) -> int:
    """Return the label that coordinates of a reference system have."""
    if crs.is_geographic:
        return DEGREES
    operation = crs.coordinate_operation
    if operation is None or "Transverse Mercator" not in operation.method_name.replace("_", " "):
        return ANY_PROJECTED
    easting = next((float(item.value) for item in operation.params if item.name == "False easting"), 0.0)
    return METRES if easting < 13e6 else ZONE + int(easting // 1e6)


def suggestions(label: int, meridian_zone: int = 0) -> tuple[str, ...]:
    """Return the EPSG codes to try for a label; `meridian_zone` is the zone of metres without prefix, if known."""
    if label == DEGREES:
        return ("EPSG:4490",)
    if label == MERCATOR:
        return ("EPSG:3857",)
    if label == METRES:
        return _unprefixed(meridian_zone)
    zone = label - ZONE
    if zone in _THREE_DEGREE:
        return (f"EPSG:{4513 + zone - _THREE_DEGREE.start}",)
    if zone in _SIX_DEGREE:
        return (f"EPSG:{4491 + zone - _SIX_DEGREE.start}",)
    return ()


def _unprefixed(zone: int) -> tuple[str, ...]:
    if zone in _THREE_DEGREE:
        return (f"EPSG:{4534 + zone - _THREE_DEGREE.start}",)
    if zone in _SIX_DEGREE:
        return (f"EPSG:{4502 + zone - _SIX_DEGREE.start}",)
    return ("EPSG:4534–4554",)


def describe_label(label: int) -> str:
    """Return a label in words of both languages, with the code to try."""
    if label >= ZONE:
        zone = label - ZONE
        width = "3°" if zone in _THREE_DEGREE else "6°"
        return f"{width} 高斯-克吕格 Gauss–Krüger zone {zone} ({', '.join(suggestions(label))})"
    words = {
        DEGREES: "经纬度 degrees (EPSG:4490)",
        METRES: "无带号的高斯-克吕格 Gauss–Krüger without zone prefix (EPSG:4534–4554)",
        MERCATOR: "Web 墨卡托 Web Mercator (EPSG:3857)",
        SWAPPED: "X、Y 互换的米制坐标 metres with X and Y exchanged",
        BETWEEN: "高斯-克吕格 Gauss–Krüger",
    }
    return words.get(label, "未知 unknown")


class Placement:
    """Watches the rows of one layer and tells whether their coordinates can be of the CRS it states."""

    def __init__(self, crs: CRS, name: str) -> None:
        self._expected = expected_label(crs)
        self._name = name
        self._tally = Tally()
        self._counts: dict[int, int] = {}
        self._keys: dict[int, list[str]] = {}

    def is_plain(self, extent: tuple[float, float, float, float]) -> bool:
        """Tell whether an extent leaves no doubt about the rows inside."""
        corners = label_rows(np.array([extent], dtype=np.float64))
        return bool(corners[0] == self._expected) or (
            self._expected == ANY_PROJECTED and bool(corners[0] not in (DEGREES, UNKNOWN, ABSENT))
        )

    def take(self, bounds: Floats, names: RowNames) -> None:
        """Count the rows of one batch, bounds as in `label_rows`."""
        labels = label_rows(bounds)
        for label, count in zip(*np.unique(labels, return_counts=True), strict=True):
            self._counts[int(label)] = self._counts.get(int(label), 0) + int(count)
            keys = self._keys.setdefault(int(label), [])
            if len(keys) < 5:
                mask: Mask = labels == label
                keys.extend(names.first(mask, 5 - len(keys)))

    def judge(self, tally: Tally) -> None:
        """Write down what the rows seen so far tell."""
        odd = {label: count for label, count in self._counts.items() if self._is_odd(label)}
        if not odd:
            return
        most = max(odd, key=lambda label: odd[label])
        plain = sum(count for label, count in self._counts.items() if label >= DEGREES and label not in odd)
        keys = [key for label in sorted(odd) for key in self._keys[label]][:5]
        if most == SWAPPED:
            tally.add(FaultKind.AXES_SWAPPED, count=odd[most], keys=self._keys[most])
        elif not plain and len(odd) == 1:
            self._judge_whole(most, odd[most], keys, tally)
        else:
            shares = [f"{self._name} × {plain}"] if plain else []
            shares += [f"{'/'.join(self._suggest(label))} × {count}" for label, count in sorted(odd.items())]
            tally.add(FaultKind.MIXED_CRS, detail=", ".join(shares), count=sum(odd.values()), keys=keys)

    def _judge_whole(self, label: int, count: int, keys: list[str], tally: Tally) -> None:
        """All rows look like one other system: its neighbour zone may still be meant, all else is wrong."""
        beside = min(label, self._expected) >= ZONE and abs(label - self._expected) == 1
        kind = FaultKind.NOTICE_ZONE if beside else FaultKind.CRS_MISMATCH
        tally.add(kind, detail=self._name, count=count, keys=keys, values=self._suggest(label))

    def _suggest(self, label: int) -> tuple[str, ...]:
        return suggestions(label, self._expected - ZONE if self._expected >= ZONE else 0)

    def _is_odd(self, label: int) -> bool:
        if label in (ABSENT, UNKNOWN, BETWEEN, self._expected):
            return False
        if self._expected == ANY_PROJECTED:
            return label == DEGREES
        # A province that spans zones is kept in one of them: its rows fill the space between the meridians.
        spans = BETWEEN in self._counts and label >= ZONE and abs(label - self._expected) == 1
        return not spans
