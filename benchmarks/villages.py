"""Synthetic townships and villages (乡镇, 村) of one county: square blocks of parcels."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

_PARCELS = 300  # of a village, on average
_PER_TOWN = 15
_MOST = 700  # villages of a county, so that township codes stay within three digits
_FIRST = "永安龙石太清白青金双新东西南高大长福兴和"
_LAST = "平溪河桥山坝坪林池泉关场沟湾岭塘"
_TITLES = ("镇", "镇", "乡")


@dataclass(frozen=True)
class Villages:
    """Which village each parcel of a county lies in."""

    county: str
    codes: list[str]
    """19 digits: county 6, township 3, village 3, seven zeros (ZLDWDM, 坐落单位代码)."""
    names: list[str]
    index: NDArray[np.int64]
    """Village of each parcel, not falling from row to row."""
    serial: NDArray[np.int64]
    """Number of the parcel in its village, from 1."""

    @classmethod
    def number(cls, adcode: str, county: str, index: NDArray[np.int64], rng: np.random.Generator) -> Self:
        """Name the villages 0..max(index) of a county; `index` must be sorted."""
        count = int(index[-1]) + 1
        town, village = np.divmod(np.arange(count), _PER_TOWN)
        towns = [name + _TITLES[k % 3] for k, name in enumerate(_draw_names(int(town[-1]) + 1, rng))]
        inside = _draw_names(min(count, len(_FIRST) * len(_LAST)), rng)
        codes = [f"{adcode}{100 + t}{200 + v}0000000" for t, v in zip(town, village, strict=True)]
        names = [f"{county}{towns[t]}{inside[k % len(inside)]}村" for k, t in enumerate(town)]
        first = np.searchsorted(index, np.arange(count))
        return cls(county, codes, names, index, np.arange(len(index)) - first[index] + 1)


def blocks(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.int64]:
    """Village of each parcel at (`x`, `y`): square blocks, numbered row by row without gaps."""
    wanted = min(max(1, len(x) // _PARCELS), _MOST)
    side = max(np.sqrt(np.ptp(x) * np.ptp(y) / wanted), 1e-9)
    column, row = ((axis - axis.min()) // side for axis in (x, y))
    index: NDArray[np.int64] = np.unique(row * (column.max() + 1) + column, return_inverse=True)[1]
    return index


def _draw_names(count: int, rng: np.random.Generator) -> list[str]:
    """Different two-character names."""
    chosen = rng.choice(len(_FIRST) * len(_LAST), count, replace=False)
    return [_FIRST[k // len(_LAST)] + _LAST[k % len(_LAST)] for k in chosen]
