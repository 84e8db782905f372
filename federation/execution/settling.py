"""Filters as stores take them: distances decided where the rows are, by the one rule for all stores.

Whatever meets the inner shape around a literal is near, and what does not meet the outer one is not. The few features
in between are measured, and told by their keys.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import aclosing

import numpy as np
import pyarrow as pa
import shapely

from guotu.model.collection import GEOMETRY, Collection
from guotu.model.distance import Distances
from guotu.model.errors import TooLarge
from guotu.model.expression import (
    And,
    Expression,
    In,
    Not,
    Or,
    Scalar,
    Spatial,
    SpatialRelation,
    WithinDistance,
    walk,
)
from guotu.model.plan import ExpectedDataset
from guotu.model.ports import FeatureStore, Scan
from guotu.model.surroundings import surroundings

_MOST_MEASURED = 1_000_000


async def settled(
    filter: Expression | None, store: FeatureStore, expected: ExpectedDataset, collection: Collection
) -> Expression | None:
    """Return a filter that is true of the same rows of a dataset, without distances.

    Raises:
        TooLarge: more than a million features are about as far away as was asked for.
        UnknownVersion, StoreFailure: as `FeatureStore.scan`.
    """
    if filter is None:
        return None
    distances = {node: await _decided(node, store, expected, collection) for node in _distances(filter)}
    return _replaced(filter, distances) if distances else filter


def _distances(filter: Expression) -> set[WithinDistance]:
    return {node for node in walk(filter) if isinstance(node, WithinDistance)}


def _replaced(filter: Expression, by: Mapping[WithinDistance, Expression]) -> Expression:
    match filter:
        case WithinDistance():
            return by[filter]
        case And(parts):
            return And(tuple(_replaced(part, by) for part in parts))
        case Or(parts):
            return Or(tuple(_replaced(part, by) for part in parts))
        case Not(part):
            return Not(_replaced(part, by))
    return filter


async def _decided(
    wanted: WithinDistance, store: FeatureStore, expected: ExpectedDataset, collection: Collection
) -> Expression:
    around = await asyncio.to_thread(surroundings, wanted.wkb, wanted.metres)
    inner, outer = (_meets(shape) for shape in (around.inner, around.outer))
    scan = Scan((collection.key, GEOMETRY), And((outer, Not(inner))))
    distances = await asyncio.to_thread(Distances, shapely.from_wkb(wanted.wkb))
    near: list[Scalar] = []
    measured = 0
    rows = store.scan(expected.dataset, expected.version, collection, scan)
    async with aclosing(rows) as batches:  # type: ignore[type-var]
        async for batch in batches:
            measured += batch.num_rows
            if measured > _MOST_MEASURED:
                raise TooLarge(what="S_DWITHIN", size=f"> {_MOST_MEASURED}", limit=_MOST_MEASURED)
            near += await asyncio.to_thread(_near, batch, distances, wanted.metres)
    # The box lets an index, or what is known of blocks of rows, leave out most of them.
    return And((_meets(shapely.box(*shapely.bounds(around.outer))), Or((inner, In(collection.key, tuple(near))))))


def _meets(shape: shapely.Geometry) -> Expression:
    return Spatial(SpatialRelation.INTERSECTS, bytes(shapely.to_wkb(shape, byte_order=1)))


def _near(batch: pa.RecordBatch, distances: Distances, metres: float) -> list[Scalar]:
    shapes = np.asarray(shapely.from_wkb(batch.column(1).to_numpy(zero_copy_only=False)), dtype=object)
    keys: list[Scalar] = batch.column(0).filter(pa.array(distances.of(shapes) <= metres)).to_pylist()
    return keys
