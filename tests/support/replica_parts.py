"""Owners, peers on real sockets and replicating nodes for tests of replication; also as processes that can be killed.

`python -m tests.support.replica_parts serve FOLDER` serves the objects of a folder and prints its port.
`python -m tests.support.replica_parts follow FOLDER KEY ADDRESS VERSION MANIFEST STEP` replicates, and kills itself at
the first STEP.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pyarrow as pa

from guotu.model.ports import Clock, DirectoryView, FeatureStore
from guotu.model.records import DatasetRecord, NodeRecord, ReplicaRecord
from guotu.v1 import replication_pb2_grpc
from guotu.wire.endpoint import bind, new_server
from guotu.wire.holders import GrpcHolders
from guotu.wire.peers import GrpcPeers
from node.clock import SystemClock
from node.config.version_sections import ReplicationSection
from node.metrics import Metrics
from node.readiness import Readiness, State
from node.replication import Replication, make_replication
from node.rpc.gate import Gate
from node.rpc.replication import ReplicationServicer
from sync.definitions import get_definition
from sync.objects.local import LocalObjectStore
from sync.pointer import read_head
from sync.replica.site import Announce
from sync.replica.status import ReplicaStatus
from sync.replica.subscription import Subscription
from sync.signed import get_manifest
from tests.support.eventually import eventually
from tests.support.memory_store import MemoryStore
from tests.support.replica_author import Author, delta_of, edited, random_bytes, same_rows, without
from tests.support.sync_samples import DATASET, NODE

__all__ = [
    "HERE", "Author", "Board", "Follower", "Peer", "delta_of", "edited", "random_bytes", "same_rows", "without",
]  # fmt: skip
HERE = "100000"


class Board:
    """A directory that tests write."""

    def __init__(self) -> None:
        self._nodes: dict[str, NodeRecord] = {}
        self._datasets: dict[str, DatasetRecord] = {}
        self._replicas: dict[str, ReplicaRecord] = {}
        self._view = self._made()

    def view(self) -> DirectoryView:
        return self._view

    def node(self, node: str, address: str, key: bytes = b"", through: str = "") -> None:
        self._nodes[node] = NodeRecord(node, node, address, "1", public_key=key, reached_through=through)
        self._view = self._made()

    def leave(self, node: str) -> None:
        del self._nodes[node]
        self._replicas.pop(node, None)
        self._view = self._made()

    def head(self, record: DatasetRecord) -> None:
        self._datasets[record.dataset] = record
        self._view = self._made()

    def replica(self, node: str, version: int, dataset: str = DATASET) -> None:
        self._replicas[node] = ReplicaRecord(dataset, node, version)
        self._view = self._made()

    def _made(self) -> DirectoryView:
        datasets: dict[str, dict[str, DatasetRecord]] = {}
        for record in self._datasets.values():
            datasets.setdefault(record.collection, {})[record.dataset] = record
        replicas: dict[str, dict[str, ReplicaRecord]] = {}
        for replica in self._replicas.values():
            replicas.setdefault(replica.dataset, {})[replica.node] = replica
        return DirectoryView(MappingProxyType(dict(self._nodes)), datasets, replicas, False, 1)


class Peer:
    """Serves an object store on a loopback socket."""

    def __init__(self, objects: LocalObjectStore, node: str = NODE) -> None:
        readiness = Readiness(node)
        readiness.state = State.READY
        self._server = new_server()
        self.servicer = ReplicationServicer(Gate(node, readiness, Metrics(), 30.0), objects)
        replication_pb2_grpc.add_ReplicationServiceServicer_to_server(self.servicer, self._server)
        self.address = f"127.0.0.1:{bind(self._server, '127.0.0.1:0')}"

    async def __aenter__(self) -> Peer:
        await self._server.start()
        return self

    async def __aexit__(self, *unused: object) -> None:
        await self._server.stop(0)


class Follower:
    """A node that replicates; making it again over a folder is a restart."""

    def __init__(
        self,
        folder: Path,
        board: Board,
        *,
        checkpoint: Callable[[str], None] = lambda step: None,
        section: ReplicationSection | None = None,
        node: str = HERE,
        wrap: Callable[[Any], Any] = lambda part: part,
        store: FeatureStore | None = None,
        clock: Clock | None = None,
    ) -> None:
        (folder / "store").mkdir(parents=True, exist_ok=True)
        self.folder, self.node = folder, node
        self.objects = wrap(LocalObjectStore(folder / "objects"))
        self.plain_store = store or MemoryStore(folder / "store")
        self.store = wrap(self.plain_store)
        self.advertised: dict[str, ReplicaRecord] = {}
        self.held: dict[str, DatasetRecord] = {}
        self.peers = GrpcPeers()
        self.replication: Replication = make_replication(
            node,
            section or ReplicationSection(),
            directory=board,
            holder=GrpcHolders(self.peers),
            objects=self.objects,
            store=self.store,
            clock=clock or SystemClock(),
            partial=folder / "partial",
            announce=Announce(self._hold, self._advertise, self._drop),
            checkpoint=checkpoint,
        )
        self.replicator = self.replication.replicator

    def _hold(self, record: DatasetRecord) -> None:
        self.held[record.dataset] = record

    async def _advertise(self, record: ReplicaRecord) -> None:
        self.advertised[record.dataset] = record

    async def _drop(self, dataset: str) -> None:
        self.advertised.pop(dataset, None)
        self.held.pop(dataset, None)

    async def __aenter__(self) -> Follower:
        await self.store.open()
        await self.replicator.start()
        return self

    async def __aexit__(self, *unused: object) -> None:
        await self.replicator.close()
        await self.peers.close()

    @property
    def fetched(self) -> int:
        return self.replication.numbers().fetched_bytes

    def status(self, dataset: str = DATASET) -> ReplicaStatus | None:
        return next((item for item in self.replicator.status() if item.dataset == dataset), None)

    async def reaches(self, version: int, dataset: str = DATASET, within: float = 60.0) -> ReplicaStatus:
        """Wait until a version is current and advertised."""

        def there() -> bool:
            status, told = self.status(dataset), self.advertised.get(dataset)
            return status is not None and status.state == "current" and told is not None and told.version == version

        try:
            await eventually(there, within)
        except AssertionError as failure:
            raise AssertionError(f"{failure}: {self.status(dataset)}") from failure
        status = self.status(dataset)
        assert status is not None
        return status

    async def is_stuck(self, dataset: str = DATASET) -> ReplicaStatus:
        """Wait until a replica is stuck."""

        def stuck() -> ReplicaStatus | None:
            status = self.status(dataset)
            return status if status is not None and status.state == "stuck" else None

        status = await eventually(stuck)
        assert status is not None
        return status

    async def rows(self, dataset: str = DATASET) -> pa.Table:
        """Return the rows of the head, sorted by key."""
        head = await read_head(self.objects, dataset)
        assert head is not None
        manifest = (await get_manifest(self.objects, head.pointer.manifest)).manifest
        collection = await get_definition(self.objects, manifest.definition)
        batches = [item async for item in self.store.stored(dataset, manifest.version, collection)]
        names = [*collection.column_names]
        return pa.Table.from_batches(batches).select(names).sort_by("BSM") if batches else pa.table({"BSM": []})


async def _serve(folder: Path) -> None:
    async with Peer(LocalObjectStore(folder)) as peer:
        print(peer.address, flush=True)
        await asyncio.Event().wait()


async def _follow(folder: Path, key: str, address: str, record: DatasetRecord, step: str) -> None:
    def die(done: str) -> None:
        if done == step:
            os.kill(os.getpid(), signal.SIGKILL)

    board = Board()
    board.node(NODE, address, bytes.fromhex(key))
    board.head(record)
    async with Follower(folder, board, checkpoint=die) as follower:
        await follower.replicator.subscribe(Subscription("dltb"))
        await follower.reaches(record.version)


def _record(version: str, manifest: str) -> DatasetRecord:
    return DatasetRecord(DATASET, "dltb", NODE, int(version), 0, None, b"", 0.0, manifest, "", 1_770_000_000_000)


if __name__ == "__main__":
    mode, path, *rest = sys.argv[1:]
    if mode == "serve":
        asyncio.run(_serve(Path(path)))
    else:
        asyncio.run(_follow(Path(path), rest[0], rest[1], _record(rest[2], rest[3]), rest[4]))
