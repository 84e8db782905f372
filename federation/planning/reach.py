"""How far the nearest features can be, by what is advertised: which datasets have surely none of them.

Where nothing is filtered, all features of a dataset lie in its extent. So when some datasets have as many features as
are wanted, none is farther than the far ends of these; a dataset that begins beyond has none of the nearest.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from federation.planning.candidates import Candidates
from federation.selection import BoundSelection
from guotu.model.distance import least_m, meridian_m, parallel_m
from guotu.model.question import Query
from guotu.model.records import DatasetRecord

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Reach:
    """What features shall be near of, and how many are wanted."""

    bounds: tuple[float, float, float, float]
    """Of the geometry: xmin, ymin, xmax, ymax, degrees."""
    count: int
    named: Collection[str] | None = None
    """Datasets that alone have a part in the answer, so that others are not counted on; None for all."""

    def too_far(self, datasets: Candidates, at: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Tell which of the datasets with these indices have none of the nearest features, shape (m,)."""
        least, most = self._distances(datasets.extents[at])
        order = np.argsort(most, kind="stable")
        enough = np.flatnonzero(np.cumsum(self._rows(datasets, at)[order]) >= self.count)
        bound = float(most[order][enough[0]]) if len(enough) else np.inf
        return np.asarray(np.greater(least, bound))  # false of NaN: what has no extent is kept

    def _rows(self, datasets: Candidates, at: NDArray[np.intp]) -> NDArray[np.int64]:
        """Return how many features each dataset may give, shape (m,)."""
        rows = datasets.rows[at]
        if self.named is None:
            return rows
        part = [datasets.records[place].dataset in self.named for place in at.tolist()]
        return np.where(np.array(part, np.bool_), rows, 0)

    def _distances(self, extents: Floats) -> tuple[Floats, Floats]:
        """Return bounds of how near the nearest, and how far the farthest, feature in an extent may be; metres."""
        xmin, ymin, xmax, ymax = self.bounds
        latitudes = np.abs(np.column_stack([extents[:, 1::2], np.full((len(extents), 2), (ymin, ymax))]))
        # Near to the equator degrees of longitude are longest, far from it those of latitude.
        low, high = np.zeros(len(extents)), np.minimum(latitudes.max(axis=1), 90.0)
        # From anywhere of the geometry: along a parallel, then along a meridian.
        span_x = np.maximum(np.abs(extents[:, 2] - xmin), np.abs(xmin - extents[:, 0])) * parallel_m(low)
        span_y = np.maximum(np.abs(extents[:, 3] - ymin), np.abs(ymin - extents[:, 1])) * meridian_m(high)
        inner = (xmax - xmin) * parallel_m(low) + (ymax - ymin) * meridian_m(high)
        farthest: Floats = np.where(_known(extents), span_x + span_y + inner, np.inf)
        return least_m(np.array(self.bounds), extents), farthest


def _known(extents: Floats) -> NDArray[np.bool_]:
    """Tell which extents are known, shape (n,)."""
    return np.asarray(~np.isnan(extents).any(axis=1))


def reach_of(query: Query, selection: BoundSelection, heads: Mapping[str, DatasetRecord]) -> Reach | None:
    """Return how far the nearest features can be; None where what is advertised does not tell it.

    It does not of other versions than the heads, nor where features are selected besides. Of a closed cut only what it
    names is counted on.
    """
    cut = query.options.cut
    as_advertised = all(cut.get(name, record.version) == record.version for name, record in heads.items())
    if query.nearest is None or selection.expression is not None or not as_advertised:
        return None
    bounds = tuple(shapely.bounds(shapely.from_wkb(query.nearest.wkb)).tolist())
    return Reach(bounds, query.limit, cut if query.options.closed else None)
