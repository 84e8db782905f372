"""The composition root: what a node is made of, wired together; nothing is started here."""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib.metadata import version as package_version

from federation.planning.planner import Planner
from federation.service import Federation
from guotu.model.division import node_division
from guotu.model.records import NodeRecord
from guotu.wire.endpoint import TlsFiles
from guotu.wire.peers import GrpcPeers
from guotu.wire.request_id import current_request_id
from node.clock import SystemClock
from node.config.sections import NodeConfig, RegistrySection, TlsSection
from node.data_directory import DataDirectory
from node.holdings import Holdings
from node.membership import Membership
from node.metrics import Metrics
from node.publishing import PublishDesk
from node.readiness import Readiness
from node.rpc.gate import Gate
from node.rpc.server import Services
from node.stores.duckdb.options import DuckDbOptions
from node.stores.duckdb.store import DuckDbStore
from registry.catalogue import DirectoryCatalogue
from registry.directory import EtcdDirectory
from registry.etcd import Etcd
from registry.gazetteer import Gazetteer
from sync.objects.local import LocalObjectStore
from sync.publish import Publisher
from sync.signing import NodeKey
from sync.versions import Versions


@dataclass(slots=True)
class Identity:
    """What the node registers; the addresses are known once its servers are bound."""

    record: NodeRecord

    def bound(self, address: str, metrics_address: str) -> None:
        """Take the addresses."""
        self.record = replace(self.record, address=address, metrics_address=metrics_address)


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of one node."""

    config: NodeConfig
    identity: Identity
    etcd: Etcd
    directory: EtcdDirectory
    membership: Membership
    catalogue: DirectoryCatalogue
    store: DuckDbStore
    objects: LocalObjectStore
    holdings: Holdings
    peers: GrpcPeers
    metrics: Metrics
    readiness: Readiness
    services: Services


def tls_files(section: TlsSection | RegistrySection) -> TlsFiles | None:
    """Return the files of a section; None if it names none."""
    if section.cert_file is None or section.key_file is None or section.ca_file is None:
        return None
    return TlsFiles(section.cert_file, section.key_file, section.ca_file)


def assemble(config: NodeConfig, data: DataDirectory) -> Parts:
    """Make the parts of a node whose data directory exists and is held.

    Raises:
        OSError, InvalidConfig: key, instance or TLS files cannot be read.
    """
    node, clock = config.node.id, SystemClock()
    key, gazetteer = NodeKey.load(data.node_key), Gazetteer.load()
    etcd = Etcd(config.registry.endpoints, tls_files(config.registry))
    directory = EtcdDirectory(etcd, data.directory_snapshot)
    catalogue = DirectoryCatalogue(directory)
    store = DuckDbStore(_store_options(config, data))
    objects = LocalObjectStore(data.objects)
    versions = Versions(objects, store, key.public_bytes)
    holdings, metrics, readiness = Holdings(node_division(node)), Metrics(), Readiness(node)
    peers = GrpcPeers(tls_files(config.tls))
    identity = Identity(_record(config, data, key, gazetteer, clock))
    membership = Membership(etcd, config.registry.lease_ttl_s)
    planner = Planner(node, directory, holdings.records)
    federation = Federation(planner, catalogue, store, peers, current_request_id, metrics.observe_member)
    desk = PublishDesk(
        node=node,
        catalogue=catalogue,
        gazetteer=gazetteer,
        publisher=Publisher(objects, store, key, node, clock, data.scratch / "publish"),
        holdings=holdings,
        advertise=membership.advertise,
        scratch=data.scratch,
        tolerance_deg=config.ingest.bounds_tolerance_deg,
        keep=config.versions.keep,
    )
    grpc = config.grpc
    gate = Gate(node, readiness, metrics, grpc.default_timeout_s, grpc.max_concurrent_questions)
    services = Services(
        gate=gate,
        readiness=readiness,
        federation=federation,
        directory=directory,
        catalogue=catalogue,
        holdings=holdings,
        versions=versions,
        public_key=key.public_bytes,
        peers=peers,
        desk=desk,
        metrics=metrics,
        record=lambda: identity.record,
    )
    return Parts(
        config,
        identity,
        etcd,
        directory,
        membership,
        catalogue,
        store,
        objects,
        holdings,
        peers,
        metrics,
        readiness,
        services,
    )


def _store_options(config: NodeConfig, data: DataDirectory) -> DuckDbOptions:
    section = config.store
    return DuckDbOptions(
        path=data.store,
        memory_limit_mib=section.memory_limit_mib,
        threads=section.threads,
        readers=section.readers,
    )


def _record(
    config: NodeConfig, data: DataDirectory, key: NodeKey, gazetteer: Gazetteer, clock: SystemClock
) -> NodeRecord:
    node = config.node.id
    return NodeRecord(
        node=node,
        name=config.node.name or gazetteer.name(node_division(node)),
        address="",
        instance=data.instance_id(),
        software=package_version("guotu"),
        started_ms=clock.now_ms(),
        public_key=key.public_bytes,
        store=config.store.kind,
    )
