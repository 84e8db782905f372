"""A real etcd cluster of three members, each a process on a host of its own."""

from __future__ import annotations

import http.client
import time
from contextlib import suppress
from pathlib import Path

from demo.etcd import find_etcd
from demo.guard import Guard
from demo.process import ServerProcess, poll_until
from tests.robustness.mesh.network import Network

MEMBERS = ("etcd1", "etcd2", "etcd3")


class EtcdCluster:
    """Members may be killed, paused and started again on their data."""

    def __init__(self, root: Path, network: Network, guard: Guard) -> None:
        self.clients = {name: network.address(name) for name in MEMBERS}
        peers = {name: network.address(name) for name in MEMBERS}
        cluster = ",".join(f"{name}=http://{peer}" for name, peer in peers.items())
        token = f"robustness-{time.time_ns()}"
        self.members: dict[str, ServerProcess] = {}
        for name in MEMBERS:
            options = {
                "name": name,
                "data-dir": root / name,
                "listen-client-urls": f"http://{self.clients[name]}",
                "advertise-client-urls": f"http://{self.clients[name]}",
                "listen-peer-urls": f"http://{peers[name]}",
                "initial-advertise-peer-urls": f"http://{peers[name]}",
                "initial-cluster": cluster,
                "initial-cluster-token": token,
                "log-level": "warn",
            }
            words = [str(find_etcd()), "--unsafe-no-fsync", *(f"--{key}={value}" for key, value in options.items())]
            self.members[name] = ServerProcess(name, network.command(name, words), root / f"{name}.log", guard)

    def start(self) -> None:
        """Start all members; return once all are healthy."""
        for member in self.members.values():
            member.start()
        self.wait_healthy()

    def wait_healthy(self, timeout: float = 180.0) -> None:
        """Return once all members are healthy.

        Raises:
            TimeoutError: one is not in time.
        """
        deadline = time.monotonic() + timeout
        for name, client in self.clients.items():
            while not _healthy(client):
                if not poll_until(deadline):
                    raise TimeoutError(f"{name}:\n{self.members[name].tail()}")


def _healthy(client: str) -> bool:
    connection = http.client.HTTPConnection(client, timeout=2.0)
    with suppress(OSError, http.client.HTTPException):
        connection.request("GET", "/health")
        return b'"true"' in connection.getresponse().read()
    return False
