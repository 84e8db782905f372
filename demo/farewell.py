"""How to talk to a mesh that was left running."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

from demo import questions
from demo.journey import DATASET, NEW, OLD
from demo.mesh import LocalMesh
from demo.node_process import guotu_command
from demo.owners import NATION
from demo.screen import Screen


def farewell(mesh: LocalMesh, screen: Screen) -> None:
    """Show the addresses, some commands to try, and how to end it."""
    guotu, python = _short(guotu_command()), _short(sys.executable)
    screen.heading("演示网仍在运行 the mesh is still running")
    lines = [
        f"export GUOTU_NODE={mesh.address(NATION)}   # 全国节点 the national node",
        f"{guotu} nodes",
        f"{guotu} datasets",
        *(asked.command.replace("guotu", guotu, 1) for asked in (questions.classes(), questions.named_counties())),
        f"{guotu} query landcover --within 510700 -o mianyang.gpkg",
        f"{guotu} explain stats landcover --group-by province --sum area_m2 --analyze",
        f"{guotu} --config {_short(str(mesh.config(NATION)))} replicas",
        f"{guotu} diff {DATASET} {OLD} {NEW}",
        f"curl http://{mesh.nodes[NATION].metrics_address}/metrics",
    ]
    for line in lines:
        screen.say(line, "cyan")
    screen.say(f"目录 folder {mesh.root}; 停止 stop it: {python} -m demo --stop")


def _short(path: str) -> str:
    """Return a path as it may be typed here."""
    try:
        return shlex.quote(str(Path(path).relative_to(Path.cwd())))
    except ValueError:
        return shlex.quote(path)
