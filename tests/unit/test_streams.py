"""Work in two streams where a processor is free for the second."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from federation.execution.streams import Streams
from guotu.model.errors import StoreFailure


async def numbers(count: int) -> AsyncIterator[int]:
    for number in range(count):
        await asyncio.sleep(0)
        yield number


async def test_two_items_are_worked_on_side_by_side() -> None:
    barrier = asyncio.Barrier(2)
    worked: list[int] = []

    async def work(items: AsyncIterator[int]) -> float:
        async for item in items:
            await barrier.wait()
            worked.append(item)
        return float(len(worked))

    assert await Streams(2).run(numbers(6), work) == 6.0
    assert sorted(worked) == list(range(6))


@pytest.mark.parametrize("items", [0, 1])
async def test_fewer_items_than_streams_are_enough(items: int) -> None:
    async def work(drawn: AsyncIterator[int]) -> float:
        return float(len([item async for item in drawn]))

    assert await Streams(2).run(numbers(items), work) == float(items)


async def test_without_a_processor_to_spare_there_is_one_stream_in_order() -> None:
    async def work(items: AsyncIterator[int]) -> float:
        assert [item async for item in items] == list(range(6))
        return 3.0

    assert await Streams(1).run(numbers(6), work) == 3.0


async def test_of_two_questions_at_once_one_has_a_second_stream() -> None:
    streams, begun, three, over = Streams(2), [], asyncio.Event(), asyncio.Event()

    async def work(items: AsyncIterator[int]) -> float:
        begun.append(items)
        if len(begun) == 3:
            three.set()
        await over.wait()
        return 1.0

    both = [asyncio.create_task(streams.run(numbers(3), work)) for _ in range(2)]
    await three.wait()
    for _ in range(10):
        await asyncio.sleep(0)
    assert len(begun) == 3
    over.set()
    assert await asyncio.gather(*both) == [1.0, 1.0]


async def test_what_fails_in_one_stream_ends_the_other() -> None:
    ended = []

    async def work(items: AsyncIterator[int]) -> float:
        async for item in items:
            if item:
                raise StoreFailure(detail="the engine failed")
            try:
                await asyncio.Event().wait()
            finally:
                ended.append(item)
        return 0.0

    streams = Streams(2)
    with pytest.raises(StoreFailure):
        await streams.run(numbers(6), work)
    assert ended == [0]
    assert not streams._spare.locked()
