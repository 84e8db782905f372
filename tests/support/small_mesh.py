"""A small real mesh with a part of the demo's data, and the command line as people run it."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import structlog
from click.testing import CliRunner

from demo.geofile import write_geofile
from demo.mesh import LocalMesh
from guotu.model.errors import DeadlineExceeded, NobodyAnswered, Unavailable
from node.cli.program import program

DATA = Path("demo/data")
NODES = ("100000", "510000", "510100", "500000")
_KEYS = {"county.parquet": "adcode", "landcover_2019.parquet": "bsm"}
OWNED = {"510000": ("51",), "510100": ("5101",), "500000": ("50",)}
BELOW = {"100000": 6, "510000": 4, "510100": 2, "500000": 2}
"""Datasets that each node knows, at least, once all are published."""
PATIENT = {"registry.lease_ttl_s": 20}
"""So that a node which has to wait for its turn on a busy machine does not leave the registry meanwhile."""


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


def run_guotu(*arguments: str | Path, node: str = "", config: Path | None = None) -> Ran:
    """Run a command of `guotu` in this process, which spares the time that a new one takes; the nodes are others."""
    words = ["--node", node] if node else []
    words += ["--config", str(config)] if config else []
    without: dict[str, str | None] = {name: None for name in os.environ if name.startswith("GUOTU_")}
    logs = structlog.get_config()
    try:
        done = copy_context().run(CliRunner().invoke, program, [*words, *map(str, arguments)], env=without)
    finally:
        structlog.configure(**logs)  # a node that is to be served sets them up for all of the process
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return Ran(done.exit_code, done.stdout, done.stderr)


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
    """Put the national catalogue in force, and wait until all nodes that run have it."""
    path = run_guotu("catalogue", "path").out.strip()
    ran = run_guotu("catalogue", "apply", path, "--yes", config=mesh.config(node))
    assert ran.code == 0, ran.err + ran.out
    running = [name for name, item in mesh.nodes.items() if item.process.alive]
    eventually(lambda: all(has_catalogue(mesh, name) for name in running))


def has_catalogue(mesh: LocalMesh, node: str) -> bool:
    """Tell whether a node knows of any collection."""
    with mesh.client(node) as client:
        return bool(client.collections())


@contextmanager
def small_mesh(folder: Path) -> Iterator[LocalMesh]:
    """Run four nodes that have counties and land cover; `folder` is for the files that these are published from."""
    root = short_folder()
    with LocalMesh(root, NODES, PATIENT) as mesh:
        mesh.start()
        apply_catalogue(mesh)
        parts = [
            (node, collection, source)
            for node in OWNED
            for collection, source in (("county", "county.parquet"), ("landcover", "landcover_2019.parquet"))
        ]
        for part in parts:
            publish_part(mesh, *part, folder)
        eventually(lambda: is_whole(mesh, NODES))
        yield mesh
    shutil.rmtree(root)


def short_folder() -> Path:
    """Return a new folder with a short path: unix sockets have short names."""
    return Path(tempfile.mkdtemp(prefix="gt-"))


def is_whole(mesh: LocalMesh, nodes: tuple[str, ...]) -> bool:
    """Tell whether every node sees exactly these nodes, and all datasets of its own and below, fresh from etcd."""
    for node in nodes:
        with mesh.client(node) as client:
            if client.node().stale_registry or {record.node for record in client.nodes()} != set(nodes):
                return False
            if len(client.datasets()) < BELOW[node]:
                return False
    return True


def heal(mesh: LocalMesh, nodes: tuple[str, ...]) -> None:
    """Make a mesh whole again, whatever a test did to it."""
    if not mesh.etcd.process.alive:
        mesh.start_etcd()
    for name, node in mesh.nodes.items():
        if name not in nodes:
            mesh.stop(name)
        elif not node.process.alive:
            mesh.start_node(name)
    eventually(lambda: is_whole(mesh, nodes) and answers_whole(mesh))


def answers_whole(mesh: LocalMesh) -> bool:
    """Tell whether all answer the nation: it leaves who did not answer a moment ago alone for a while."""
    with mesh.client("100000") as client:
        return client.stats("landcover", count=True, partial=True).completeness.complete


def eventually(condition: Callable[[], bool], seconds: float = 150.0) -> None:
    """Wait for a condition; where nodes do not answer yet, or are late, it counts as not yet true."""
    deadline, last = time.monotonic() + seconds, ""
    while True:
        try:
            if condition():
                return
        except (Unavailable, DeadlineExceeded, NobodyAnswered) as failure:
            last = f": {failure}"
        assert time.monotonic() < deadline, f"the condition never came true{last}"
        time.sleep(0.1)
