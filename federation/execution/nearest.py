"""Looking for the nearest features of a dataset: in a window that grows until nothing outside can be nearer.

The store gives what lies in the window, by its index or by what it knows of blocks of rows; distances are measured
here, by the one rule for all stores. As a distance is never less than the true one, a feature that is as near as the
window reaches lies in it.
"""

from __future__ import annotations

import asyncio
import math
from contextlib import aclosing
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import shapely

from guotu.model.collection import GEOMETRY, Collection
from guotu.model.crs import MESH_CRS, transform_wkb
from guotu.model.distance import Distances
from guotu.model.errors import InvalidCrs
from guotu.model.plan import ExpectedDataset
from guotu.model.ports import FeatureStore, Scan
from guotu.model.question import DISTANCE, Nearest
from guotu.model.schema import arrow_schema
from guotu.model.surroundings import box_around

_EVERYWHERE_M = 20_100_000.0
"""More than the half of a meridian: nothing is farther away."""
_LEAST_M = 50.0
_GROWTH = 4.0
_SPARE = 1.5


def with_distance(schema: pa.Schema) -> pa.Schema:
    """Return a schema with the column DISTANCE before all others."""
    return schema.insert(0, pa.field(DISTANCE, pa.float64(), nullable=False))


async def nearest_rows(
    store: FeatureStore, expected: ExpectedDataset, collection: Collection, nearest: Nearest, count: int, scan: Scan
) -> pa.Table:
    """Return the rows that are nearest, the nearest first, equal ones by key.

    Args:
        store: holds the dataset.
        expected: the dataset, and what is advertised of it.
        collection: its collection.
        nearest: what they shall be near of.
        count: how many are wanted.
        scan: fields, filter and CRS of the rows; the key is among the fields.

    Raises:
        InvalidCrs: geometries cannot be brought into the CRS asked for.
        UnknownVersion, StoreFailure: as `FeatureStore.scan`.
    """
    return await _Search(store, expected, collection, nearest, count, scan).rows()


class _Search:
    """One search."""

    def __init__(
        self,
        store: FeatureStore,
        expected: ExpectedDataset,
        collection: Collection,
        nearest: Nearest,
        count: int,
        scan: Scan,
    ) -> None:
        self._store = store
        self._expected = expected
        self._collection = collection
        self._count = count
        self._nearest = nearest
        self._shape = shapely.from_wkb(self._nearest.wkb)
        self._scan = scan
        self._fields = scan.fields if GEOMETRY in scan.fields else (*scan.fields, GEOMETRY)
        self._schema = with_distance(arrow_schema(collection, self._fields))

    async def rows(self) -> pa.Table:
        """Search."""
        farthest = self._nearest.within_m or _EVERYWHERE_M
        distances = await asyncio.to_thread(Distances, self._shape)
        reach = min(self._first_reach(), farthest)
        while True:
            found = await self._within(distances, reach)
            if found.num_rows >= self._count or reach >= farthest:
                return await asyncio.to_thread(self._finished, found)
            wanted = math.sqrt(self._count / found.num_rows) * _SPARE if found.num_rows else _GROWTH
            reach = min(reach * min(max(wanted, _SPARE), _GROWTH), farthest)

    def _first_reach(self) -> float:
        """Return the radius in which as many features as are wanted would lie if the dataset had them all alike."""
        if self._expected.rows <= 0 or self._expected.territory_m2 <= 0:
            return _LEAST_M
        each = self._expected.territory_m2 / self._expected.rows
        return max(math.sqrt(self._count * each / math.pi) * _SPARE, _LEAST_M)

    async def _within(self, distances: Distances, reach: float) -> pa.Table:
        """Return the nearest of the features that are at most so many metres away."""
        box = box_around(tuple(shapely.bounds(self._shape).tolist()), reach)
        scan = replace(self._scan, fields=self._fields, crs=MESH_CRS, near=np.array([box]))
        best = self._schema.empty_table()
        rows = self._store.scan(self._expected.dataset, self._expected.version, self._collection, scan)
        async with aclosing(rows) as batches:  # type: ignore[type-var]
            async for batch in batches:
                best = await asyncio.to_thread(self._best, best, batch, distances, reach)
        return best

    def _best(self, best: pa.Table, batch: pa.RecordBatch, distances: Distances, reach: float) -> pa.Table:
        """Return the nearest of those there are and of a batch of others."""
        shapes = np.asarray(shapely.from_wkb(batch.column(GEOMETRY).to_numpy(zero_copy_only=False)), dtype=object)
        far = float(best[DISTANCE][-1].as_py()) if best.num_rows >= self._count else reach
        metres = distances.nearest(shapes, self._count, far)
        near = np.flatnonzero(metres <= far)
        keys = batch.column(self._collection.key).take(pa.array(near))
        # What is not taken is not copied: thousands may be as near as one another.
        near = near[self._first(pa.table({DISTANCE: metres[near], self._collection.key: keys}))]
        columns = [pa.array(metres[near]), *batch.take(pa.array(near)).columns]
        both = pa.concat_tables([best, pa.Table.from_arrays(columns, schema=self._schema)])
        return both.take(self._first(both))

    def _first(self, rows: pa.Table) -> pa.UInt64Array:
        """Return the numbers of as many rows as are wanted, the nearest first, equal ones by key."""
        keys = [(DISTANCE, "ascending"), (self._collection.key, "ascending")]
        return pc.sort_indices(rows, sort_keys=keys)[: self._count]

    def _finished(self, rows: pa.Table) -> pa.Table:
        """Return the columns asked for, in the CRS asked for."""
        crs = self._scan.crs
        if crs != MESH_CRS and GEOMETRY in self._scan.fields:
            place = rows.schema.get_field_index(GEOMETRY)
            try:
                moved = transform_wkb(rows.column(place), MESH_CRS, crs)
            except ValueError as failure:
                raise InvalidCrs(crs=crs, detail=str(failure)) from failure
            rows = rows.set_column(place, GEOMETRY, moved)
        schema = with_distance(arrow_schema(self._collection, self._scan.fields, crs))
        return pa.Table.from_arrays([rows.column(name) for name in schema.names], schema=schema).combine_chunks()
