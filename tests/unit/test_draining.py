"""Handing over: when it is done, what it tells, and what stays of it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from guotu.model.draining import DrainState
from guotu.model.errors import Conflict, NodeDraining
from guotu.model.records import NodeRecord, ReplicaRecord
from guotu.wire.draining import drain_from_proto, drain_to_proto
from node.draining import DrainDesk
from node.holdings import Holdings
from node.identity import Identity
from node.turns import Turns
from tests.support.federation_parts import FixedDirectory, dataset, node, view

pytestmark = pytest.mark.usefixtures("idle_time")

OWN = [dataset("510000", version=3), dataset("510000", version=2, collection="gdlb")]


class Clock:
    """A clock on which a quarter of a second passes at each look."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 0.25
        return self.now


@dataclass
class Place:
    """A desk and what it works on; `registry` tells whether the registry takes records."""

    folder: Path
    registry: bool = True
    held: tuple[ReplicaRecord, ...] = ()
    nodes: tuple[str, ...] = ("510000", "100000")
    registered: list[NodeRecord] = field(default_factory=list)

    def __post_init__(self) -> None:
        clock = Clock()
        self.identity = Identity(node("510000"))
        self.turns = Turns("510000", 4, 4, clock=clock)
        holdings = Holdings("510000")
        holdings.load(OWN)
        directory = FixedDirectory(view(self.nodes, OWN, replicas=self.held))
        self.mark = self.folder / "draining"
        self.desk = DrainDesk(self.identity, self.mark, self.register, self.turns, holdings, directory, clock)

    async def register(self, record: NodeRecord) -> bool:
        self.registered.append(record)
        return self.registry

    async def drained(self) -> list[DrainState]:
        async with asyncio.timeout(30):
            return [state async for state in self.desk.drain()]


def copy(name: str = "510000/dltb", version: int = 3, holder: str = "100000") -> ReplicaRecord:
    return ReplicaRecord(name, holder, version, digest="00" * 32)


async def test_an_idle_node_has_handed_over_once_the_registry_knows(tmp_path: Path) -> None:
    place = Place(tmp_path)
    states = await place.drained()
    assert states[0] == DrainState(0, 0, told=True)
    assert states[-1].drained
    assert [record.draining for record in place.registered] == [True]
    assert place.mark.exists()


async def test_questions_under_way_are_waited_for(tmp_path: Path) -> None:
    place = Place(tmp_path)
    async with place.turns.turn("a", 60.0):
        draining = place.desk.drain()
        seen = [await anext(draining) for _ in range(3)]
    assert {(state.running, state.drained) for state in seen} == {(1, False)}
    rest = [state async for state in draining]
    assert [state.drained for state in rest][-1] is True


async def test_without_a_registry_nobody_knows_so_it_is_not_done(tmp_path: Path) -> None:
    place = Place(tmp_path, registry=False)
    draining = place.desk.drain()
    assert {(await anext(draining)).told for _ in range(4)} == {False}
    place.registry = True
    rest = [state async for state in draining]
    assert rest[-1].drained


@pytest.mark.parametrize(
    ("held", "alone"),
    [
        ((), ("510000/dltb", "510000/gdlb")),
        ((copy(),), ("510000/gdlb",)),
        ((copy(), copy("510000/gdlb", 2)), ()),
        ((copy(version=2), copy("510000/gdlb", 2)), ("510000/dltb",)),
        ((replace(copy(), whole=False), copy("510000/gdlb", 2)), ("510000/dltb",)),
        ((replace(copy(), digest="ff" * 32), copy("510000/gdlb", 2)), ("510000/dltb",)),
        ((copy(holder="520000"), copy("510000/gdlb", 2)), ("510000/dltb",)),
    ],
    ids=["none", "one", "both", "behind", "of an area", "another history", "not registered"],
)
async def test_what_nobody_else_has_at_its_head_is_named(
    tmp_path: Path, held: tuple[ReplicaRecord, ...], alone: tuple[str, ...]
) -> None:
    assert (await Place(tmp_path, held=held).drained())[-1].alone == alone


async def test_who_waits_is_told_that_somebody_had_it_resume(tmp_path: Path) -> None:
    place = Place(tmp_path)
    async with place.turns.turn("a", 60.0):
        draining = place.desk.drain()
        await anext(draining)
        assert await place.desk.resume()
        with pytest.raises(Conflict, match="resumed"):
            _ = [state async for state in draining]
    assert [record.draining for record in place.registered] == [True, False]
    assert not place.mark.exists()


async def test_it_may_be_begun_and_ended_again(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.desk.require_active()
    for _ in range(2):
        await place.drained()
        with pytest.raises(NodeDraining) as told:
            place.desk.require_active()
    assert "guotu node resume" in told.value.message
    assert [await place.desk.resume() for _ in range(2)] == [True, False]
    assert not place.registered[-1].draining
    assert not place.mark.exists()
    place.desk.require_active()


@pytest.mark.parametrize("state", [DrainState(2, 1, False), DrainState(0, 0, True, True, ("510000/dltb",))])
def test_how_far_it_is_crosses_the_wire(state: DrainState) -> None:
    assert drain_from_proto(drain_to_proto(state)) == state
