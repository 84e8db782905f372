"""Merging sorted members is sorting everything, whatever the batches, in flat memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import date
from functools import cmp_to_key
from typing import Any

import hypothesis.strategies as st
import pyarrow as pa
import pytest
from hypothesis import given, settings

from federation.execution.deadline import Deadline
from federation.execution.member import MemberStream
from federation.execution.ordered import OrderedMerge
from guotu.model.answer import Batch, Completeness, Frame, Trailer
from guotu.model.plan import Decision, PlanStep
from guotu.model.question import CompletenessMode, SortKey

SCHEMA = pa.schema(
    [
        ("n", pa.int64()),
        ("x", pa.float64()),
        ("s", pa.string()),
        ("d", pa.date32()),
        ("b", pa.bool_()),
        ("member", pa.int64()),
        ("place", pa.int64()),
    ]
)
Row = dict[str, Any]
_ROW = st.fixed_dictionaries(
    {
        "n": st.none() | st.integers(0, 3),
        "x": st.none() | st.sampled_from([-0.0, 0.0, -1.5, 2.5]),
        "s": st.none() | st.sampled_from(["", "a", "A", "水", "aa"]),
        "d": st.none() | st.dates(date(2024, 1, 1), date(2024, 1, 3)),
        "b": st.none() | st.booleans(),
    }
)
_KEYS = st.lists(
    st.builds(SortKey, st.sampled_from(["n", "x", "s", "d", "b"]), st.booleans()),
    min_size=1,
    max_size=3,
    unique_by=lambda key: key.field,
)


def before(keys: Sequence[SortKey], one: Row, other: Row) -> int:
    """Compare two rows: nulls last either way; text by its UTF-8 bytes."""
    for key in keys:
        left, right = one[key.field], other[key.field]
        if isinstance(left, str):
            left = left.encode()
        if isinstance(right, str):
            right = right.encode()
        if left is None or right is None:
            if (left is None) != (right is None):
                return 1 if left is None else -1
        elif left != right:
            return -1 if (left < right) != key.descending else 1
    return 0


def in_order(keys: Sequence[SortKey], rows: list[Row]) -> list[Row]:
    return sorted(rows, key=cmp_to_key(lambda one, other: before(keys, one, other)))


async def frames(rows: list[Row], sizes: Sequence[int]) -> AsyncIterator[Frame]:
    """Yield rows in batches of the given sizes over and over; some may be empty."""
    start, turn = 0, 0
    while start < len(rows):
        size = sizes[turn % len(sizes)]
        yield Batch("", pa.RecordBatch.from_pylist(rows[start : start + size], SCHEMA))
        start, turn = start + size, turn + 1
        if turn % 3 == 0:
            await asyncio.sleep(0)
    yield Trailer(Completeness(CompletenessMode.ALLOW_PARTIAL, ()), len(rows), 0, b"")


async def merged(members: list[list[Row]], sizes: list[list[int]], keys: Sequence[SortKey]) -> list[Row]:
    deadline = Deadline.after(60)
    streams = [
        MemberStream(PlanStep(str(number), Decision.LOCAL, ""), frames(rows, batch), deadline)
        for number, (rows, batch) in enumerate(zip(members, sizes, strict=True))
    ]
    tables = [table async for table in OrderedMerge(streams, keys, SCHEMA).tables()]
    assert all(stream.result().failure is None for stream in streams)
    return [row for table in tables for row in table.to_pylist()]


def named(rows: list[Row], member: int, keys: Sequence[SortKey]) -> list[Row]:
    """Return a member's rows as it sends them: sorted, each with its origin."""
    return [row | {"member": member, "place": place} for place, row in enumerate(in_order(keys, rows))]


@given(st.data(), _KEYS)
@settings(deadline=None)
def test_merging_is_sorting_with_ties_in_member_order(data: st.DataObject, keys: list[SortKey]) -> None:
    drawn = data.draw(st.lists(st.lists(_ROW, max_size=12), min_size=1, max_size=4))
    members = [named(rows, number, keys) for number, rows in enumerate(drawn)]
    sizes = [[*data.draw(st.lists(st.integers(0, 4), max_size=3)), data.draw(st.integers(1, 4))] for _ in members]
    expected = in_order(keys, [row for rows in members for row in rows])
    assert asyncio.run(merged(members, sizes, keys)) == expected


def many(member: int, count: int, step: int, offset: int) -> list[Row]:
    blank: Row = dict.fromkeys(["x", "s", "d", "b"])
    return [{"n": offset + step * place, **blank, "member": member, "place": place} for place in range(count)]


@pytest.mark.parametrize("layout", ["interleaved", "one after another", "one is far behind"])
async def test_memory_is_a_few_batches_a_member(layout: str) -> None:
    count, size, members = 4000, 50, 4
    if layout == "interleaved":
        rows = [many(number, count, members, number) for number in range(members)]
    elif layout == "one after another":
        rows = [many(number, count, 1, count * number) for number in range(members)]
    else:
        rows = [many(number, count, 1, 0 if number else count) for number in range(members)]
    sent = 0

    async def counted(part: list[Row]) -> AsyncIterator[Frame]:
        nonlocal sent
        async for frame in frames(part, [size]):
            sent += frame.rows.num_rows if isinstance(frame, Batch) else 0
            yield frame

    deadline = Deadline.after(60)
    streams = [
        MemberStream(PlanStep(str(number), Decision.LOCAL, ""), counted(part), deadline)
        for number, part in enumerate(rows)
    ]
    received, last = 0, -1
    async for table in OrderedMerge(streams, [SortKey("n")], SCHEMA).tables():
        values = table["n"].to_pylist()
        assert values == sorted(values)
        assert values[0] >= last
        received, last = received + len(values), values[-1]
        assert sent - received <= members * 8 * size
    assert received == count * members


async def test_a_member_that_is_lost_holds_nobody_back() -> None:
    async def lost() -> AsyncIterator[Frame]:
        yield Batch("", pa.RecordBatch.from_pylist(many(0, 3, 1, 0), SCHEMA))
        raise ConnectionError("gone")

    deadline = Deadline.after(60)
    streams = [
        MemberStream(PlanStep("0", Decision.LOCAL, ""), lost(), deadline),
        MemberStream(PlanStep("1", Decision.LOCAL, ""), frames(many(1, 6, 1, 1), [2]), deadline),
    ]
    tables = [table async for table in OrderedMerge(streams, [SortKey("n")], SCHEMA).tables()]
    assert [value for table in tables for value in table["n"].to_pylist()] == [0, 1, 1, 2, 2, 3, 4, 5, 6]
    assert streams[0].failed
    assert not streams[1].failed
