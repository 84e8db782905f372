"""A process that is many nodes: each with its own gRPC server, gate, planner, federation and channels.

Each line of JSON on standard input is an order, answered by a line: {"be": ids} ends the nodes there are and begins
others, {"meet": {id: address}} shows them the mesh, {"repeat": whether} has them give their last answers again without
any work, {"report": counting} asks what was used, and counts bytes from then on or not. It ends with the input. Nodes
of a process share its event loop, a directory that is fed once, a synthetic store and a set of metrics.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing
from functools import partial
from typing import Any

import grpc.aio
import structlog

from benchmarks.scale_store import SyntheticStore
from benchmarks.scale_tree import PARCELS, datasets_of, directory
from federation.boundaries import Boundaries
from federation.planning.planner import Planner
from federation.service import Federation
from guotu.model.answer import Frame
from guotu.model.collection import Collection
from guotu.model.plan import Plan
from guotu.model.ports import DirectoryView
from guotu.model.question import LayerOverlay, Overlay, Query, Question, Stats
from guotu.v1 import query_pb2, query_pb2_grpc
from guotu.wire.answers import frame_to_proto
from guotu.wire.endpoint import bind, new_server
from guotu.wire.peers import GrpcPeers
from guotu.wire.questions import query_to_proto, stats_to_proto
from guotu.wire.request_id import current_request_id
from node.metrics import Metrics
from node.readiness import Readiness, State
from node.rpc.gate import Context, Gate
from node.rpc.query import QueryServicer

_TIMEOUT_S = 600.0


class FedDirectory:
    """`guotu.model.ports.Directory` that shows what it was told once."""

    def __init__(self) -> None:
        self._view = DirectoryView({}, {}, {}, stale=False, as_of_ms=0)

    def tell(self, view: DirectoryView) -> None:
        """Show this from now on."""
        self._view = view

    def view(self) -> DirectoryView:
        """Return the present view."""
        return self._view


class OneCollection:
    """`guotu.model.ports.Catalogue` of the benchmark."""

    def get(self, collection: str) -> Collection | None:
        """Return the collection."""
        return PARCELS if collection == PARCELS.id else None

    def all(self) -> list[Collection]:
        """Return it alone."""
        return [PARCELS]


class CountedPeers:
    """`guotu.model.ports.PeerClient` over another: counts the bytes of the messages of questions and answers."""

    def __init__(self, peers: GrpcPeers) -> None:
        self._peers = peers
        self.counting = False
        self.sent = 0
        self.received = 0

    def query(self, address: str, question: Query, timeout: float | None) -> AsyncIterator[Frame]:
        """Ask a node."""
        frames = self._peers.query(address, question, timeout)
        return self._counted(frames, query_to_proto(question).ByteSize()) if self.counting else frames

    def stats(self, address: str, question: Stats, timeout: float | None) -> AsyncIterator[Frame]:
        """Ask a node."""
        frames = self._peers.stats(address, question, timeout)
        return self._counted(frames, stats_to_proto(question).ByteSize()) if self.counting else frames

    def overlay(self, address: str, question: Overlay | LayerOverlay, timeout: float | None) -> AsyncIterator[Frame]:
        """Ask a node."""
        return self._peers.overlay(address, question, timeout)

    async def explain(self, address: str, question: Question, timeout: float | None) -> Plan:
        """Ask a node how it would answer."""
        return await self._peers.explain(address, question, timeout)

    async def close(self) -> None:
        """Close all channels."""
        await self._peers.close()

    async def _counted(self, frames: AsyncIterator[Frame], sent: int) -> AsyncIterator[Frame]:
        self.sent += sent
        async with aclosing(frames) as reading:  # type: ignore[type-var]
            async for frame in reading:
                self.received += frame_to_proto(frame, query_pb2.QueryResponse).ByteSize()
                yield frame


class Repeating(QueryServicer):
    """Answers as a node does, or, if it is told to, with the messages of the last such answer."""

    def __init__(self, gate: Gate, federation: Federation, metrics: Metrics) -> None:
        super().__init__(gate, federation, metrics)
        self._kept: dict[tuple[str, ...], list[Any]] = {}
        self.repeats = False

    async def Query(self, request: query_pb2.QueryRequest, context: Context) -> AsyncIterator[query_pb2.QueryResponse]:
        """Retrieve features."""
        async for response in self._answer(("rows",), partial(super().Query, request, context)):
            yield response

    async def Aggregate(
        self, request: query_pb2.AggregateRequest, context: Context
    ) -> AsyncIterator[query_pb2.AggregateResponse]:
        """Group and aggregate."""
        key = ("groups", *request.group_by)
        async for response in self._answer(key, partial(super().Aggregate, request, context)):
            yield response

    async def _answer(self, key: tuple[str, ...], begin: Callable[[], AsyncIterator[Any]]) -> AsyncIterator[Any]:
        # An asker that has enough rows ends an answer before its end, which is not kept then.
        if self.repeats and key in self._kept:
            for response in self._kept[key]:
                yield response
            return
        kept = []
        async for response in begin():
            kept.append(response)
            yield response
        self._kept[key] = kept


class Host:
    """The nodes of this process."""

    def __init__(self, rows: int) -> None:
        self._rows = rows
        self._store = SyntheticStore(rows)
        self._directory = FedDirectory()
        self._metrics = Metrics()
        self._servers: list[grpc.aio.Server] = []
        self._peers: list[CountedPeers] = []
        self._servicers: list[Repeating] = []

    async def be(self, nodes: Sequence[str]) -> dict[str, str]:
        """End the nodes there are and serve others; returns their addresses."""
        await asyncio.gather(*(server.stop(0) for server in self._servers))
        await asyncio.gather(*(peers.close() for peers in self._peers))
        self._servers, self._peers, self._servicers = [], [], []
        self._directory, self._metrics = FedDirectory(), Metrics()
        return {node: await self._serve(node) for node in nodes}

    async def _serve(self, node: str) -> str:
        readiness = Readiness(node)
        readiness.state = State.READY
        peers = CountedPeers(GrpcPeers())
        held = {record.collection: record for record in datasets_of([node], self._rows)}
        federation = Federation(
            planner=Planner(node, self._directory, lambda: held),
            catalogue=OneCollection(),
            store=self._store,  # type: ignore[arg-type]
            peers=peers,
            request_id=current_request_id,
            observe=self._metrics.observe_member,
            boundaries=Boundaries(self._directory, lambda wanted: []),
        )
        gate = Gate(node, readiness, self._metrics, _TIMEOUT_S)
        server = new_server()
        servicer = Repeating(gate, federation, self._metrics)
        query_pb2_grpc.add_QueryServiceServicer_to_server(servicer, server)
        port = bind(server, "127.0.0.1:0")
        await server.start()
        self._servers.append(server)
        self._peers.append(peers)
        self._servicers.append(servicer)
        return f"127.0.0.1:{port}"

    def meet(self, addresses: Mapping[str, str]) -> None:
        """Show the whole mesh to the nodes."""
        self._directory.tell(directory(addresses, self._rows))

    def repeat(self, repeats: bool) -> None:
        """Have the nodes give their last answers again, or answer anew."""
        for servicer in self._servicers:
            servicer.repeats = repeats

    def report(self, counting: bool) -> dict[str, float]:
        """Return processor time of this process, seconds, and bytes of the messages counted, all since it began."""
        for peers in self._peers:
            peers.counting = counting
        return {
            "cpu_s": time.process_time(),
            "sent": sum(peers.sent for peers in self._peers),
            "received": sum(peers.received for peers in self._peers),
        }

    async def obey(self, order: Mapping[str, Any]) -> object:
        """Carry an order out; returns what is answered."""
        if "be" in order:
            return await self.be(order["be"])
        if "meet" in order:
            self.meet(order["meet"])
            return {}
        if "repeat" in order:
            self.repeat(order["repeat"])
            return {}
        return self.report(order["report"])


async def live(rows: int) -> None:
    """Be the nodes until the input ends."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    host = Host(rows)
    while line := await asyncio.to_thread(sys.stdin.readline):
        print(json.dumps(await host.obey(json.loads(line))), flush=True)


if __name__ == "__main__":
    asyncio.run(live(int(sys.argv[1])))
