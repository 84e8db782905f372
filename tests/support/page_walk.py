"""Turning the pages of one dataset in a store, as federation does."""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa

from federation.paging.after import rows_after
from federation.paging.order import page_order
from guotu.model.collection import Collection
from guotu.model.ports import FeatureStore, Scan
from guotu.model.question import Position, Query
from tests.support.stores import fetch

OWNER = "510000"


async def turned(
    store: FeatureStore, collection: Collection, query: Query, size: int, dataset: str = "510000/tb", version: int = 1
) -> pa.Table:
    """Return all rows that the pages have, with the columns that they are in the order of."""
    order = page_order(query, collection)
    names = tuple(key.field for key in order)
    scan = Scan(names, sort=order, limit=size)
    found: list[pa.Table] = []
    while not found or found[-1].num_rows == size:
        if found:
            (last,) = found[-1].slice(size - 1).to_pylist()
            position = Position(OWNER, tuple(last[name] for name in names))
            scan = replace(scan, filter=rows_after(position, query, order, collection, OWNER))
        found.append(await fetch(store, collection, scan, dataset, version))
    return pa.concat_tables(found, promote_options="default")
