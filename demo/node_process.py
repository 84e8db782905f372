"""One node of a local mesh: its folder, its configuration and its process."""

from __future__ import annotations

import os
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from demo.guard import Guard
from demo.ports import PortPool
from demo.process import ServerProcess
from node.cli.node_init import make_home, write_config
from node.config import load_config
from node.config.faults import MAX_SOCKET_PATH_BYTES
from node.data_directory import DataDirectory


@dataclass(frozen=True, slots=True)
class NodeProcess:
    """Where a node lives and how it is reached; the process may be started and ended any number of times."""

    name: str
    """How the mesh calls it: the node's id, unless two processes are to claim one id."""
    node: str
    """Node id."""
    config: Path
    data: DataDirectory
    address: str
    """gRPC, "host:port"."""
    metrics_address: str
    """Prometheus, "host:port"."""
    process: ServerProcess

    @classmethod
    def prepare(
        cls, folder: Path, node: str, registry: str, ports: PortPool, guard: Guard, overrides: Mapping[str, Any]
    ) -> NodeProcess:
        """Write the configuration and make data directory and key in `folder`, as `guotu node init` does.

        Args:
            folder: the node's own folder; its name is the node's name in the mesh.
            node: node id.
            registry: "host:port" of etcd.
            ports: where its ports come from.
            guard: watches over the process.
            overrides: options of the configuration by "section.option", over those given here.

        Raises:
            InvalidConfig: an option has a fault.
            ValueError: the folder's path is too long for the admin socket.
        """
        data = DataDirectory(folder / "data")
        require_short(data.admin_socket)
        grpc, metrics = ports.address(), ports.address()
        given = {
            "node.id": node,
            "node.data_dir": data.root,
            "grpc.listen": grpc,
            "metrics.listen": metrics,
            "registry.endpoints": (registry,),
            **overrides,
        }
        config = folder / "guotu.toml"
        write_config(config, given, force=True)
        make_home(load_config(config))
        command = [guotu_command(), "--config", str(config), "node", "serve"]
        process = ServerProcess(folder.name, command, folder / "node.log", guard)
        return cls(folder.name, node, config, data, grpc, metrics, process)


def guotu_command() -> str:
    """Return the path of the command `guotu` of this environment.

    Raises:
        RuntimeError: guotu is not installed in it.
    """
    path = Path(sysconfig.get_path("scripts")) / "guotu"
    if not path.is_file():
        raise RuntimeError(f"没有命令 no command {path}: pip install -e '.[demo]'")
    return str(path)


def require_short(socket: Path) -> None:
    """Do nothing if the path of a unix socket is short enough.

    Raises:
        ValueError: it is not.
    """
    size = len(os.fsencode(socket))
    if size > MAX_SOCKET_PATH_BYTES:
        raise ValueError(
            f"目录路径过长，请换到较短的目录 the folder's path is too long, use a shorter one: {socket} "
            f"({size} > {MAX_SOCKET_PATH_BYTES} bytes)"
        )
