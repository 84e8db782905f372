"""Real nodes that hold versions of one another's datasets: the commands about them, and waiting for replicas."""

from __future__ import annotations

import json
import shutil
import tempfile
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

import geopandas as gpd
import numpy as np
import shapely
from click.testing import CliRunner

from demo.mesh import LocalMesh
from guotu.wire.subscriptions import ReplicaStatus, SubscriptionsClient
from node.cli.program import program
from tests.support.layers import SOUTH, WEST
from tests.support.plots import Desk, key
from tests.support.small_mesh import PATIENT, eventually

NATION = "100000"


@contextmanager
def running_mesh(
    nodes: Sequence[str],
    options: Mapping[str, Any] = MappingProxyType({}),
    special: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
) -> Iterator[LocalMesh]:
    """Run nodes in a short folder, since unix sockets have short names; both are gone afterwards.

    `special` are more nodes, each with options of its own over the others.
    """
    root = Path(tempfile.mkdtemp(prefix="gt-"))
    with LocalMesh(root, nodes, {**PATIENT, **options}) as made:
        for node, own in special.items():
            made.add(node, overrides=own)
        made.start()
        yield made
    shutil.rmtree(root)


def operate(mesh: LocalMesh, node: str, *arguments: str | Path, code: int = 0) -> Any:
    """Run an operator's command of a node; returns its JSON."""
    return _run("--config", mesh.config(node), *arguments, "--json", code=code)


def ask(mesh: LocalMesh, node: str, *arguments: str | Path, code: int = 0) -> Any:
    """Ask a node by the command line; returns the JSON."""
    return _run("--node", mesh.address(node), *arguments, "--json", code=code)


def ask_fresh(mesh: LocalMesh, node: str, *words: str | Path, code: int = 0) -> Any:
    """Ask as `ask`, until no registry was late to answer: on a busy machine that is told in place of what is so."""
    found = []

    def is_fresh() -> bool:
        found.append(ask(mesh, node, *words, code=code))
        return '"STALE_REGISTRY"' not in json.dumps(found[-1])

    eventually(is_fresh)
    return found[-1]


def _run(*words: str | Path, code: int) -> Any:
    """Run a command in this process, which spares the time that a new one takes; the nodes are others all the same."""
    done = CliRunner().invoke(program, list(map(str, words)))
    assert done.exit_code == code, f"{done.exit_code}: {done.stdout}{done.stderr}{done.exception!r}"
    return json.loads(done.stdout)


def replica_of(mesh: LocalMesh, dataset: str, node: str = NATION) -> ReplicaStatus | None:
    """Return how a node's replica of a dataset stands, None if it has none."""
    with SubscriptionsClient(mesh.admin_socket(node)) as subscriptions:
        found = subscriptions.replicas().replicas
    return next((item for item in found if item.dataset == dataset), None)


def reaches(mesh: LocalMesh, dataset: str, version: int, node: str = NATION, seconds: float = 150.0) -> ReplicaStatus:
    """Wait until a node's replica stands at a version and is current; returns how it then stands."""
    seen: list[ReplicaStatus | None] = [None]

    def there() -> bool:
        status = seen[0] = replica_of(mesh, dataset, node)
        return status is not None and (status.version, status.state) == (version, "current")

    try:
        eventually(there, seconds)
    except AssertionError as failure:
        raise AssertionError(f"{dataset} did not reach {version}: {seen[0]}") from failure
    assert seen[0] is not None
    return seen[0]


def hears(mesh: LocalMesh, dataset: str, version: int, node: str = NATION) -> None:
    """Wait until a node knows that a version is the head of another's dataset."""

    def known() -> bool:
        with mesh.client(node) as client:
            return any((item.dataset, item.version) == (dataset, version) for item in client.datasets())

    eventually(known)


def verify_sound(mesh: LocalMesh, node: str, dataset: str, version: int, digest: str) -> None:
    """Check that all that a node has of a dataset is what was signed, and the version meant."""
    told = operate(mesh, node, "verify", dataset)
    assert (told["sound"], told["version"], told["digest"]) == (True, version, digest)


def object_files(mesh: LocalMesh, node: str) -> list[Path]:
    """Return the files of a node's objects, largest first."""
    files = (mesh.data_dir(node) / "objects" / "objects").rglob("*.parquet")
    return sorted(files, key=lambda path: -path.stat().st_size)


def bulky_layer(rows: int, seed: int) -> gpd.GeoDataFrame:
    """Return plots that hardly compress, about 80 bytes each: the same keys and places, other values for each seed."""
    luck = np.random.default_rng(seed)
    number = np.arange(rows)
    west, south = WEST + number % 300 * 5e-5, SOUTH + number // 300 * 5e-5
    corners = np.stack([west, south, west + 4e-5, south + 4e-5])
    west, south, east, north = corners + luck.uniform(-4e-6, 4e-6, (4, rows))
    return gpd.GeoDataFrame(
        {
            "BSM": [key(item) for item in range(rows)],
            "DLBM": np.array(["0101", "0102", "0103"])[luck.integers(0, 3, rows)],
            "MJ": luck.integers(1, 10**9, rows) / 100,
            "BZ": ["".join(map(chr, word)) for word in luck.integers(0x4E00, 0x9FA5, (rows, 20))],
        },
        geometry=shapely.box(west, south, east, north),
        crs=4490,
    )


def write_bulk(desk: Desk, rows: int, seed: int) -> Path:
    """Write such plots for a desk."""
    path = desk.folder / f"bulk-{seed}.parquet"
    bulky_layer(rows, seed).to_parquet(path)
    return path


def digest_of(desk: Desk, node: str, version: int) -> str:
    """Return the digest of what a node itself, not somebody that it asks, answers from a version."""
    words = ("stats", desk.dataset, "--sum", "MJ", "--group-by", "DLBM", "--count", "--scope", "self")
    return str(ask(desk.mesh, node, *words, "--version", str(version))["digest"])


def fetched_bytes(mesh: LocalMesh, node: str) -> int:
    """Return how many bytes a node has fetched since it started, as its metrics tell."""
    with urllib.request.urlopen(f"http://{mesh.nodes[node].metrics_address}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    (line,) = [line for line in lines if line.startswith("guotu_replica_fetched_bytes_total ")]
    return int(float(line.split()[1]))


def delta_bytes(desk: Desk) -> int:
    """Return the bytes of the delta of a desk's head."""
    return sum(item["size_bytes"] for item in desk.manifest()["objects"] if item["kind"] == "delta")
