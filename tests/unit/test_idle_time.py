"""The clock of tests with deadlines: who needs no time is in time, however long the process stands still."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

pytestmark = pytest.mark.usefixtures("idle_time")


async def test_who_is_held_up_is_not_late() -> None:
    """The process stands still for longer than the time that there is, in the midst of what is to be done."""
    async with asyncio.timeout(0.01):
        for _ in range(5):
            await asyncio.sleep(0)
            threading.Event().wait(0.01)


async def test_nor_is_a_thread_that_is_waited_for() -> None:
    go = threading.Event()
    threading.Timer(0.05, go.set).start()
    async with asyncio.timeout(0.01):
        assert await asyncio.to_thread(go.wait)


async def test_a_silence_takes_no_time_and_is_over_when_it_was_to_be() -> None:
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.Event().wait(), 1e6)
    assert time.monotonic() - began == pytest.approx(1e6)
    order: list[str] = []

    async def after(name: str, seconds: float) -> None:
        await asyncio.sleep(seconds)
        order.append(name)

    await asyncio.gather(after("b", 2.0), after("a", 1.0), after("c", 2.5))
    assert order == ["a", "b", "c"]
