"""Nodes that lay layers over each other's zones at once, with one turn each: none waits for the other forever."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

import pyarrow as pa
import shapely

from guotu.model.answer import Batch, Trailer
from guotu.model.collection import Collection
from guotu.model.ports import Scan
from guotu.model.question import LayerOverlay, Options, ZoneSource
from guotu.wire.peers import GrpcPeers
from node.turns import Turns
from tests.support.federation_parts import FixedDirectory, dataset, view
from tests.support.scripted_peers import Member, MemberStore
from tests.support.served import served

NODES = ("510100", "510700")
SIDE = 4


def squares(owner: str) -> list[dict[str, Any]]:
    return [
        {
            "BSM": f"{owner}{number:03d}",
            "DLBM": "0101",
            "ZLDWDM": owner,
            "geometry": shapely.to_wkb(shapely.box(104 + number * 0.01, 30.6, 104.01 + number * 0.01, 30.61)),
        }
        for number in range(SIDE)
    ]


class Meeting(MemberStore):
    """Gives no rows before so many scans have begun: here, then those of who asks from elsewhere."""

    def __init__(self, member: Member, scans: int) -> None:
        super().__init__(member)
        self._missing = scans
        self._met = asyncio.Event()

    async def scan(
        self, dataset: str, version: int, collection: Collection, scan: Scan
    ) -> AsyncIterator[pa.RecordBatch]:
        self._missing -= 1
        if self._missing <= 0:
            self._met.set()
        await self._met.wait()
        async for batch in super().scan(dataset, version, collection, scan):
            yield batch


async def asked(peers: GrpcPeers, address: str, question: LayerOverlay) -> tuple[int, Trailer]:
    pairs, trailer = 0, None
    async for frame in peers.overlay(address, question, 60.0):
        if isinstance(frame, Batch):
            pairs += sum(frame.rows.column("count").to_pylist())
        trailer = frame if isinstance(frame, Trailer) else trailer
    assert trailer is not None
    return pairs, trailer


async def test_nodes_that_read_zones_from_each_other_do_not_wait_for_each_other_s_turns() -> None:
    """The first node reads zones of its own only once the second, which holds a turn as it does, reads them too."""
    records = {node: dataset(node, rows=SIDE) for node in NODES}
    known = dict(view(NODES, []).nodes)
    directory = FixedDirectory(replace(view([], records.values()), nodes=known))
    async with AsyncExitStack() as life, asyncio.timeout(60):
        for node, scans in zip(NODES, (2, 1), strict=True):
            store: Any = Meeting(Member(node, squares(node)), scans)
            turns = Turns(node, at_once=1, waiting=0)
            address = await life.enter_async_context(served(node, directory, {"dltb": records[node]}, store, turns))
            known[node] = replace(known[node], address=address)
        peers = GrpcPeers()
        life.push_async_callback(peers.close)
        questions = [
            LayerOverlay("dltb", ZoneSource("dltb", ("BSM",)), ("BSM",), options=Options(dataset=f"{node}/dltb"))
            for node in NODES
        ]
        answers = await asyncio.gather(
            *(asked(peers, known[node].address, question) for node, question in zip(NODES, questions, strict=True))
        )
    for pairs, trailer in answers:
        assert pairs == 2 * SIDE
        assert trailer.completeness.complete
