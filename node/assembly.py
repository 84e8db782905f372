"""The composition root: what a node is made of, wired together; nothing is started here."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from importlib.metadata import version as package_version

from federation.boundaries import Boundaries
from federation.notary import Notary
from federation.planning.planner import Planner
from federation.service import Federation
from guotu.model.division import node_division
from guotu.model.ports import FeatureStore, ObjectStore
from guotu.model.records import NodeRecord
from guotu.wire.endpoint import TlsFiles
from guotu.wire.holders import GrpcHolders
from guotu.wire.peers import GrpcPeers
from guotu.wire.request_id import current_request_id
from node.acquaintances import Acquaintances
from node.audit import AuditDesk
from node.care import CareDesk, areas_of, needs_by, refetch_by
from node.clock import SystemClock
from node.config.sections import NodeConfig, RegistrySection, TlsSection
from node.data_directory import DataDirectory
from node.draining import DrainDesk
from node.holdings import Holdings
from node.identity import Identity
from node.materials.desk import MaterialDesk
from node.materials.heads import Heads
from node.membership import Membership
from node.metrics import Metrics
from node.objects import open_object_store
from node.packages import PackageDesk, held_as_replica
from node.publishing import PublishDesk
from node.readiness import Readiness
from node.replication import Replication, announce_to, make_replication
from node.rpc.gate import Gate
from node.rpc.server import Services
from node.stores.opening import make_material_tables, make_store
from node.tracing.making import NodeTracing, make_tracing
from node.turns import Turns
from registry.catalogue import DirectoryCatalogue
from registry.directory import EtcdDirectory
from registry.etcd import Etcd
from registry.gazetteer import Gazetteer
from sync.audit import Auditor
from sync.differences import Differences
from sync.garbage import Collector
from sync.package.export import PackageExporter
from sync.package.intake import PackageImporter
from sync.publish import Publisher
from sync.retention import Retention
from sync.signing import NodeKey
from sync.versions import Versions

_WAITING_TRANSFERS, _TRANSFER_WAIT_S = 1024, 60.0
"""How many ranges of objects wait for their turn at most, and how long."""


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of one node."""

    config: NodeConfig
    identity: Identity
    etcd: Etcd
    directory: EtcdDirectory
    membership: Membership
    catalogue: DirectoryCatalogue
    store: FeatureStore
    objects: ObjectStore
    key: NodeKey
    replication: Replication
    care: CareDesk
    materials: MaterialDesk
    holdings: Holdings
    peers: GrpcPeers
    carriers: GrpcPeers
    metrics: Metrics
    readiness: Readiness
    tracing: NodeTracing
    turns: Turns
    services: Services


def tls_files(section: TlsSection | RegistrySection) -> TlsFiles | None:
    """Return the files of a section; None if it names none."""
    if section.cert_file is None or section.key_file is None or section.ca_file is None:
        return None
    return TlsFiles(section.cert_file, section.key_file, section.ca_file)


def assemble(config: NodeConfig, data: DataDirectory) -> Parts:
    """Make the parts of a node whose data directory exists and is held; to be called in the event loop.

    Raises:
        OSError, InvalidConfig: key, instance or TLS files cannot be read.
    """
    node, clock = config.node.id, SystemClock()
    key, gazetteer = NodeKey.load(data.node_key), Gazetteer.load()
    etcd = Etcd(config.registry.endpoints, tls_files(config.registry))
    directory = EtcdDirectory(etcd, data.directory_snapshot)
    catalogue = DirectoryCatalogue(directory)
    versions_changed = asyncio.Event()
    store = make_store(config.store, data.store, versions_changed.set)
    objects = open_object_store(config.objects, data.objects, data.object_cache)
    versions = Versions(objects, store)
    heads, tables = Heads(objects, store, catalogue), make_material_tables(config.store)
    materials = MaterialDesk(heads, tables, clock, versions_changed)
    holdings, metrics, readiness = Holdings(node_division(node)), Metrics(), Readiness(node)
    tracing = make_tracing(config.tracing, node, package_version("guotu"), tls_files(config.tls))
    peers = GrpcPeers(tls_files(config.tls), tracing.calls)
    # Channels of their own, so that questions do not wait behind objects.
    carriers = GrpcPeers(tls_files(config.tls))
    identity = Identity(_record(config, data, key, gazetteer, clock))
    membership = Membership(etcd, config.registry.lease_ttl_s)
    publisher = Publisher(objects, store, key, node, clock, data.scratch / "publish")
    replication = make_replication(
        node,
        config.replication,
        directory=directory,
        holder=GrpcHolders(carriers),
        objects=objects,
        store=store,
        clock=clock,
        partial=data.partial,
        announce=announce_to(holdings, membership),
    )
    directory.on_change(replication.replicator.changed)
    replicator, retention = replication.replicator, Retention(config.versions.keep, config.versions.keep_months)
    exporter = PackageExporter(objects, key, node, clock)
    collector = Collector(
        objects,
        store,
        clock,
        retention,
        config.versions.grace_hours * 3600,
        publisher.between,
        relied_on=lambda: replicator.relied_on() | exporter.relied_on(),
        needs_of=needs_by(areas_of(replicator, node)),
    )
    importer = PackageImporter(
        objects,
        store,
        node,
        data.scratch / "package",
        held=held_as_replica(node, replication.site.announce),
        turn=publisher.between,
    )
    care = CareDesk(
        objects,
        store,
        clock,
        collector,
        retention,
        publisher.between,
        area_of=areas_of(replicator, node),
        refetch=refetch_by(replication.site),
        node=node,
    )
    bypass = config.federation.bypass
    planner = Planner(node, directory, holdings.records, holdings.replicas, bypass)
    notary = Notary(key.public_bytes, key.sign, clock)
    federation = Federation(
        planner,
        catalogue,
        store,
        peers,
        current_request_id,
        metrics.observe_member,
        Boundaries(directory, gazetteer.find),
        nearest=config.federation.prefer == "nearest",
        notary=notary,
        tracing=tracing.work,
        scratch=data.scratch,
    )
    keepers = (peers.forget_others, carriers.forget_others, federation.punctuality.forget_others)
    directory.on_change(Acquaintances(directory, *keepers).changed)
    desk = PublishDesk(
        node=node,
        catalogue=catalogue,
        gazetteer=gazetteer,
        publisher=publisher,
        holdings=holdings,
        advertise=membership.advertise,
        retain=care.retain,
        scratch=data.scratch,
        tolerance_deg=config.ingest.bounds_tolerance_deg,
    )
    grpc = config.grpc
    turns = Turns(node, grpc.max_concurrent_questions, grpc.max_waiting_questions)
    gate = Gate(node, readiness, metrics, grpc.default_timeout_s, turns)
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
        draining=DrainDesk(identity, data.draining, membership.change, turns, holdings, directory),
        differences=Differences(objects, store),
        objects=objects,
        replicator=replicator,
        care=care,
        packages=PackageDesk(exporter, importer),
        materials=materials,
        audits=AuditDesk(
            node,
            Auditor(objects, store, clock),
            gazetteer,
            holdings,
            data.scratch / "audit",
            config.ingest.bounds_tolerance_deg,
        ),
        operator_gate=Gate(node, readiness, metrics, grpc.default_timeout_s),
        transfer_gate=Gate(
            node,
            readiness,
            metrics,
            grpc.default_timeout_s,
            Turns(node, config.replication.fetches * 4, _WAITING_TRANSFERS, _TRANSFER_WAIT_S),
        ),
        metrics=metrics,
        tracing=tracing.calls,
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
        key,
        replication,
        care,
        materials,
        holdings,
        peers,
        carriers,
        metrics,
        readiness,
        tracing,
        turns,
        services,
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
        draining=data.draining.exists(),
        reached_through=config.node.reached_through,
        also_under=config.node.also_under,
    )
