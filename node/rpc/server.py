"""The node's two gRPC servers: the public one for peers and clients, the operator's one on a local socket."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import grpc.aio
from grpc_health.v1 import health_pb2

from federation.service import Federation
from guotu.model.ports import Catalogue, Directory, ObjectStore
from guotu.model.records import NodeRecord
from guotu.v1 import (
    admin_pb2,
    admin_pb2_grpc,
    audit_pb2,
    audit_pb2_grpc,
    care_pb2,
    care_pb2_grpc,
    dataset_pb2,
    dataset_pb2_grpc,
    directory_pb2,
    directory_pb2_grpc,
    material_pb2,
    material_pb2_grpc,
    node_pb2,
    node_pb2_grpc,
    package_pb2,
    package_pb2_grpc,
    query_pb2,
    query_pb2_grpc,
    replication_pb2,
    replication_pb2_grpc,
    subscription_pb2,
    subscription_pb2_grpc,
    version_pb2,
    version_pb2_grpc,
)
from guotu.wire.endpoint import MAX_QUESTION_BYTES, TlsFiles, add_health_and_reflection, bind, new_server
from guotu.wire.peers import GrpcPeers
from guotu.wire.tracing import CallTracing
from node.audit import AuditDesk
from node.care import CareDesk
from node.draining import DrainDesk
from node.holdings import Holdings
from node.materials.desk import MaterialDesk
from node.metrics import Metrics
from node.packages import PackageDesk
from node.publishing import PublishDesk
from node.readiness import Readiness
from node.rpc.admin import AdminServicer
from node.rpc.audit import AuditServicer
from node.rpc.care import CareServicer
from node.rpc.facts import DatasetServicer, DirectoryServicer, NodeServicer
from node.rpc.gate import Gate
from node.rpc.material import MaterialServicer
from node.rpc.package import PackageServicer
from node.rpc.query import QueryServicer
from node.rpc.replication import ReplicationServicer
from node.rpc.subscription import SubscriptionServicer
from node.rpc.version import VersionServicer
from sync.differences import Differences
from sync.replica.replicator import Replicator
from sync.versions import Versions

_PUBLIC_FILES = (node_pb2, directory_pb2, dataset_pb2, version_pb2, query_pb2, replication_pb2)
_LOCAL_FILES = (admin_pb2, subscription_pb2, care_pb2, package_pb2, material_pb2, audit_pb2)
_PUBLIC, _LOCAL = (
    tuple(service.full_name for file in files for service in file.DESCRIPTOR.services_by_name.values())
    for files in (_PUBLIC_FILES, _LOCAL_FILES)
)


@dataclass(frozen=True, slots=True)
class Services:
    """What stands behind the methods."""

    gate: Gate
    readiness: Readiness
    federation: Federation
    directory: Directory
    catalogue: Catalogue
    holdings: Holdings
    versions: Versions
    public_key: bytes
    peers: GrpcPeers
    desk: PublishDesk
    draining: DrainDesk
    differences: Differences
    objects: ObjectStore
    replicator: Replicator
    care: CareDesk
    packages: PackageDesk
    materials: MaterialDesk
    audits: AuditDesk
    operator_gate: Gate
    """Lets the operator in at any time, whatever waits outside."""
    transfer_gate: Gate
    """Bounds how many ranges peers fetch at once, apart from questions."""
    metrics: Metrics
    tracing: CallTracing
    record: Callable[[], NodeRecord]


class PublicServer:
    """Serves peers and clients."""

    def __init__(self, services: Services, address: str) -> None:
        """Make the server of a node that is reached at an address, "host:port"."""
        self._server = new_server(MAX_QUESTION_BYTES, services.tracing.interceptors(address))
        gate, directory = services.gate, services.directory
        node = NodeServicer(services.record, services.readiness, directory)
        node_pb2_grpc.add_NodeServiceServicer_to_server(node, self._server)
        listing = DirectoryServicer(gate, directory, services.catalogue)
        directory_pb2_grpc.add_DirectoryServiceServicer_to_server(listing, self._server)
        datasets = DatasetServicer(gate, directory, services.holdings)
        dataset_pb2_grpc.add_DatasetServiceServicer_to_server(datasets, self._server)
        versions = VersionServicer(
            gate,
            services.versions,
            services.public_key,
            directory,
            services.peers,
            services.holdings,
            services.differences,
        )
        version_pb2_grpc.add_VersionServiceServicer_to_server(versions, self._server)
        transfers = ReplicationServicer(services.transfer_gate, services.objects)
        replication_pb2_grpc.add_ReplicationServiceServicer_to_server(transfers, self._server)
        questions = QueryServicer(gate, services.federation, services.metrics)
        query_pb2_grpc.add_QueryServiceServicer_to_server(questions, self._server)
        self._health = add_health_and_reflection(self._server, _PUBLIC)

    async def start(self, address: str, tls: TlsFiles | None) -> int:
        """Bind and serve, not yet healthy; returns the port.

        Raises:
            OSError: the address cannot be bound.
        """
        port = bind(self._server, address, tls)
        await self.set_serving(False)
        await self._server.start()
        return port

    async def set_serving(self, serving: bool) -> None:
        """Tell health checks whether questions are taken."""
        states = health_pb2.HealthCheckResponse
        for service in ("", *_PUBLIC):
            await self._health.set(service, states.SERVING if serving else states.NOT_SERVING)

    async def stop(self, grace_s: float) -> None:
        """Take no more calls; those under way may end within `grace_s`, then they are cancelled."""
        await self._server.stop(grace_s)


async def start_admin_server(services: Services, socket: Path) -> grpc.aio.Server:
    """Serve the operator on a unix socket that only its owner can use.

    Raises:
        OSError: the socket cannot be made.
    """
    server = new_server(interceptors=services.tracing.interceptors(f"unix:{socket}"))
    servicer = AdminServicer(
        services.operator_gate, services.desk, services.record, services.holdings, services.draining
    )
    admin_pb2_grpc.add_AdminServiceServicer_to_server(servicer, server)
    subscriptions = SubscriptionServicer(services.operator_gate, services.replicator, services.directory)
    subscription_pb2_grpc.add_SubscriptionServiceServicer_to_server(subscriptions, server)
    care_pb2_grpc.add_CareServiceServicer_to_server(CareServicer(services.operator_gate, services.care), server)
    packages = PackageServicer(services.operator_gate, services.packages)
    package_pb2_grpc.add_PackageServiceServicer_to_server(packages, server)
    materials = MaterialServicer(services.operator_gate, services.materials)
    material_pb2_grpc.add_MaterialServiceServicer_to_server(materials, server)
    audits = AuditServicer(services.operator_gate, services.audits)
    audit_pb2_grpc.add_AuditServiceServicer_to_server(audits, server)
    add_health_and_reflection(server, _LOCAL)
    await asyncio.to_thread(socket.unlink, missing_ok=True)
    bind(server, f"unix:{socket}")
    await asyncio.to_thread(socket.chmod, 0o600)
    await server.start()
    return server
