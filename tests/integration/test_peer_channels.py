"""A node that is stopped ends what it has begun: nobody who asks it anew cuts that off."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import AsyncIterator

import grpc.aio
import pytest

from guotu.model.answer import Frame, Notice
from guotu.model.errors import GuotuError, NodeUnavailable
from guotu.model.question import Query
from guotu.v1 import query_pb2, query_pb2_grpc
from guotu.wire.endpoint import bind, new_server
from guotu.wire.peers import GrpcPeers
from tests.support.eventually import comes_to


class Hesitant(query_pb2_grpc.QueryServiceServicer):
    """Gives one frame, and the next once it is let."""

    def __init__(self) -> None:
        self.let = asyncio.Event()

    async def Query(self, request: query_pb2.QueryRequest, context: object) -> AsyncIterator[query_pb2.QueryResponse]:
        for reason in ("FIRST", "LAST"):
            yield query_pb2.QueryResponse(warning=query_pb2.AnswerWarning(reason=reason))
            await self.let.wait()


@pytest.fixture
async def node() -> AsyncIterator[tuple[Hesitant, grpc.aio.Server, str]]:
    servicer, server = Hesitant(), new_server()
    query_pb2_grpc.add_QueryServiceServicer_to_server(servicer, server)
    address = f"127.0.0.1:{bind(server, '127.0.0.1:0')}"
    await server.start()
    yield servicer, server, address
    await server.stop(0)


async def read_on(frames: AsyncIterator[Frame]) -> list[str]:
    return [frame.reason async for frame in frames if isinstance(frame, Notice)]


async def test_an_answer_under_way_ends_though_its_node_takes_no_more_questions(
    node: tuple[Hesitant, grpc.aio.Server, str],
) -> None:
    servicer, server, address = node
    peers = GrpcPeers()
    used = peers.channel(address)
    answer = peers.query(address, Query("dltb"), 60.0)
    await anext(answer)
    rest = asyncio.create_task(read_on(answer))
    stopping = asyncio.create_task(server.stop(60.0))

    async def asked_over_another_channel() -> bool:
        try:
            await read_on(peers.query(address, Query("dltb"), 0.5))
        except GuotuError:
            return peers.channel(address) is not used
        return False

    assert await comes_to(True, asked_over_another_channel)
    servicer.let.set()
    assert await asyncio.wait_for(rest, 30) == ["LAST"]
    await stopping
    await peers.close()


async def test_who_still_reads_when_all_channels_are_closed_is_told(
    node: tuple[Hesitant, grpc.aio.Server, str],
) -> None:
    _, _, address = node
    peers = GrpcPeers()
    answer = peers.query(address, Query("dltb"), 60.0)
    await anext(answer)
    rest = asyncio.create_task(read_on(answer))
    await asyncio.sleep(0)
    await peers.close()
    with pytest.raises(NodeUnavailable, match=address):
        await rest


async def test_who_is_cancelled_is_not_told_anything_else(node: tuple[Hesitant, grpc.aio.Server, str]) -> None:
    _, _, address = node
    peers = GrpcPeers()
    answer = peers.query(address, Query("dltb"), 60.0)
    await anext(answer)
    rest = asyncio.create_task(read_on(answer))
    await asyncio.sleep(0)
    rest.cancel()
    with pytest.raises(asyncio.CancelledError):
        await rest
    await peers.close()


async def test_an_answer_under_way_ends_though_its_node_is_at_another_address_now(
    node: tuple[Hesitant, grpc.aio.Server, str],
) -> None:
    servicer, _, address = node
    peers = GrpcPeers()
    used = weakref.ref(peers.channel(address))
    answer = peers.query(address, Query("dltb"), 60.0)
    await anext(answer)
    rest = asyncio.create_task(read_on(answer))
    peers.forget_others({"127.0.0.1:1"})
    assert used() is not None
    servicer.let.set()
    assert await asyncio.wait_for(rest, 30) == ["LAST"]
    del answer, rest

    async def gone() -> bool:
        return used() is None

    assert await comes_to(True, gone)
    assert peers.channel(address) is peers.channel(address)
    peers.forget_others({address})
    await peers.close()
