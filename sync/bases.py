"""Bases: when a new one is due beside a delta, and its rows where only the change is at hand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from guotu.model.collection import Collection
from guotu.model.errors import StoreFailure
from guotu.model.schema import HASH, PLACE, stored_schema
from sync.delta import DELETE, OP
from sync.manifest import Manifest
from sync.prepared import prepare

MOST_DELTAS = 30
MOST_DELTA_SHARE = 0.5


def base_due(chain: Sequence[Manifest], delta_bytes: int) -> bool:
    """Tell whether a version whose delta has so many bytes is to be a base too.

    It is when deltas since the last base are more than 30, or have more than half its bytes. `chain` begins with that
    base and ends with the version before.
    """
    base_bytes = sum(item.size_bytes for item in chain[0].bases)
    since = delta_bytes + sum(item.size_bytes for manifest in chain[1:] for item in manifest.deltas)
    return len(chain) > MOST_DELTAS or since > MOST_DELTA_SHARE * base_bytes


def drawn(batches: AsyncIterator[pa.RecordBatch], loop: asyncio.AbstractEventLoop) -> Iterator[pa.RecordBatch]:
    """Draw from an event loop in another thread."""

    async def following() -> pa.RecordBatch | None:
        return await anext(batches, None)

    while (batch := asyncio.run_coroutine_threadsafe(following(), loop).result()) is not None:
        yield batch


def untouched(batches: Iterable[pa.RecordBatch], changed: pa.Array, collection: Collection) -> Iterator[pa.RecordBatch]:
    """Yield stored rows but those with a key in `changed`, their hashes checked.

    Raises:
        StoreFailure: the store gives back another row than was published.
    """
    for batch in batches:
        if not prepare(batch, collection).hashes().equals(batch.column(HASH)):
            raise StoreFailure(detail=f"rows of {collection.id} are not as they were published; run guotu verify")
        yield batch.filter(pc.invert(pc.is_in(batch.column(collection.key), changed)))


def new_states(changes: Iterable[pa.Table], collection: Collection) -> Iterator[pa.RecordBatch]:
    """Yield the new states of changes, schema `delta_schema`, as stored rows."""
    for window in changes:
        for batch in window.filter(pc.not_equal(window.column(OP), DELETE)).to_batches():
            if batch.num_rows:
                yield prepare(batch, collection).stored()


def merged(
    one: Iterable[pa.RecordBatch], other: Iterable[pa.RecordBatch], collection: Collection
) -> Iterator[pa.RecordBatch]:
    """Merge two streams of stored rows that are in curve order."""
    order = [(PLACE, "ascending"), (collection.key, "ascending")]
    waiting, rest = stored_schema(collection).empty_table(), iter(other)
    for batch in one:
        if not batch.num_rows:
            continue
        while not waiting.num_rows or _up_to(waiting, batch, collection) == waiting.num_rows:
            following = next(rest, None)
            if following is None:
                break
            waiting = pa.concat_tables([waiting, pa.Table.from_batches([following])])
        count = _up_to(waiting, batch, collection)
        yield from (
            pa.concat_tables([pa.Table.from_batches([batch]), waiting.slice(0, count)]).sort_by(order).to_batches()
        )
        waiting = waiting.slice(count)
    yield from waiting.to_batches()
    yield from rest


def _up_to(rows: pa.Table, batch: pa.RecordBatch, collection: Collection) -> int:
    """Count the rows that do not come after the last of a batch."""
    place, key = (batch.column(name)[-1] for name in (PLACE, collection.key))
    places, keys = rows.column(PLACE), rows.column(collection.key)
    before = pc.or_(pc.less(places, place), pc.and_(pc.equal(places, place), pc.less_equal(keys, key)))
    return int(pc.sum(before).as_py() or 0)
