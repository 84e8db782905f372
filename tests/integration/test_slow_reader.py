"""A reader that stalls in a big answer: nobody reads ahead for it, and it does not keep others from their turns."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from dataclasses import replace

import grpc
import grpc.aio
import numpy as np
import pyarrow as pa
import pytest

from guotu.model.collection import Collection
from guotu.model.errors import Overloaded
from guotu.model.ports import FeatureStore, Scan
from guotu.model.question import CompletenessMode, Options, Query
from guotu.v1 import common_pb2, query_pb2, query_pb2_grpc
from guotu.wire.endpoint import async_channel
from guotu.wire.questions import query_to_proto
from guotu.wire.status import error_of_call
from node.turns import Turns
from tests.support.eventually import comes_to
from tests.support.federation_parts import FixedDirectory, dataset, view
from tests.support.served import served

BATCHES = 240
"""Of about 1 MiB each."""
AHEAD = 80
"""How many may lie on the way: in HTTP/2's windows, which grow where a line is found to be fast, in buffers of sockets,
in two queues of four, in the hands of each part."""
FIELDS = ("BSM", "DLMC")
ANY = Options()
OWNED = dataset("510100", rows=BATCHES * 1024)


class EndlessStore:
    """The part of `guotu.model.ports.FeatureStore` that scans, over rows that are made as they are drawn."""

    def __init__(self) -> None:
        self.drawn = 0
        self.closed = asyncio.Event()

    async def scan(
        self, dataset: str, version: int, collection: Collection, scan: Scan
    ) -> AsyncIterator[pa.RecordBatch]:
        text = pa.array(np.random.default_rng(1).bytes(512).hex() for _ in range(1024))
        keys = pa.array(f"{number:018d}" for number in range(1024))
        try:
            while self.drawn < BATCHES:
                self.drawn += 1
                yield pa.record_batch([keys, text], pa.schema([("BSM", pa.string()), ("DLMC", pa.string())]))
        finally:
            self.closed.set()


class Chain:
    """A node that holds the rows, and one that is asked for them: real servers in this process."""

    def __init__(self, at_once: int = 4) -> None:
        """Let nobody wait; `at_once` questions are answered at a time."""
        self.store = EndlessStore()
        self._at_once = at_once
        self._life = AsyncExitStack()
        self._nodes = dict(view(["510000", "510100"], []).nodes)

    async def __aenter__(self) -> Chain:
        directory = FixedDirectory(replace(view([], [OWNED]), nodes=self._nodes))
        for node in ("510100", "510000"):
            own = {"dltb": OWNED} if node == "510100" else {}
            store: FeatureStore = self.store  # type: ignore[assignment]
            turns = Turns(node, self._at_once, 0)
            address = await self._life.enter_async_context(served(node, directory, own, store, turns))
            self._nodes[node] = replace(self._nodes[node], address=address)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._life.aclose()

    async def ask(self, node: str, options: Options = ANY) -> AsyncIterator[query_pb2.QueryResponse]:
        question = Query("dltb", fields=FIELDS, options=options)
        async with async_channel(self._nodes[node].address) as channel:
            call = query_pb2_grpc.QueryServiceStub(channel).Query(query_to_proto(question))
            try:
                async for response in call:
                    yield response
            finally:
                call.cancel()

    async def stalled(self, node: str) -> AsyncIterator[query_pb2.QueryResponse]:
        """Ask, and read no further than the first rows."""
        answer = self.ask(node)
        while (await anext(answer)).WhichOneof("frame") != "batch":
            pass
        return answer

    async def takes(self, node: str) -> bool:
        """Tell whether a node takes a question."""
        answer = self.ask(node)
        try:
            return (await anext(answer)).HasField("header")
        except grpc.aio.AioRpcError:
            return False
        finally:
            await answer.aclose()  # type: ignore[attr-defined]

    async def settled(self) -> int:
        """Wait until no more rows are drawn; returns how many batches have been."""
        before = -1
        while before != self.store.drawn:
            before = self.store.drawn
            await asyncio.sleep(0.5)
        return before


@pytest.mark.parametrize("asked", ["510100", "510000"], ids=["owner", "relay"])
async def test_rows_are_drawn_as_they_are_read(asked: str) -> None:
    async with Chain() as chain:
        answer = await chain.stalled(asked)
        assert await chain.settled() <= AHEAD
        rows = 1024 + sum([response.batch.rows async for response in answer])
        assert (rows, chain.store.drawn) == (BATCHES * 1024, BATCHES)


async def test_who_stalls_and_goes_away_leaves_nothing_behind() -> None:
    async with Chain() as chain:
        answer = await chain.stalled("510000")
        await chain.settled()
        await answer.aclose()  # type: ignore[attr-defined]
        async with asyncio.timeout(60):
            await chain.store.closed.wait()
        assert chain.store.drawn <= AHEAD


async def test_one_too_many_is_turned_away_at_once_and_let_in_later() -> None:
    async with Chain(at_once=1) as chain:
        answer = await chain.stalled("510100")
        with pytest.raises(grpc.aio.AioRpcError) as told:
            await anext(chain.ask("510100"))
        assert told.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        error = error_of_call(told.value, "510100")
        assert isinstance(error, Overloaded)
        assert (error.facts["node"], error.retry_s > 0) == ("510100", True)
        await answer.aclose()  # type: ignore[attr-defined]
        assert await comes_to(True, lambda: chain.takes("510100"))


async def test_a_member_that_is_too_busy_is_named_as_such() -> None:
    async with Chain(at_once=1) as chain:
        answer = await chain.stalled("510100")
        heard = {}
        with suppress(grpc.aio.AioRpcError):  # nobody else is there to answer
            async for response in chain.ask("510000", Options(completeness=CompletenessMode.ALLOW_PARTIAL)):
                heard[response.WhichOneof("frame")] = response
        (member,) = heard["trailer"].trailer.completeness.members
        assert (member.outcome, member.reason) == (common_pb2.OUTCOME_REFUSED, "OVERLOADED")
        await answer.aclose()  # type: ignore[attr-defined]
