"""The advertised facts of many datasets as arrays, to prune by."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import shapely
from numpy.typing import NDArray

from guotu.model.division import node_division, prefix_of
from guotu.model.records import DatasetRecord, Extent

_NOWHERE = (np.nan, np.nan, np.nan, np.nan)


def division_range(division: str) -> tuple[int, int]:
    """Return the least and the greatest code of a division and those below it, both included."""
    prefix = prefix_of(division)
    return int(prefix.ljust(6, "0")), int(prefix.ljust(6, "9"))


@lru_cache(maxsize=8192)
def _owner_range(node: str) -> tuple[int, int]:
    return division_range(node_division(node))


def _corners(extent: Extent | None) -> tuple[float, float, float, float]:
    return _NOWHERE if extent is None else (extent.xmin, extent.ymin, extent.xmax, extent.ymax)


class Candidates:
    """Facts of n datasets, in the order given."""

    def __init__(self, records: Sequence[DatasetRecord]) -> None:
        self.records = tuple(records)
        count = len(self.records)
        self.rows: NDArray[np.int64] = np.fromiter((record.rows for record in self.records), np.int64, count)
        """Rows of the head versions, shape (n,)."""
        ranges = [_owner_range(record.node) for record in self.records]
        self.divisions: NDArray[np.int64] = np.array(ranges, np.int64).reshape(count, 2)
        """Code ranges of the owners' divisions, shape (n, 2)."""
        corners = [_corners(record.extent) for record in self.records]
        self.extents: NDArray[np.float64] = np.array(corners, np.float64).reshape(count, 4)
        """xmin, ymin, xmax, ymax in degrees (EPSG:4490), shape (n, 4); NaN where there is none."""
        self._coverages: NDArray[np.object_] = np.full(count, None)
        self._read = np.zeros(count, np.bool_)

    def __len__(self) -> int:
        return len(self.records)

    def coverages(self, at: NDArray[np.intp]) -> NDArray[np.object_]:
        """Return the coverages (EPSG:4490, lon/lat) of the datasets with these indices.

        None where there is none, or none that can be read. They are read as they are needed: few are.
        """
        unread = at[~self._read[at]]
        if len(unread):
            encoded = np.array([self.records[index].coverage_wkb or None for index in unread.tolist()], np.object_)
            self._coverages[unread] = shapely.from_wkb(encoded, on_invalid="ignore")
            self._read[unread] = True
        return self._coverages[at]
