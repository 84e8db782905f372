"""Turns: bounded work, a bounded queue, and callers that are let in by turns."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from guotu.model.errors import Overloaded
from node.metrics import Metrics
from node.rpc.caller import caller_of
from node.turns import Turns

pytestmark = pytest.mark.usefixtures("idle_time")


class Line:
    """Questions that hold their turn until they are let go, in the order in which they got it."""

    def __init__(self, turns: Turns) -> None:
        self.turns = turns
        self.order: list[str] = []
        self.tasks: dict[str, asyncio.Task[None]] = {}
        self._go: dict[str, asyncio.Event] = {}

    async def ask(self, name: str, seconds: float = 60.0) -> None:
        """Begin a question; the first letter of its name is its caller."""
        self._go[name] = asyncio.Event()
        self.tasks[name] = asyncio.create_task(self._hold(name, seconds))
        await asyncio.sleep(0)

    async def _hold(self, name: str, seconds: float) -> None:
        async with self.turns.turn(name[0], seconds):
            self.order.append(name)
            await self._go[name].wait()

    async def end(self, name: str) -> None:
        self._go[name].set()
        await self.tasks[name]
        await asyncio.sleep(0)

    async def drained(self) -> list[str]:
        """Let all go, one after the other; returns the order in which they had their turns."""
        done = 0
        while done < len(self.order):
            await self.end(self.order[done])
            done += 1
        return self.order


@asynccontextmanager
async def line(at_once: int, waiting: int) -> AsyncIterator[Line]:
    made = Line(Turns("510000", at_once, waiting))
    try:
        yield made
    finally:
        for task in made.tasks.values():
            task.cancel()
        await asyncio.gather(*made.tasks.values(), return_exceptions=True)
        assert (made.turns.running, made.turns.waiting) == (0, 0)


async def test_callers_take_turns_whoever_came_first() -> None:
    async with line(1, 10) as made:
        for name in ("a1", "a2", "a3", "a4", "b1", "c1", "b2"):
            await made.ask(name)
        assert (made.turns.running, made.turns.waiting) == (1, 6)
        assert await made.drained() == ["a1", "a2", "b1", "c1", "a3", "b2", "a4"]


async def test_no_more_run_at_once_than_may() -> None:
    async with line(2, 10) as made:
        for name in ("a1", "a2", "a3"):
            await made.ask(name)
        assert made.order == ["a1", "a2"]
        await made.end("a2")
        assert made.order == ["a1", "a2", "a3"]


async def test_one_too_many_is_told_to_come_back() -> None:
    async with line(1, 2) as made:
        for name in ("a1", "a2", "a3"):
            await made.ask(name)
        await made.ask("a4")
        with pytest.raises(Overloaded) as told:
            await made.tasks["a4"]
        assert told.value.facts["node"] == "510000"
        assert 0.1 <= told.value.retry_s <= 10.0
        assert made.turns.refused == 1


async def test_a_newcomer_takes_the_place_of_who_waits_most() -> None:
    async with line(1, 3) as made:
        for name in ("a1", "a2", "a3", "a4", "b1"):
            await made.ask(name)
        with pytest.raises(Overloaded):
            await made.tasks["a4"]
        await made.ask("b2")
        with pytest.raises(Overloaded):
            await made.tasks["b2"]
        assert await made.drained() == ["a1", "a2", "b1", "a3"]


async def test_who_has_waited_too_long_is_told_to_come_back() -> None:
    async with line(1, 3) as made:
        await made.ask("a1")
        await made.ask("b1", seconds=0.01)
        with pytest.raises(Overloaded):
            await made.tasks["b1"]
        assert made.turns.waiting == 0


@pytest.mark.parametrize("let_in", [False, True])
async def test_a_place_that_is_given_up_goes_to_the_next(let_in: bool) -> None:
    """Also where the turn comes in the very moment in which it is given up."""
    async with line(1, 3) as made:
        for name in ("a1", "b1", "c1"):
            await made.ask(name)
        if let_in:
            made._go["a1"].set()
            await asyncio.wait((made.tasks["a1"],))
        made.tasks["b1"].cancel()
        await asyncio.wait((made.tasks["b1"],))
        if not let_in:
            await made.end("a1")
        await made.end("c1")
        assert "c1" in made.order


async def test_a_failure_gives_the_turn_back() -> None:
    turns = Turns("510000", 1, 0)
    for _ in range(3):
        with pytest.raises(ValueError, match="of the question"):
            async with turns.turn("a", 1.0):
                raise ValueError("of the question")
    assert turns.running == 0


async def test_what_is_asked_aside_waits_among_its_own_kind() -> None:
    turns = Turns("510000", 1, 0)
    async with turns.turn("a", 60.0):
        async with turns.turn("a", 60.0, aside=True):
            assert turns.running == 2
            for aside in (False, True):
                with pytest.raises(Overloaded):
                    async with turns.turn("b", 60.0, aside):
                        raise AssertionError("there is no room")
        assert (turns.running, turns.refused) == (1, 2)


async def test_a_node_is_idle_once_nothing_asked_aside_is_under_way_either() -> None:
    turns = Turns("510000", 1, 0)
    async with turns.turn("a", 60.0, aside=True):
        idle = asyncio.create_task(turns.idle(60.0))
        await asyncio.sleep(0)
        assert not idle.done()
    await idle
    assert turns.idle_since > 0


class Call:
    def __init__(self, peer: str, identities: list[bytes] | None = None) -> None:
        self._peer, self._identities = peer, identities

    def peer(self) -> str:
        return self._peer

    def peer_identities(self) -> list[bytes] | None:
        return self._identities


def test_a_caller_is_whom_its_certificate_names_or_its_machine() -> None:
    assert caller_of(Call("ipv4:10.0.0.1:50012", [b"510000.guotu", b"x"])) == "510000.guotu"
    assert caller_of(Call("ipv4:10.0.0.1:50012")) == caller_of(Call("ipv4:10.0.0.1:9")) == "ipv4:10.0.0.1"
    assert caller_of(Call("ipv6:%5B::1%5D:50012")) != caller_of(Call("ipv6:%5B::2%5D:50012"))


async def test_metrics_tell_how_busy_a_node_is() -> None:
    metrics = Metrics()
    async with line(1, 1) as made:
        metrics.watch_turns(made.turns)
        for name in ("a1", "a2", "a3"):
            await made.ask(name)
        values = [
            metrics.registry.get_sample_value(f"guotu_questions_{name}")
            for name in ("running", "waiting", "refused_total")
        ]
        assert values == [1.0, 1.0, 1.0]
