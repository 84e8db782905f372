"""The asyncio client by which nodes ask each other; adapter of `guotu.model.ports.PeerClient`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Set
from contextlib import contextmanager

import grpc
import grpc.aio

from guotu.model.answer import Frame
from guotu.model.errors import NodeUnavailable
from guotu.model.plan import Plan
from guotu.model.question import LayerOverlay, Overlay, Query, Question, Stats
from guotu.model.records import VersionInfo
from guotu.v1 import query_pb2, query_pb2_grpc, version_pb2, version_pb2_grpc
from guotu.wire.answers import FrameReader
from guotu.wire.endpoint import TlsFiles, async_channel
from guotu.wire.plans import plan_from_proto
from guotu.wire.questions import explain_to_proto, overlay_to_proto, query_to_proto, stats_to_proto
from guotu.wire.request_id import METADATA_KEY, current_request_id
from guotu.wire.status import error_of_call
from guotu.wire.tracing import CallTracing, Metadata, NoCallTracing
from guotu.wire.versions import version_from_proto

Responses = (
    grpc.aio.UnaryStreamCall[query_pb2.QueryRequest, query_pb2.QueryResponse]
    | grpc.aio.UnaryStreamCall[query_pb2.AggregateRequest, query_pb2.AggregateResponse]
    | grpc.aio.UnaryStreamCall[query_pb2.OverlayRequest, query_pb2.OverlayResponse]
)
_QUESTIONS = "/guotu.v1.QueryService/"


class GrpcPeers:
    """Keeps one channel for each peer address."""

    def __init__(self, tls: TlsFiles | None = None, tracing: CallTracing | None = None) -> None:
        self._tls = tls
        self._tracing = tracing or NoCallTracing()
        self._channels: dict[str, grpc.aio.Channel] = {}

    def channel(self, address: str) -> grpc.aio.Channel:
        """Return a channel that will try to connect at once.

        One that waits between attempts would fail the call unseen, also where the peer has just come back; it is
        replaced, so that each question costs one honest attempt. It is not closed: a peer that is being stopped takes
        no more calls, and still ends those under way over it. With the last of them it is gone.
        """
        kept = self._channels.get(address)
        if kept is not None and kept.get_state() is not grpc.ChannelConnectivity.TRANSIENT_FAILURE:
            return kept
        fresh = self._channels[address] = async_channel(address, self._tls)
        return fresh

    def forget_others(self, addresses: Set[str]) -> None:
        """Keep channels to these addresses alone; what is under way over the others ends as it would have."""
        for address in self._channels.keys() - addresses:
            del self._channels[address]

    def query(self, address: str, question: Query, timeout: float | None) -> AsyncIterator[Frame]:
        """Ask a node; `timeout` in seconds. Raises what the node raised, or NodeUnavailable."""
        request = query_to_proto(question)

        def call(channel: grpc.aio.Channel, metadata: Metadata) -> Responses:
            return query_pb2_grpc.QueryServiceStub(channel).Query(request, timeout=timeout, metadata=metadata)

        return self._frames(address, f"{_QUESTIONS}Query", call)

    def stats(self, address: str, question: Stats, timeout: float | None) -> AsyncIterator[Frame]:
        """Ask a node; `timeout` in seconds. Raises what the node raised, or NodeUnavailable."""
        request = stats_to_proto(question)

        def call(channel: grpc.aio.Channel, metadata: Metadata) -> Responses:
            return query_pb2_grpc.QueryServiceStub(channel).Aggregate(request, timeout=timeout, metadata=metadata)

        return self._frames(address, f"{_QUESTIONS}Aggregate", call)

    def overlay(self, address: str, question: Overlay | LayerOverlay, timeout: float | None) -> AsyncIterator[Frame]:
        """Ask a node; `timeout` in seconds. Raises what the node raised, or NodeUnavailable."""
        request = overlay_to_proto(question)

        def call(channel: grpc.aio.Channel, metadata: Metadata) -> Responses:
            return query_pb2_grpc.QueryServiceStub(channel).Overlay(request, timeout=timeout, metadata=metadata)

        return self._frames(address, f"{_QUESTIONS}Overlay", call)

    async def _frames(
        self, address: str, method: str, start: Callable[[grpc.aio.Channel, Metadata], Responses]
    ) -> AsyncIterator[Frame]:
        reader = FrameReader()
        channel = self.channel(address)
        try:
            with self._call(address, method) as metadata:
                call = start(channel, metadata)
                try:
                    async for response in call:
                        yield reader.read(response)
                finally:
                    call.cancel()
        except grpc.aio.AioRpcError as failure:
            raise error_of_call(failure, address) from failure

    async def explain(self, address: str, question: Question, timeout: float | None) -> Plan:
        """Ask a node how it would answer."""
        stub = query_pb2_grpc.QueryServiceStub(self.channel(address))
        request = explain_to_proto(question, analyze=False)
        try:
            with self._call(address, f"{_QUESTIONS}Explain") as metadata:
                response = await stub.Explain(request, timeout=timeout, metadata=metadata)
        except grpc.aio.AioRpcError as failure:
            raise error_of_call(failure, address) from failure
        return plan_from_proto(response.plan)

    async def versions(self, address: str, dataset: str, timeout: float | None) -> list[VersionInfo]:
        """Ask an owner for the retained versions of its dataset."""
        stub = version_pb2_grpc.VersionServiceStub(self.channel(address))
        request = version_pb2.ListVersionsRequest(dataset=dataset)
        try:
            with self._call(address, "/guotu.v1.VersionService/ListVersions") as metadata:
                response = await stub.ListVersions(request, timeout=timeout, metadata=metadata)
        except grpc.aio.AioRpcError as failure:
            raise error_of_call(failure, address) from failure
        return [version_from_proto(version) for version in response.versions]

    @contextmanager
    def _call(self, address: str, method: str) -> Iterator[Metadata]:
        """Begin a call; yields the metadata by which request id and trace go on at the peer.

        Raises:
            NodeUnavailable: the call was ended by `close`, which gRPC tells as if its task were cancelled.
        """
        try:
            with self._tracing.call(address, method) as trace:
                yield ((METADATA_KEY, current_request_id()), *trace)
        except asyncio.CancelledError as ended:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            raise NodeUnavailable(address=address, detail="连接已关闭 the connection was closed") from ended

    async def close(self) -> None:
        """Close all channels; calls under way end."""
        while self._channels:
            _, channel = self._channels.popitem()
            await channel.close(grace=0)
