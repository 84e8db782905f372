"""A store without an engine: every node's rows are the same, and what a store would compute is computed once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal

import numpy as np
import pyarrow as pa
import shapely

from benchmarks.scale_tree import PARCELS
from guotu.model.collection import GEOMETRY, Collection
from guotu.model.grouping import grouping_schema
from guotu.model.ports import Grouping, Scan
from guotu.model.question import AggregateFunction
from guotu.model.schema import arrow_schema

CLASSES = 50


class SyntheticStore:
    """The part of `guotu.model.ports.FeatureStore` that answers the questions of the benchmark."""

    def __init__(self, rows: int) -> None:
        luck = np.random.default_rng(7)
        self._classes = luck.integers(0, CLASSES, rows)
        self._square_decimetres = np.sort(luck.integers(10_000, 10_000_000, rows))[::-1]
        self._rows = self._parcels(luck.uniform((103.0, 30.0), (104.0, 31.0), (rows, 2)))
        self._groups: dict[tuple[str, ...], pa.Table] = {}

    def _parcels(self, centres: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> pa.Table:
        """Return parcels of about 20 vertices, the largest first."""
        columns = {
            "BSM": [f"{number:018d}" for number in range(len(centres))],
            "DLBM": [_name(number) for number in self._classes.tolist()],
            "TBMJ": self._square_decimetres / 100,
            GEOMETRY: shapely.to_wkb(shapely.buffer(shapely.points(centres), 0.0005, quad_segs=5)),
        }
        return pa.Table.from_pydict(columns, arrow_schema(PARCELS, tuple(columns)))

    async def scan(
        self, dataset: str, version: int, collection: Collection, scan: Scan
    ) -> AsyncIterator[pa.RecordBatch]:
        """Stream the first rows by descending area, the order in which they lie."""
        for batch in self._rows.slice(0, scan.limit or None).select(scan.fields).to_batches():
            yield batch

    async def aggregate(self, dataset: str, version: int, collection: Collection, grouping: Grouping) -> pa.Table:
        """Return counts and sums of TBMJ, of all rows or by DLBM."""
        if grouping.group_by not in self._groups:
            self._groups[grouping.group_by] = self._grouped(collection, grouping)
        return self._groups[grouping.group_by]

    def _grouped(self, collection: Collection, grouping: Grouping) -> pa.Table:
        classes = self._classes if grouping.group_by else np.zeros_like(self._classes)
        present = np.unique(classes)
        counts = np.bincount(classes)[present]
        sums = np.bincount(classes, self._square_decimetres)[present]
        values = {
            AggregateFunction.COUNT: counts.tolist(),
            AggregateFunction.SUM: [Decimal(int(value)).scaleb(-2) for value in sums],
        }
        columns = [[_name(number) for number in present.tolist()] for _ in grouping.group_by]
        columns += [values[item.function] for item in grouping.aggregates]
        schema = grouping_schema(collection, grouping.group_by, grouping.aggregates)
        return pa.Table.from_pydict(dict(zip(schema.names, columns, strict=True)), schema)


def _name(number: int) -> str:
    return f"{number:04d}"
