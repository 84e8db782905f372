"""The request id: taken from the caller if it is plain, kept for everything that the question causes."""

from __future__ import annotations

import asyncio

import pytest

from guotu.wire.request_id import accept_request_id, current_request_id, new_request_id


@pytest.mark.parametrize("offered", ["a", "req-1.2_x", "A" * 64])
def test_a_plain_id_is_taken(offered: str) -> None:
    assert accept_request_id(offered) == offered
    assert current_request_id() == offered


@pytest.mark.parametrize("offered", [None, "", "A" * 65, "a b", "a\n", "x\r\ny: z", "编号", "<script>"])
def test_any_other_is_replaced(offered: str | None) -> None:
    chosen = accept_request_id(offered)
    assert chosen != offered
    assert chosen.isalnum()
    assert current_request_id() == chosen


def test_fresh_ids_differ() -> None:
    assert len({new_request_id() for _ in range(1000)}) == 1000


async def test_questions_side_by_side_keep_their_own() -> None:
    async def question(name: str) -> list[str]:
        accept_request_id(name)
        seen = []
        for _ in range(3):
            await asyncio.sleep(0)
            seen.append(current_request_id())
            seen.append(await asyncio.create_task(asyncio.sleep(0, current_request_id())))
        return seen

    answers = await asyncio.gather(*(question(f"q{number}") for number in range(5)))
    assert answers == [[f"q{number}"] * 6 for number in range(5)]
