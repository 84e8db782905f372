"""The whole mesh: three etcd members, PostgreSQL, the nodes, and what lies between them."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from click.testing import CliRunner

from benchmarks.pg_cluster import require_postgres
from demo.guard import Guard
from demo.process import poll_until
from demo.readiness import is_ready, wait_until_ready
from guotu.model.errors import GuotuError
from guotu.wire.subscriptions import SubscriptionsClient
from node.cli.program import program
from tests.robustness.mesh.contents import CATALOGUE
from tests.robustness.mesh.database import Database
from tests.robustness.mesh.etcd_cluster import MEMBERS, EtcdCluster
from tests.robustness.mesh.family import COLLECTION, FAMILY, NODES
from tests.robustness.mesh.network import HUB, Loopback, Namespaces, Network
from tests.robustness.mesh.nodes import Node, prepare
from tests.robustness.mesh.relays import Relays
from tests.robustness.older.software import unpack_older
from tests.support.small_disk import SmallDisk

RELAYED = ("510000", "520100", "500103")
"""Nodes that others reach through a relay where hosts have networks of their own; without, all are."""
_OPTIONS: dict[str, Any] = {
    "registry.lease_ttl_s": 3,
    "metrics.listen": "",
    "grpc.allow_plaintext": True,
    "grpc.max_concurrent_questions": 16,
    "store.memory_limit_mib": 128,
    "store.threads": 1,
    "store.connections": 16,
    "versions.keep": 0,
}
_DISK_MIB = 48
_START_S = 480.0


class Mesh:
    """Starts everything, takes it down, and waits until it is whole; leaving its context ends all of it."""

    def __init__(self, root: Path, own_network: bool) -> None:
        """Prepare it below `root`, a short path; `own_network` tells that this process has a network of its own."""
        root.mkdir(parents=True, exist_ok=True)
        self.root = root
        self._life = ExitStack()
        self.network: Network = Namespaces([*MEMBERS, *NODES]) if own_network else Loopback()
        self._life.callback(self.network.close)
        self.guard = Guard()
        self._life.callback(self.guard.close)
        self.relays = Relays()
        self._life.callback(self.relays.close)
        self.etcd = EtcdCluster(root / "etcd", self.network, self.guard)
        self.database = Database(root / "pg", self.network.address(HUB))
        self.disks: dict[str, SmallDisk] = {}
        self.nodes: dict[str, Node] = {}
        self.held: set[str] = set()
        """Nodes that are down on purpose."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def start(self) -> None:
        """Start everything and wait until the nodes take questions."""
        with ThreadPoolExecutor(3) as pool:
            started = [pool.submit(self.etcd.start), pool.submit(self._start_database)]
            older = unpack_older(self.root / "older")
            for work in started:
                work.result()
        for member in FAMILY:
            self._prepare(member.node, older)
        for node in self.nodes.values():
            node.process.start()
        self._apply_catalogue()
        self.wait_ready(_START_S)

    def _start_database(self) -> None:
        require_postgres()
        self._life.callback(self.database.close)
        self.database.start()

    def _prepare(self, name: str, older: Path) -> None:
        member = next(item for item in FAMILY if item.node == name)
        options = {**_OPTIONS, "registry.endpoints": tuple(self.etcd.clients.values())}
        if member.store == "postgis":
            options |= {"store.kind": "postgis", "store.url": self.database.make(name)}
        advertised = ""
        if name in RELAYED or not self.network.parts_pairs:
            advertised = options["grpc.advertise"] = self.network.address(name)
        if member.small_disk and os.geteuid() == 0:
            disk = self.disks[name] = SmallDisk(self.root / name / "d", _DISK_MIB)
            self._life.callback(disk.close)
        self.nodes[name] = node = prepare(self.root, member, self.network, self.guard, older, options)
        if advertised:
            self.relays.add(name, advertised, self.network.namespace(name), node.listen)

    def _apply_catalogue(self) -> None:
        file = self.root / "catalogue.toml"
        file.write_text(CATALOGUE, encoding="utf-8")
        etcd = [word for client in self.etcd.clients.values() for word in ("--etcd", client)]
        deadline = time.monotonic() + _START_S
        # All nodes start meanwhile: etcd may take longer than the command waits for it.
        while (done := CliRunner().invoke(program, ["catalogue", "apply", str(file), *etcd, "--yes"])).exit_code:
            assert poll_until(deadline), done.output

    def subscribe(self) -> None:
        """Have nodes follow those whom they are to follow."""
        for node in self.nodes.values():
            if node.member.follows:
                with SubscriptionsClient(node.data.admin_socket) as subscriptions:
                    subscriptions.subscribe(COLLECTION, node.member.follows)

    def wait_ready(self, timeout: float) -> None:
        """Return once all nodes take questions."""
        wait_until_ready(
            [_Waited(node) for node in self.nodes.values()],  # type: ignore[misc]
            timeout,
        )

    def ready(self, name: str) -> bool:
        """Tell whether a node takes questions."""
        return is_ready(self.nodes[name].listen)

    def close(self) -> None:
        """End everything. May be called again."""
        for process in self._processes():
            with suppress(RuntimeError, ProcessLookupError):
                process.signal(signal.SIGCONT)
            process.kill()
        self._life.close()

    def _processes(self) -> Iterable[Any]:
        yield from (process for node in self.nodes.values() for process in node.processes.values())
        yield from self.etcd.members.values()


class _Waited:
    """A node as `wait_until_ready` knows it."""

    def __init__(self, node: Node) -> None:
        self.name, self.address, self.process = node.member.node, node.listen, node.process


def await_all(conditions: dict[str, Callable[[], str]], timeout: float) -> dict[str, str]:
    """Wait until no condition has a complaint any more; returns those that still have one, and it, in the end."""
    deadline = time.monotonic() + timeout
    pending = dict.fromkeys(conditions, "")
    while pending and poll_until(deadline):
        for name in list(pending):
            try:
                pending[name] = conditions[name]()
            except GuotuError as failure:
                pending[name] = failure.english
            if not pending[name]:
                del pending[name]
        time.sleep(0.1)
    return pending
