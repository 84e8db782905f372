"""A mesh of real processes on this machine: one etcd and any number of nodes, each with its own data directory.

>>> with LocalMesh(Path("/tmp/m"), ["100000", "510000"]) as mesh:
...     mesh.start()
...     with mesh.client("100000") as client:
...         print(client.nodes())
"""

from __future__ import annotations

import signal
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from demo.etcd import EtcdProcess
from demo.guard import Guard
from demo.node_process import NodeProcess
from demo.ports import PortPool
from demo.process import ServerProcess
from demo.readiness import wait_until_ready
from guotu.client import DEFAULT_TIMEOUT, Client, connect

START_S = 120.0
"""How long nodes may take to be ready, seconds."""
STOP_S = 30.0
"""How long a process may take to stop before it is killed, seconds."""


class LocalMesh:
    """Starts, kills, pauses and stops the processes of one mesh; leaving its context ends all of them.

    Nothing runs before `start`. They also end if this program dies in any other way; see `demo.guard`.
    """

    def __init__(self, root: Path, nodes: Iterable[str] = (), overrides: Mapping[str, Any] | None = None) -> None:
        """Prepare etcd and nodes below `root`, a short path.

        Args:
            root: folder of the mesh; each node has a folder of its own in it, with its configuration, data and log.
            nodes: node ids.
            overrides: options of every node's configuration, by "section.option".

        Raises:
            RuntimeError: etcd or guotu is not installed.
            ValueError: the path is too long for the nodes' sockets.
        """
        self.root = root.absolute()
        self._overrides = dict(overrides or {})
        self._ports = PortPool()
        self.guard = Guard()
        self.etcd = EtcdProcess(self.root / "etcd", self._ports, self.guard)
        self.nodes: dict[str, NodeProcess] = {}
        for node in nodes:
            self.add(node)

    def __enter__(self) -> Self:
        """Return itself; nothing is started."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End every process."""
        self.close()

    def add(self, node: str, name: str = "", overrides: Mapping[str, Any] | None = None) -> NodeProcess:
        """Prepare one more node, without starting it.

        Args:
            node: node id.
            name: what the mesh calls it, if not by its id.
            overrides: options of its configuration, over those of the mesh.

        Raises:
            ValueError: the name is taken, or the path is too long.
            InvalidConfig: an option has a fault.
        """
        name = name or node
        if name in self.nodes:
            raise ValueError(f"{name} 已有 is there already")
        options = {**self._overrides, **(overrides or {})}
        made = NodeProcess.prepare(self.root / name, node, self.etcd.endpoint, self._ports, self.guard, options)
        self.nodes[name] = made
        return made

    # --- all of it

    def start(self, timeout: float = START_S) -> None:
        """Start etcd and every node, all at once, and wait until they take questions.

        Raises:
            ProcessEnded, TimeoutError: as `wait_ready`.
        """
        self.start_etcd()
        self.start_nodes()
        self.wait_ready(timeout=timeout)

    def start_nodes(self) -> None:
        """Start every node; returns at once."""
        for node in self.nodes.values():
            node.process.start()

    def wait_ready(self, *names: str, timeout: float = START_S) -> None:
        """Return once these nodes (all if none is named) take questions.

        Raises:
            ProcessEnded: one ended; the message has the end of its log.
            TimeoutError: one is not ready in time.
        """
        wait_until_ready([self.nodes[name] for name in names or self.nodes], timeout)

    def close(self) -> None:
        """End every process: asked first, killed after a grace. May be called again."""
        nodes = [node.process for node in self.nodes.values()]
        try:
            for process in nodes:
                process.terminate()
            for process in nodes:
                process.wait(STOP_S)
            # Last, so that the nodes could leave the registry.
            self.etcd.process.stop(STOP_S)
        finally:
            for process in self._processes():
                process.kill()
            self.guard.close()

    def pids(self) -> dict[str, int]:
        """Return the ids of the processes that run by name, that of etcd under "etcd"."""
        return {process.name: process.pid for process in self._processes() if process.alive}

    def release(self) -> None:
        """Let the processes live on when this program ends, and `close` leave them alone."""
        self.guard.release()
        for process in self._processes():
            process.forget()

    def _processes(self) -> list[ServerProcess]:
        return [*(node.process for node in self.nodes.values()), self.etcd.process]

    # --- one node

    def start_node(self, name: str, wait: bool = True, timeout: float = START_S) -> None:
        """Start a node on the data it has, at its old address.

        Raises:
            ProcessEnded, TimeoutError: as `wait_ready`.
        """
        self.nodes[name].process.start()
        if wait:
            self.wait_ready(name, timeout=timeout)

    def kill(self, name: str) -> None:
        """End a node as a power cut would (SIGKILL)."""
        self.nodes[name].process.kill()

    def pause(self, name: str) -> None:
        """Let a node fall silent with its connections open (SIGSTOP)."""
        self.nodes[name].process.signal(signal.SIGSTOP)

    def resume(self, name: str) -> None:
        """Let a paused node go on (SIGCONT)."""
        self.nodes[name].process.signal(signal.SIGCONT)

    def stop(self, name: str, grace: float = STOP_S) -> int:
        """Ask a node to stop (SIGTERM), kill it after `grace` seconds; return its exit code."""
        return self.nodes[name].process.stop(grace)

    def restart(self, name: str, timeout: float = START_S) -> None:
        """Stop a node and start it again on the same data directory and address."""
        self.stop(name)
        self.start_node(name, timeout=timeout)

    def address(self, name: str) -> str:
        """Return where a node is asked, "host:port"."""
        return self.nodes[name].address

    def config(self, name: str) -> Path:
        """Return a node's configuration file."""
        return self.nodes[name].config

    def data_dir(self, name: str) -> Path:
        """Return a node's data directory."""
        return self.nodes[name].data.root

    def admin_socket(self, name: str) -> Path:
        """Return a node's operator socket."""
        return self.nodes[name].data.admin_socket

    def log(self, name: str) -> Path:
        """Return a node's log file."""
        return self.nodes[name].process.log

    def pid(self, name: str) -> int:
        """Return the process id of a node that runs."""
        return self.nodes[name].process.pid

    def client(self, name: str, timeout: float = DEFAULT_TIMEOUT) -> Client:
        """Return a connection to a node; `timeout` of its calls in seconds."""
        return connect(self.address(name), timeout=timeout)

    # --- etcd

    def start_etcd(self) -> None:
        """Start etcd on the data there is and wait until it is healthy."""
        self.etcd.start()
        self.etcd.wait_ready()

    def kill_etcd(self) -> None:
        """End etcd as a power cut would."""
        self.etcd.process.kill()
