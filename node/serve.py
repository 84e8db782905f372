"""A node's life: brought up in order, ready, taken down in reverse order."""

from __future__ import annotations

import asyncio
import signal
from contextlib import AsyncExitStack, suppress

import structlog

from guotu.model.division import split_dataset
from guotu.model.errors import RegistryUnavailable
from guotu.model.records import ReplicaRecord
from node.assembly import Parts, assemble, tls_files
from node.config.address import split_address
from node.config.sections import NodeConfig
from node.data_directory import DataDirectory
from node.footprint import stay_small
from node.logs import configure_logs
from node.readiness import State
from node.rpc.server import PublicServer, start_admin_server
from sync.objects.probe import probe
from sync.reconcile import reconcile
from sync.replica.record import list_records
from sync.trust import trust

_FINISH_S = 20.0
"""How long questions under way may go on after a stop was asked for."""
_GRACE_S = 3.0
"""How long other calls may go on after that."""
_log = structlog.get_logger(__name__)


def serve(config: NodeConfig) -> None:
    """Run a node until SIGTERM or SIGINT.

    Raises:
        DirectoryInUse: another process works on the data directory.
        RegistryUnavailable: etcd did not answer in time and there is no last good directory.
        IdentityTaken: another node has this id.
        OSError: an address cannot be bound, or the data directory cannot be used.
    """
    stay_small()
    configure_logs(config.node.id, config.log.level, config.log.format == "json")
    data = DataDirectory(config.node.data_dir)
    with data.hold():
        asyncio.run(_live(config, data))


async def _live(config: NodeConfig, data: DataDirectory) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    parts = assemble(config, data)
    running = asyncio.create_task(_run(parts, data, stop))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait((running, stopping), return_when=asyncio.FIRST_COMPLETED)
    if parts.readiness.state is State.STARTING and stop.is_set():
        running.cancel()
    stopping.cancel()
    with suppress(asyncio.CancelledError):
        await running


async def _run(parts: Parts, data: DataDirectory, stop: asyncio.Event) -> None:
    """Bring the parts up in order; what is up is taken down in reverse order, however this ends."""
    async with AsyncExitStack() as life:
        await _open_stores(parts, life)
        await _find_registry(parts, life)
        await _restore_versions(parts)
        server = await _open_doors(parts, data, life)
        await _register(parts, life)
        await _begin_upkeep(parts, life)
        parts.readiness.state = State.READY
        await server.set_serving(True)
        _log.info("ready", address=parts.identity.record.address)
        await stop.wait()
        _log.info("stopping")
        parts.readiness.state = State.STOPPING
        await server.set_serving(False)
        # Peers ask others from now on; what is being answered is answered to its end.
        await parts.membership.leave()
        await parts.turns.idle(_FINISH_S)


async def _open_stores(parts: Parts, life: AsyncExitStack) -> None:
    life.push_async_callback(asyncio.to_thread, parts.tracing.close)
    await parts.store.open()
    life.push_async_callback(parts.store.close)
    life.push_async_callback(parts.peers.close)
    life.push_async_callback(parts.carriers.close)
    await probe(parts.objects)
    await trust(parts.objects, parts.config.node.id, parts.key.public_bytes)


async def _find_registry(parts: Parts, life: AsyncExitStack) -> None:
    """Wait for etcd; without it, go on from the last good directory if there is one."""
    life.push_async_callback(parts.etcd.close)
    waiting: RegistryUnavailable | None = None
    try:
        await parts.etcd.wait_ready(parts.config.registry.wait_s, _tell_waiting)
    except RegistryUnavailable as failure:
        waiting = failure
    await parts.directory.start()
    life.push_async_callback(parts.directory.close)
    view = parts.directory.view()
    if waiting is not None and not view.as_of_ms:
        raise waiting
    if view.stale:
        _log.warning("registry_out_of_reach", as_of_ms=view.as_of_ms)


def _tell_waiting(message: str) -> None:
    _log.warning("waiting_for_registry", detail=message)


async def _restore_versions(parts: Parts) -> None:
    node, replicas = parts.config.node.id, set(await list_records(parts.objects))
    found = await reconcile(parts.objects, parts.store, node, replicas)
    own = [record for record in found.records if record.node == node]
    imported = [record for record in found.records if record.node != node]
    parts.holdings.load(own, imported)
    for dataset in found.failed:
        if split_dataset(dataset)[0] == node:
            parts.services.desk.unfinished.note(dataset)
    _log.info("versions_ready", datasets=len(found.records), loaded=len(found.loaded), failed=len(found.failed))


async def _open_doors(parts: Parts, data: DataDirectory, life: AsyncExitStack) -> PublicServer:
    """Bind the servers; questions are refused until the node is ready."""
    config = parts.config
    metrics_address = _serve_metrics(parts, life)
    server = PublicServer(parts.services, config.grpc.advertise or config.grpc.listen)
    port = await server.start(config.grpc.listen, tls_files(config.tls))
    life.push_async_callback(server.stop, _GRACE_S)
    host, _ = split_address(config.grpc.listen)
    parts.identity.bound(config.grpc.advertise or f"{host}:{port}", metrics_address)
    admin = await start_admin_server(parts.services, data.admin_socket)
    life.push_async_callback(admin.stop, _GRACE_S)
    return server


def _serve_metrics(parts: Parts, life: AsyncExitStack) -> str:
    """Serve /metrics if it is wanted; returns its address."""
    parts.metrics.watch_state(parts.directory.view, lambda: parts.membership.registered, parts.holdings.records)
    parts.metrics.watch_replicas(parts.replication.numbers)
    parts.metrics.watch_turns(parts.turns)
    parts.metrics.watch_breakers(parts.services.federation.punctuality.breakers)
    parts.metrics.watch_materials(parts.materials.status)
    if not parts.config.metrics.listen:
        return ""
    host, port = split_address(parts.config.metrics.listen)
    http, thread = parts.metrics.serve(host, port)
    life.callback(thread.join, 1.0)
    life.callback(http.server_close)
    life.callback(http.shutdown)
    return f"{host}:{http.server_port}"


async def _register(parts: Parts, life: AsyncExitStack) -> None:
    """Claim the id, then advertise what is held."""
    life.push_async_callback(parts.membership.leave)
    await parts.membership.join(parts.identity.record)
    for record in parts.holdings.records().values():
        await parts.membership.advertise(record)
    for record in parts.holdings.replicas().values():
        held = ReplicaRecord(record.dataset, parts.config.node.id, record.version, record.manifest, record.digest)
        await parts.membership.advertise_replica(held)


async def _begin_upkeep(parts: Parts, life: AsyncExitStack) -> None:
    """Replicate, keep tables for others in step, collect garbage, and finish what failed, from now on."""
    life.push_async_callback(parts.materials.close)
    await parts.materials.start()
    life.push_async_callback(parts.replication.replicator.close)
    await parts.replication.replicator.start()
    for work in (parts.care.tend(parts.config.versions.grace_hours * 3600), parts.services.desk.unfinished.tend()):
        life.push_async_callback(_end, asyncio.create_task(work))


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
