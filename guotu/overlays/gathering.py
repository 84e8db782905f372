"""Groups of a layer overlay, added up and put in order in flat memory, however many there are.

What does not fit becomes a run: groups in order, each once, in blocks that are put aside. Runs are merged as they are
read: the least of the last rows of the blocks at hand is the horizon, no row still to come can stand before it, so all
rows up to it are added up and go out. Groups stand in the order of their columns, nulls last.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from math import isnan
from pathlib import Path
from threading import Lock
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from guotu.model.tabulation import Sums, added_up
from guotu.overlays.blocks import Block, Blocks

_MOST_ROWS, _MOST_BYTES = 400_000, 48 << 20
"""Groups that are added up in memory, and bytes of them."""
_BLOCK_ROWS, _BLOCK_BYTES = 4096, 1 << 20
_BATCH_ROWS = 16_384

Key = tuple[tuple[bool, bool, Any], ...]
"""Orders groups as Arrow does."""


class Run:
    """Groups in order, each once."""

    def __init__(self, blocks: Blocks) -> None:
        self._blocks = blocks
        self._places: list[Block] = []

    def append(self, rows: pa.RecordBatch) -> None:
        """Add rows that follow those before; they have the schema of the blocks.

        Raises: as `Blocks.put`.
        """
        size = max(1, min(_BLOCK_ROWS, rows.num_rows * _BLOCK_BYTES // max(rows.nbytes, 1)))
        for start in range(0, rows.num_rows, size):
            self._places.append(self._blocks.put(rows.slice(start, size)))

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows; raises as `Blocks.get`."""
        return map(self._blocks.get, self._places)


class Gathering:
    """Adds up groups as they come, in any order."""

    def __init__(self, schema: pa.Schema, folder: Path | None, place: str) -> None:
        """Take the columns of the groups: what they are grouped by, COUNT, AREA; where and place as `Blocks`."""
        self._schema = schema
        self._keys = schema.names[:-2]
        self._blocks = Blocks(schema, folder, place)
        self._sums = Sums(self._keys)
        self._runs: list[Run] = []
        self._adding = Lock()

    def add(self, groups: pa.Table) -> None:
        """Add groups; several may be equal. From any thread.

        Raises: as `Blocks.put`.
        """
        if not groups.num_rows:
            return
        parts = _folded(groups, self._keys)
        with self._adding:
            self._add(parts)

    def _add(self, groups: pa.Table) -> None:
        self._sums.add(groups)
        if self._sums.rows >= _MOST_ROWS or self._sums.size_bytes >= _MOST_BYTES:
            self._sums.compact()
            if self._sums.rows >= _MOST_ROWS // 2 or self._sums.size_bytes >= _MOST_BYTES // 2:
                self._put_aside()

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield all groups, each once, in order; nothing is added any more.

        Raises: as `Blocks.get` and `Blocks.put`.
        """
        if not self._runs:
            yield from self._rest().to_batches(max_chunksize=_BATCH_ROWS)
            return
        self._put_aside()
        yield from merged(self._runs, self._schema)

    def close(self) -> None:
        """Let go of what was put aside."""
        self._blocks.close()

    def _rest(self) -> pa.Table:
        groups = self._sums.table()
        return self._schema.empty_table() if groups is None else in_order(groups, self._schema)

    def _put_aside(self) -> None:
        run = Run(self._blocks)
        for rows in self._rest().to_batches():
            run.append(rows)
        self._runs.append(run)
        self._sums = Sums(self._keys)


class _Reader:
    """Reads a run, a block at a time; `rows` is what is at hand, nothing once all is read."""

    def __init__(self, run: Run, keys: int) -> None:
        self._blocks = iter(run)
        self._keys = keys
        self.rows: Any = next(self._blocks, None)

    @property
    def last(self) -> Key:
        """Return the key of the last row at hand."""
        return self._key(self.rows.num_rows - 1)

    def up_to(self, horizon: Key) -> pa.RecordBatch:
        """Return the rows at hand up to a key, and hold the others; all of them if it is their last one's."""
        count = self.rows.num_rows
        if self.last > horizon:
            count = bisect_right(range(count), horizon, key=self._key)
        ready, rest = self.rows.slice(0, count), self.rows.slice(count)
        self.rows = rest if rest.num_rows else next(self._blocks, None)
        return ready

    def _key(self, row: int) -> Key:
        return tuple(_placed(self.rows.column(number)[row].as_py()) for number in range(self._keys))


def merged(runs: Sequence[Run], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Yield the groups of several runs, each once, in order; a block of each is in memory.

    Raises: as `Blocks.get`.
    """
    gathered: list[pa.Table] = []
    for groups in _rounds(runs, schema):
        gathered.append(groups)
        if sum(table.num_rows for table in gathered) >= _BATCH_ROWS:
            yield from _joined(gathered)
            gathered = []
    yield from _joined(gathered)


def _rounds(runs: Sequence[Run], schema: pa.Schema) -> Iterator[pa.Table]:
    keys = schema.names[:-2]
    readers = [reader for run in runs if (reader := _Reader(run, len(keys))).rows is not None]
    while readers:
        horizon = min(reader.last for reader in readers)
        ready = [rows for reader in readers if (rows := reader.up_to(horizon)).num_rows]
        groups = pa.Table.from_batches(ready)
        yield groups if len(ready) == 1 else in_order(added_up([groups], keys), schema)
        readers = [reader for reader in readers if reader.rows is not None]


def in_order(groups: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return groups in the order of their columns, with a schema."""
    groups = groups.cast(schema).combine_chunks()
    keys = [(name, "ascending") for name in schema.names[:-2]]
    return groups.take(pc.sort_indices(groups, sort_keys=keys)) if keys else groups


def _joined(tables: list[pa.Table]) -> list[pa.RecordBatch]:
    batches: list[pa.RecordBatch] = []
    if tables:
        batches = pa.concat_tables(tables).combine_chunks().to_batches(max_chunksize=_BATCH_ROWS)
    return batches


def _placed(value: Any) -> tuple[bool, bool, Any]:
    if value is None:
        return True, False, 0
    return (False, True, 0) if isinstance(value, float) and isnan(value) else (False, False, value)


def _folded(groups: pa.Table, keys: Sequence[str]) -> pa.Table:
    """Return groups with one zero and one NaN, so that equal ones are equal in their bits."""
    for name in keys:
        place = groups.schema.get_field_index(name)
        if pa.types.is_floating(groups.schema.field(place).type):
            values = pc.add(groups.column(place), 0.0)
            values = pc.if_else(pc.is_nan(values), float("nan"), values)
            groups = groups.set_column(place, name, values)
    return groups
