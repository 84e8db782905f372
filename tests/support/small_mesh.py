"""A small real mesh with a part of the demo's data, and the command line as people run it."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from demo.geofile import write_geofile
from demo.mesh import LocalMesh
from demo.node_process import guotu_command
from guotu.model.errors import Unavailable

DATA = Path("demo/data")
NODES = ("100000", "510000", "510100", "500000")
_KEYS = {"county.parquet": "adcode", "landcover_2019.parquet": "bsm"}
OWNED = {"510000": ("51",), "510100": ("5101",), "500000": ("50",)}


@dataclass(frozen=True, slots=True)
class Ran:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Its output, read as JSON."""
        return json.loads(self.out)


def run_guotu(*arguments: str | Path, node: str = "", config: Path | None = None, timeout: float = 90) -> Ran:
    """Run `guotu` as a process."""
    command = [guotu_command()]
    command += ["--node", node] if node else []
    command += ["--config", str(config)] if config else []
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GUOTU_")}
    done = subprocess.run(
        [*command, *map(str, arguments)], capture_output=True, text=True, timeout=timeout, env=environment
    )
    return Ran(done.returncode, done.stdout, done.stderr)


def owner_of(county: str) -> str:
    """Return the node that owns a county."""
    return next(
        (
            node
            for node, prefixes in sorted(OWNED.items(), key=lambda item: -len(item[1][0]))
            if county.startswith(prefixes)
        ),
        "",
    )


def write_part(source: str, node: str, target: Path) -> int:
    """Write a node's part of one of the demo's files; returns its rows."""
    table = pq.read_table(DATA / source)
    mine = [owner_of(code) == node for code in table["adcode"].to_pylist()]
    part = table.filter(mine)
    write_geofile(part, target, _KEYS[source])
    return int(part.num_rows)


def publish_part(mesh: LocalMesh, node: str, collection: str, source: str, folder: Path) -> dict[str, Any]:
    """Publish a node's part with the real command; returns its JSON."""
    target = folder / f"{node}-{source}"
    write_part(source, node, target)
    ran = run_guotu("publish", collection, "--from", target, "--json", config=mesh.config(node))
    assert ran.code == 0, ran.err + ran.out
    return dict(ran.json)


def apply_catalogue(mesh: LocalMesh, node: str = "100000") -> None:
    """Put the national catalogue in force."""
    path = run_guotu("catalogue", "path").out.strip()
    ran = run_guotu("catalogue", "apply", path, "--yes", config=mesh.config(node))
    assert ran.code == 0, ran.err + ran.out


def make_mesh(root: Path, folder: Path) -> LocalMesh:
    """Start four nodes and publish counties and land cover."""
    mesh = LocalMesh(root, NODES, {"registry.lease_ttl_s": 2})
    mesh.start()
    apply_catalogue(mesh)
    parts = [
        (node, collection, source)
        for node in OWNED
        for collection, source in (("county", "county.parquet"), ("landcover", "landcover_2019.parquet"))
    ]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda part: publish_part(mesh, *part, folder), parts))
    eventually(lambda: is_whole(mesh, NODES, len(parts)))
    return mesh


def is_whole(mesh: LocalMesh, nodes: tuple[str, ...], datasets: int) -> bool:
    """Tell whether every node sees exactly these nodes and so many datasets, fresh from etcd."""
    for node in nodes:
        with mesh.client(node) as client:
            if client.node().stale_registry or {record.node for record in client.nodes()} != set(nodes):
                return False
    with mesh.client("100000") as client:
        return len(client.datasets()) >= datasets


def heal(mesh: LocalMesh, nodes: tuple[str, ...]) -> None:
    """Make a mesh whole again, whatever a test did to it."""
    if not mesh.etcd.process.alive:
        mesh.start_etcd()
    for name, node in mesh.nodes.items():
        if name not in nodes:
            mesh.stop(name)
        elif not node.process.alive:
            mesh.start_node(name)
    eventually(lambda: is_whole(mesh, nodes, 2 * len(OWNED)))


def eventually(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    """Wait for a condition; a node that does not answer yet counts as not yet true."""
    deadline = time.monotonic() + seconds
    while True:
        with suppress(Unavailable):
            if condition():
                return
        assert time.monotonic() < deadline, "the condition never came true"
        time.sleep(0.1)
