"""A process that is many nodes: each with its own gRPC server, gate, planner, federation and channels.

Lines of JSON on standard input: the nodes to be, then the address of every node of the mesh, then, as often as wanted,
anything for a report; it ends with the input. What a process shares between its nodes: one event loop, one directory
that is fed once, one synthetic store, one set of metrics.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from typing import Any

import structlog

from benchmarks.scale_store import SyntheticStore
from benchmarks.scale_tree import PARCELS, datasets_of, directory
from federation.planning.planner import Planner
from federation.service import Federation
from guotu.model.answer import Frame
from guotu.model.collection import Collection
from guotu.model.plan import Plan
from guotu.model.ports import DirectoryView, PeerClient
from guotu.model.question import Overlay, Query, Question, Stats
from guotu.v1 import query_pb2, query_pb2_grpc
from guotu.wire.answers import frame_to_proto
from guotu.wire.endpoint import bind, new_server
from guotu.wire.peers import GrpcPeers
from guotu.wire.questions import query_to_proto, stats_to_proto
from guotu.wire.request_id import current_request_id
from node.metrics import Metrics
from node.readiness import Readiness, State
from node.rpc.gate import Gate
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
        self.sent = 0
        self.received = 0

    def query(self, address: str, question: Query, timeout: float | None) -> AsyncIterator[Frame]:
        """Ask a node."""
        self.sent += query_to_proto(question).ByteSize()
        return self._counted(self._peers.query(address, question, timeout))

    def stats(self, address: str, question: Stats, timeout: float | None) -> AsyncIterator[Frame]:
        """Ask a node."""
        self.sent += stats_to_proto(question).ByteSize()
        return self._counted(self._peers.stats(address, question, timeout))

    def overlay(self, address: str, question: Overlay, timeout: float | None) -> AsyncIterator[Frame]:
        """Ask a node."""
        return self._peers.overlay(address, question, timeout)

    async def explain(self, address: str, question: Question, timeout: float | None) -> Plan:
        """Ask a node how it would answer."""
        return await self._peers.explain(address, question, timeout)

    async def _counted(self, frames: AsyncIterator[Frame]) -> AsyncIterator[Frame]:
        async with aclosing(frames) as reading:  # type: ignore[type-var]
            async for frame in reading:
                self.received += frame_to_proto(frame, query_pb2.QueryResponse).ByteSize()
                yield frame


class Host:
    """The nodes of this process."""

    def __init__(self, nodes: list[str], rows: int, counted: bool) -> None:
        self._nodes = nodes
        self._rows = rows
        self._directory = FedDirectory()
        self._store = SyntheticStore(rows)
        self._metrics = Metrics()
        self._servers: list[object] = []
        """Kept, for a server stops when nobody refers to it any more."""
        self._counts = [CountedPeers(GrpcPeers()) for _ in nodes if counted]

    async def start(self) -> dict[str, str]:
        """Serve every node; returns the addresses."""
        return {node: await self._serve(node, number) for number, node in enumerate(self._nodes)}

    async def _serve(self, node: str, number: int) -> str:
        readiness = Readiness(node)
        readiness.state = State.READY
        peers: PeerClient = self._counts[number] if self._counts else GrpcPeers()
        held = {record.collection: record for record in datasets_of([node], self._rows)}
        federation = Federation(
            planner=Planner(node, self._directory, lambda: held),
            catalogue=OneCollection(),
            store=self._store,  # type: ignore[arg-type]
            peers=peers,
            request_id=current_request_id,
            observe=self._metrics.observe_member,
        )
        gate = Gate(node, readiness, self._metrics, _TIMEOUT_S, at_once=32)
        server = new_server()
        query_pb2_grpc.add_QueryServiceServicer_to_server(QueryServicer(gate, federation, self._metrics), server)
        port = bind(server, "127.0.0.1:0")
        await server.start()
        self._servers.append(server)
        return f"127.0.0.1:{port}"

    def meet(self, addresses: Mapping[str, str]) -> None:
        """Show the whole mesh to the nodes."""
        self._directory.tell(directory(addresses, self._rows))

    def report(self) -> dict[str, float]:
        """Return processor time of this process, seconds, and bytes of the messages counted, all since it began."""
        return {
            "cpu_s": time.process_time(),
            "sent": sum(item.sent for item in self._counts),
            "received": sum(item.received for item in self._counts),
        }


async def _line() -> Any:
    text = await asyncio.to_thread(sys.stdin.readline)
    return json.loads(text) if text else None


async def live() -> None:
    """Be the nodes until the input ends."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    told = await _line()
    host = Host(told["nodes"], told["rows"], told["counted"])
    print(json.dumps(await host.start()), flush=True)
    host.meet(await _line())
    print("{}", flush=True)
    while await _line() is not None:
        print(json.dumps(host.report()), flush=True)


if __name__ == "__main__":
    asyncio.run(live())
