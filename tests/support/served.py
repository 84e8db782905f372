"""A node's question service over a real socket, without the rest of the node."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from federation.boundaries import Boundaries
from federation.planning.planner import Planner
from federation.service import Federation
from guotu.model.ports import FeatureStore
from guotu.model.records import DatasetRecord
from guotu.v1 import query_pb2_grpc
from guotu.wire.endpoint import bind, new_server
from guotu.wire.peers import GrpcPeers
from guotu.wire.request_id import current_request_id
from node.metrics import Metrics
from node.readiness import Readiness, State
from node.rpc.gate import Gate
from node.rpc.query import QueryServicer
from node.turns import Turns
from tests.support.federation_parts import PARCELS, FixedCatalogue, FixedDirectory


@asynccontextmanager
async def served(
    node: str, directory: FixedDirectory, own: dict[str, DatasetRecord], store: FeatureStore, turns: Turns
) -> AsyncIterator[str]:
    """Serve questions about the collection of parcels; yields the address."""
    peers, metrics, readiness = GrpcPeers(), Metrics(), Readiness(node)
    readiness.state = State.READY
    federation = Federation(
        Planner(node, directory, lambda: own),
        FixedCatalogue(PARCELS),
        store,
        peers,
        current_request_id,
        metrics.observe_member,
        Boundaries(directory, lambda _: ()),
    )
    server = new_server()
    servicer = QueryServicer(Gate(node, readiness, metrics, 60.0, turns), federation, metrics)
    query_pb2_grpc.add_QueryServiceServicer_to_server(servicer, server)
    port = bind(server, "127.0.0.1:0")
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(1.0)
        await peers.close()
