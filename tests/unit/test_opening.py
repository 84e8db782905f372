"""How long one waits for a stream that was begun, and whose lateness it is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from federation.execution.opening import Opening
from guotu.model.answer import Completeness, Frame, Notice, Trailer
from guotu.model.question import CompletenessMode
from tests.support.idle_time import IdleTime

pytestmark = pytest.mark.usefixtures("idle_time")

SIGN = Notice("x", "x", "510100")
END = Trailer(Completeness(CompletenessMode.ALLOW_PARTIAL, ()), 0, 0, b"")


async def silent() -> AsyncIterator[Frame]:
    await asyncio.Event().wait()
    yield SIGN


async def silent_after_a_sign() -> AsyncIterator[Frame]:
    yield SIGN
    await asyncio.Event().wait()


async def frames_of(*frames: Frame) -> AsyncIterator[Frame]:
    for frame in frames:
        yield frame


async def test_a_silent_one_is_waited_for_and_no_longer() -> None:
    opening = Opening(silent())
    assert not await opening.signs(0.02)
    assert not await opening.begins(0.02)
    assert opening.waited_s == pytest.approx(0.02, abs=0.01)
    await opening.close()


async def test_a_sign_is_not_yet_an_answer_and_an_end_is_both() -> None:
    signed, ended = Opening(silent_after_a_sign()), Opening(frames_of(SIGN, END))
    assert await signed.signs(60.0)
    assert not await signed.begins(0.02)
    assert await ended.begins(60.0)
    assert await ended.signs(0.0)
    assert [frame async for frame in ended.frames()] == [SIGN, END]
    await signed.close()
    await ended.close()


async def test_who_is_late_itself_does_not_take_others_for_late(idle_time: IdleTime) -> None:
    """The asker stands still for longer than the wait; what came meanwhile takes a few turns of its loop to be read."""

    async def punctual() -> AsyncIterator[Frame]:
        asyncio.get_running_loop().call_soon(idle_time.stand_still, 1.0)
        for _ in range(20):
            await asyncio.sleep(0)
        yield SIGN
        await asyncio.Event().wait()

    opening = Opening(punctual())
    assert await opening.signs(0.05)
    await opening.close()
