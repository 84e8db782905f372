"""Merging sorted streams: in flat memory, whatever the order in which batches arrive."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from federation.execution.member import MemberStream
from guotu.model.question import SortKey

_MEMBER = "__member"
_LAST = "__last"


class OrderedMerge:
    """Merges members' sorted rows by `keys`; ties go by member order, then by the member's own order.

    Each round holds at least one batch of every member that goes on. The least of their last rows is the horizon: no
    row still to come can stand before it, so all rows up to it go out.
    """

    def __init__(self, streams: Sequence[MemberStream], keys: Sequence[SortKey], schema: pa.Schema) -> None:
        self._streams = streams
        self._schema = schema
        self._keys = keys
        self._live = set(range(len(streams)))
        self._pending = schema.append(pa.field(_MEMBER, pa.int32())).append(pa.field(_LAST, pa.bool_())).empty_table()

    async def tables(self) -> AsyncIterator[pa.Table]:
        """Yield the rows in order."""
        waiting = set(self._live)
        while waiting or self._pending.num_rows:
            for index in sorted(waiting):
                await self._refill(index)
            ready = self._take_ready()
            waiting = self._exhausted(ready) & self._live
            if ready.num_rows:
                yield ready.select(self._schema.names)

    async def _refill(self, index: int) -> None:
        batch = await self._streams[index].next_batch()
        while batch is not None and batch.rows.num_rows == 0:
            batch = await self._streams[index].next_batch()
        if batch is None:
            self._live.discard(index)
            self._pending = self._without_last_mark(index)
            return
        count = batch.rows.num_rows
        last = pa.array([False] * (count - 1) + [True])
        columns = [*batch.rows.columns, pa.array([index] * count, pa.int32()), last]
        more = pa.Table.from_arrays(columns, schema=self._pending.schema)
        self._pending = pa.concat_tables([self._pending, more])

    def _without_last_mark(self, index: int) -> pa.Table:
        """A member that has ended holds nobody back."""
        keep = pc.and_(self._pending[_LAST], pc.not_equal(self._pending[_MEMBER], index))
        return self._pending.set_column(self._pending.num_columns - 1, _LAST, keep)

    def _take_ready(self) -> pa.Table:
        """Sort what is pending, cut it at the horizon, keep the rest."""
        self._pending = self._pending.take(self._order())
        horizon = pc.index(self._pending[_LAST], pa.scalar(True)).as_py()
        count = self._pending.num_rows if horizon < 0 else horizon + 1
        ready, self._pending = self._pending.slice(0, count), self._pending.slice(count)
        return ready

    def _order(self) -> pa.Array:
        """Return the order of what is pending, nulls last; the row number keeps ties as they came."""
        columns = {f"key{number}": self._pending[key.field] for number, key in enumerate(self._keys)}
        directions = ["descending" if key.descending else "ascending" for key in self._keys]
        order = list(zip(columns, directions, strict=True))
        columns["member"] = self._pending[_MEMBER]
        columns["row"] = pa.chunked_array([pa.array(range(self._pending.num_rows), pa.int64())])
        return pc.sort_indices(pa.table(columns), sort_keys=[*order, ("member", "ascending"), ("row", "ascending")])

    def _exhausted(self, ready: pa.Table) -> set[int]:
        """Return the members whose last known row has gone out."""
        return set(ready.filter(ready[_LAST])[_MEMBER].to_pylist())
