"""Portions of an increment, each with the head's rows of its keys; the next one is looked up meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import pyarrow as pa

from guotu.model.collection import Collection
from sync.delta import OP
from sync.increment import Increment

_ROWS = 32_768
"""New states and deletes of a portion: each costs the store a look through its keys."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What an increment is made of."""

    keys: pa.ChunkedArray
    """Of the new states."""
    stated: pa.Table | None
    """What is stated of them, row by row."""
    deletes: pa.Table | None
    """The key, and what is stated."""

    @property
    def rows(self) -> int:
        """Number of new states."""
        return len(self.keys)

    @property
    def stated_names(self) -> set[str]:
        """Return the fields with stated values."""
        tables = [table for table in (self.stated, self.deletes) if table is not None]
        return {name for table in tables for name in table.column_names} - {OP}


@dataclass(frozen=True, slots=True)
class Portion:
    """Some of the new states, then some of the deletes."""

    start: int
    """Number of the first new state."""
    keys: pa.Array
    stated: pa.Table | None
    deletes: pa.RecordBatch | None
    """None for none."""
    head: pa.Table
    """Rows that the head has with these keys, as of `Increment.look_up`."""


class Portions:
    """Goes through an increment, one portion ahead of who asks."""

    def __init__(self, held: Increment, collection: Collection, parts: Parts) -> None:
        """Take what looks up the head's rows; to be entered in the event loop, which begins the first look."""
        self._held = held
        self._key = collection.key
        self._parts = parts
        self._starts = iter(range(0, parts.rows + (0 if parts.deletes is None else len(parts.deletes)), _ROWS))
        self._ahead: asyncio.Task[Portion] | None = None

    async def __aenter__(self) -> Self:
        """Begin to look."""
        self._begin()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Look no further."""
        if self._ahead is not None:
            self._ahead.cancel()
            await asyncio.gather(self._ahead, return_exceptions=True)

    async def __aiter__(self) -> AsyncIterator[Portion]:
        """Yield the portions.

        Raises:
            UnknownVersion: the head cannot be read.
        """
        while self._ahead is not None:
            portion = await self._ahead
            self._begin()
            yield portion

    def _begin(self) -> None:
        start = next(self._starts, None)
        self._ahead = None if start is None else asyncio.create_task(self._look(start))

    async def _look(self, start: int) -> Portion:
        parts, end = self._parts, start + _ROWS
        keys = parts.keys.slice(start, _ROWS).combine_chunks()
        stated = None if parts.stated is None else parts.stated.slice(start, _ROWS)
        deletes, asked = None, [keys]
        if parts.deletes is not None and end > parts.rows:
            first = max(start - parts.rows, 0)
            rest = parts.deletes.slice(first, end - parts.rows - first).combine_chunks()
            deletes = next(_batches(rest), None)
            asked += [] if deletes is None else [deletes.column(self._key)]
        head = await self._held.look_up(pa.concat_arrays(asked), parts.stated_names)
        return Portion(start, keys, stated, deletes, head)


def _batches(table: pa.Table) -> Iterator[pa.RecordBatch]:
    return (batch for batch in table.to_batches() if batch.num_rows)
