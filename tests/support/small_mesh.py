"""A small real mesh with a part of the demo's data, and the command line as people run it."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from demo.geofile import write_geofile
from demo.mesh import LocalMesh
from demo.node_process import guotu_command

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
    for node in OWNED:
        publish_part(mesh, node, "county", "county.parquet", folder)
        publish_part(mesh, node, "landcover", "landcover_2019.parquet", folder)
    return mesh
