"""The store gives memory back when nothing runs, and only then."""

import asyncio

from node.stores.duckdb.idle import Idle
from tests.support.eventually import eventually

AFTER_S = 0.02


class Relaxing:
    """Counts how often it is asked to relax; takes as long as it is held."""

    def __init__(self) -> None:
        self.count = 0
        self.free = asyncio.Event()
        self.free.set()

    async def __call__(self) -> None:
        self.count += 1
        await self.free.wait()


async def test_it_relaxes_once_after_the_last_work() -> None:
    relaxing = Relaxing()
    idle = Idle(relaxing, AFTER_S)
    async with idle.work():
        async with idle.work():
            pass
        await asyncio.sleep(4 * AFTER_S)
        assert relaxing.count == 0
    await eventually(lambda: relaxing.count)
    await asyncio.sleep(4 * AFTER_S)
    assert relaxing.count == 1


async def test_work_waits_while_it_relaxes() -> None:
    relaxing = Relaxing()
    relaxing.free.clear()
    idle = Idle(relaxing, AFTER_S)
    async with idle.work():
        pass
    await eventually(lambda: relaxing.count)
    entered = asyncio.Event()

    async def work() -> None:
        async with idle.work():
            entered.set()

    task = asyncio.create_task(work())
    await asyncio.sleep(2 * AFTER_S)
    assert not entered.is_set()
    relaxing.free.set()
    await asyncio.wait_for(task, 60)
    assert entered.is_set()


async def test_once_closed_it_never_relaxes() -> None:
    relaxing = Relaxing()
    idle = Idle(relaxing, AFTER_S)
    async with idle.work():
        await idle.close()
    await asyncio.sleep(4 * AFTER_S)
    assert relaxing.count == 0
