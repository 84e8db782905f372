"""The asyncio client by which nodes ask each other; adapter of `guotu.model.ports.PeerClient`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TypeVar

import grpc
import grpc.aio

from guotu.model.answer import Frame
from guotu.model.plan import Plan
from guotu.model.question import Query, Question, Stats
from guotu.model.records import VersionInfo
from guotu.v1 import query_pb2, query_pb2_grpc, version_pb2, version_pb2_grpc
from guotu.wire.answers import FrameReader
from guotu.wire.endpoint import TlsFiles, async_channel
from guotu.wire.plans import plan_from_proto
from guotu.wire.questions import explain_to_proto, query_to_proto, stats_to_proto
from guotu.wire.request_id import METADATA_KEY, current_request_id
from guotu.wire.status import error_of_call
from guotu.wire.versions import version_from_proto

RequestT = TypeVar("RequestT", query_pb2.QueryRequest, query_pb2.AggregateRequest)


class GrpcPeers:
    """Keeps one channel for each peer address."""

    def __init__(self, tls: TlsFiles | None = None) -> None:
        self._tls = tls
        self._channels: dict[str, grpc.aio.Channel] = {}

    def _channel(self, address: str) -> grpc.aio.Channel:
        if address not in self._channels:
            self._channels[address] = async_channel(address, self._tls)
        return self._channels[address]

    def query(self, address: str, question: Query, timeout: float | None) -> AsyncIterator[Frame]:
        """Ask a node; `timeout` in seconds. Raises what the node raised, or NodeUnavailable."""
        stub = query_pb2_grpc.QueryServiceStub(self._channel(address))
        call = stub.Query(query_to_proto(question), timeout=timeout, metadata=_metadata())
        return _frames(call, address)

    def stats(self, address: str, question: Stats, timeout: float | None) -> AsyncIterator[Frame]:
        """Ask a node; `timeout` in seconds. Raises what the node raised, or NodeUnavailable."""
        stub = query_pb2_grpc.QueryServiceStub(self._channel(address))
        call = stub.Aggregate(stats_to_proto(question), timeout=timeout, metadata=_metadata())
        return _frames(call, address)

    async def explain(self, address: str, question: Question, timeout: float | None) -> Plan:
        """Ask a node how it would answer."""
        stub = query_pb2_grpc.QueryServiceStub(self._channel(address))
        request = explain_to_proto(question, analyze=False)
        try:
            response = await stub.Explain(request, timeout=timeout, metadata=_metadata())
        except grpc.aio.AioRpcError as failure:
            raise error_of_call(failure, address) from failure
        return plan_from_proto(response.plan)

    async def versions(self, address: str, dataset: str, timeout: float | None) -> list[VersionInfo]:
        """Ask an owner for the retained versions of its dataset."""
        stub = version_pb2_grpc.VersionServiceStub(self._channel(address))
        request = version_pb2.ListVersionsRequest(dataset=dataset)
        try:
            response = await stub.ListVersions(request, timeout=timeout, metadata=_metadata())
        except grpc.aio.AioRpcError as failure:
            raise error_of_call(failure, address) from failure
        return [version_from_proto(version) for version in response.versions]

    async def close(self) -> None:
        """Close all channels; calls under way end."""
        for channel in self._channels.values():
            await channel.close(grace=0)
        self._channels.clear()


def _metadata() -> tuple[tuple[str, str], ...]:
    return ((METADATA_KEY, current_request_id()),)


async def _frames(
    call: grpc.aio.UnaryStreamCall[RequestT, query_pb2.QueryResponse]
    | grpc.aio.UnaryStreamCall[RequestT, query_pb2.AggregateResponse],
    address: str,
) -> AsyncIterator[Frame]:
    reader = FrameReader()
    try:
        async for response in call:
            yield reader.read(response)
    except grpc.aio.AioRpcError as failure:
        raise error_of_call(failure, address) from failure
    finally:
        call.cancel()
