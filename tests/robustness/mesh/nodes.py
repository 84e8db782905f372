"""One real node process of the mesh: its folder, its configuration, its clock, and the software that it runs."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from demo.guard import Guard
from demo.node_process import guotu_command
from demo.process import ServerProcess
from guotu.client import Client, connect
from node.cli.node_init import make_home
from node.config import load_config
from node.config.writing import toml_value
from node.data_directory import DataDirectory
from tests.robustness.mesh.family import Member
from tests.robustness.mesh.network import Network
from tests.robustness.older.software import older_command

_CLOCKWORK = Path(__file__).parent / "clockwork"


@dataclass(slots=True)
class Node:
    """A node; its process may be killed, paused, and started again with this software or the older one."""

    member: Member
    folder: Path
    config: Path
    data: DataDirectory
    listen: str
    """Where it listens, and where questions are asked."""
    processes: Mapping[bool, ServerProcess]
    """By whether it is the older software."""
    older: bool

    @property
    def process(self) -> ServerProcess:
        """Return the process of the software that it runs at the moment."""
        return self.processes[self.older]

    @property
    def clock_file(self) -> Path:
        """Return the file that sets its clock."""
        return self.folder / "clock"

    def client(self, timeout: float) -> Client:
        """Return a connection to it; `timeout` in seconds."""
        return connect(self.listen, timeout=timeout)


def prepare(
    root: Path, member: Member, network: Network, guard: Guard, older: Path | None, options: Mapping[str, Any]
) -> Node:
    """Write a node's configuration, with nothing but what it needs, so that older software understands it too.

    Args:
        root: folder of the mesh.
        member: which node.
        network: where it runs; the host has the node's name.
        guard: watches over the process.
        older: where the older software was unpacked; None for none.
        options: by "section.option".
    """
    folder = root / member.node
    folder.mkdir(exist_ok=True)
    config = folder / "guotu.toml"
    listen = network.address(member.node)
    given = {"node.id": member.node, "node.data_dir": folder / "d", "grpc.listen": listen, **options}
    config.write_text(_toml(given), encoding="utf-8")
    path = os.pathsep.join(filter(None, [str(_CLOCKWORK), os.environ.get("PYTHONPATH", "")]))
    environment = {"CLOCK_FILE": str(folder / "clock"), "PYTHONPATH": path}
    commands = {False: [guotu_command(), "--config", str(config), "node", "serve"]}
    if older is not None:
        commands[True] = older_command(sys.executable, config)
    processes = {}
    for is_older, words in commands.items():
        paths = {"PYTHONPATH": f"{older}{os.pathsep}{path}"} if is_older else {}
        own = [f"{name}={value}" for name, value in (environment | paths).items()]
        command = network.command(member.node, ["env", *own, *words])
        processes[is_older] = ServerProcess(member.node, command, folder / "node.log", guard)
    if not member.begins_older:
        make_home(load_config(config))
    data = DataDirectory(folder / "d")
    return Node(member, folder, config, data, listen, processes, older is not None and member.begins_older)


def _toml(options: Mapping[str, Any]) -> str:
    sections: dict[str, list[str]] = {}
    for name, value in options.items():
        section, _, option = name.partition(".")
        sections.setdefault(section, []).append(f"{option} = {toml_value(value)}")
    return "\n".join(line for section, lines in sections.items() for line in (f"[{section}]", *lines)) + "\n"
