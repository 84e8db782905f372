"""Merging sorted streams: in flat memory, whatever the order in which batches arrive."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from federation.execution.member import MemberStream
from guotu.model.question import SortKey

_MEMBER = "__member"


class OrderedMerge:
    """Merges members' sorted rows by `keys`; ties go by member order, then by the member's own order.

    Each round holds at least one row of every member that goes on, and at most about two batches. The least of their
    last rows is the horizon: no row still to come can stand before it, so all rows up to it go out.
    """

    def __init__(self, streams: Sequence[MemberStream], keys: Sequence[SortKey], schema: pa.Schema) -> None:
        self._streams = streams
        self._schema = schema
        self._keys = keys
        self._held = dict.fromkeys(range(len(streams)), 0)
        """Rows pending, by member that goes on."""
        self._size = dict(self._held)
        """Rows of the last batch, by member."""
        self._pending = schema.append(pa.field(_MEMBER, pa.int32())).empty_table()

    async def tables(self) -> AsyncIterator[pa.Table]:
        """Yield the rows in order."""
        while self._held or self._pending.num_rows:
            await self._refill()
            ready = self._take_ready()
            if ready.num_rows:
                yield ready.select(self._schema.names)

    async def _refill(self) -> None:
        """Wait for members of which no row is pending; of others take what is there, so that rounds are few."""
        tables = [self._pending]
        for index in list(self._held):
            stream = self._streams[index]
            while not self._held[index] or (self._held[index] < self._size[index] and stream.ready):
                batch = await stream.next_batch()
                if batch is None:
                    del self._held[index]
                    break
                count = self._size[index] = batch.rows.num_rows
                self._held[index] += count
                columns = [*batch.rows.columns, pa.array(np.full(count, index, np.int32))]
                tables.append(pa.Table.from_arrays(columns, schema=self._pending.schema))
        self._pending = pa.concat_tables(tables)

    def _take_ready(self) -> pa.Table:
        """Sort what is pending, cut it at the horizon, keep the rest."""
        order = self._order()
        members = self._pending[_MEMBER].to_numpy()[order]
        count = self._horizon(members)
        ready = self._pending.take(order[:count])
        self._pending = self._pending.take(order[count:])
        left = np.bincount(members[count:], minlength=len(self._streams))
        self._held = {index: int(left[index]) for index in self._held}
        return ready

    def _horizon(self, members: NDArray[np.int32]) -> int:
        """Return how many rows, in order, no row still to come can stand before; `members` has shape (n,)."""
        last = np.full(len(self._streams), -1)
        last[members] = np.arange(len(members))  # of several the last one stays
        return min((int(last[index]) + 1 for index in self._held), default=len(members))

    def _order(self) -> NDArray[np.uint64]:
        """Return the order of what is pending, shape (n,), nulls last; the sort is stable: a member's ties stay."""
        columns = {f"key{number}": self._pending[key.field] for number, key in enumerate(self._keys)}
        directions = ["descending" if key.descending else "ascending" for key in self._keys]
        order = list(zip(columns, directions, strict=True))
        columns["member"] = self._pending[_MEMBER]
        sort_keys = [*order, ("member", "ascending")]
        indices: NDArray[np.uint64] = pc.sort_indices(pa.table(columns), sort_keys=sort_keys).to_numpy()
        return indices
