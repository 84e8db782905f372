"""The mesh that is measured: started, told the catalogue, filled with the owners' parcels, brought to rest."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from benchmarks.memory import resident_mib
from benchmarks.narrator import Narrator
from benchmarks.publication import Published, apply_catalogue, publish
from demo.mesh import LocalMesh
from demo.settling import wait_until
from guotu.model.collection import Collection
from guotu.model.division import stands_above

_START_S = 300.0
"""How long all nodes may take to be ready: machines that measure are often busy before."""


@contextmanager
def work_folder(keep: bool) -> Iterator[Path]:
    """Give a new folder with a short path; it is removed afterwards unless it is to be kept."""
    folder = Path(tempfile.mkdtemp(prefix="guotu-bench-"))
    try:
        yield folder
    finally:
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)


def start(mesh: LocalMesh, collection: Collection) -> None:
    """Start all processes; return once every node takes questions and knows the collection."""
    mesh.start(_START_S)
    apply_catalogue(mesh, next(iter(mesh.nodes)))
    wait_until(lambda: all(_knows(mesh, node, collection.id) for node in mesh.nodes), "the catalogue at every node")


def _knows(mesh: LocalMesh, node: str, collection: str) -> bool:
    with mesh.client(node) as client:
        return any(item.id == collection for item in client.collections())


def fill(
    mesh: LocalMesh, collection: Collection, files: Mapping[str, Path], narrator: Narrator
) -> dict[str, Published]:
    """Publish each owner's file, one after the other; return once all who ask owners know what these have."""
    done = {}
    for node, file in files.items():
        done[node] = publish(mesh, node, collection, file)
        rate = done[node].rows / done[node].seconds["total"]
        narrator.say(f"发布 published {node}: {done[node].rows:,} 行 rows, {rate:,.0f} 行/秒 rows/s")
    rows = {
        node: sum(item.rows for owner, item in done.items() if owner == node or stands_above(node, owner))
        for node in mesh.nodes
    }
    wait_until(lambda: _known_rows(mesh, collection.id) == rows, "all datasets known")
    return done


def _known_rows(mesh: LocalMesh, collection: str) -> dict[str, int]:
    """Return how many rows each node knows of, its own and those of the owners below it."""
    found = {}
    for node in mesh.nodes:
        with mesh.client(node) as client:
            found[node] = sum(record.rows for record in client.datasets(collection))
    return found


def restart(mesh: LocalMesh, collection: Collection) -> None:
    """Restart every node on its data; return once they reach one another again."""
    before = _known_rows(mesh, collection.id)
    for node in mesh.nodes:
        mesh.stop(node)
    mesh.start_nodes()
    mesh.wait_ready(timeout=_START_S)
    wait_until(lambda: all(_reaches_all(mesh, node) for node in mesh.nodes), "all nodes registered again")
    wait_until(lambda: _known_rows(mesh, collection.id) == before, "all datasets known again")


def _reaches_all(mesh: LocalMesh, node: str) -> bool:
    with mesh.client(node) as client:
        return {record.node for record in client.nodes()} == set(mesh.nodes)


def pids(mesh: LocalMesh) -> dict[str, int]:
    """Return the process ids of the nodes by name."""
    return {node: mesh.pid(node) for node in mesh.nodes}


def resident_at_rest(mesh: LocalMesh, settle_s: float) -> dict[str, float]:
    """Leave the nodes alone for a while, then return what is resident of each, MiB."""
    time.sleep(settle_s)
    return {node: resident_mib(pid) for node, pid in pids(mesh).items()}
