"""What it costs to publish a live table of PostGIS: again unchanged, and after edits to one row in a hundred.

Generated 地类图斑 lie in a table of a throwaway cluster, and are published with the real `guotu publish --from-table`.
The peer is the same server copying all columns of the table to nowhere.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import time
from collections.abc import Callable, Mapping
from typing import Any

from benchmarks.bench_mesh import start, work_folder
from benchmarks.environment import environment
from benchmarks.live_table import NAME, LiveParcels
from benchmarks.narrator import Narrator
from benchmarks.owners import province_parcels
from benchmarks.pg_cluster import PgCluster, reachable_folder
from benchmarks.publication import national_collection
from demo.mesh import LocalMesh
from demo.node_process import guotu_command
from demo.ports import PortPool
from node.stores.postgis.tables.statements import Wanted, fingerprint_schema, fingerprints
from node.stores.postgis.tables.table import LiveTable

_NODE = "500000"
_ROUNDS = 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    parser.add_argument("--rows", type=int, default=1_000_000, help="parcels 图斑数 (default 1,000,000)")
    parser.add_argument("--seed", type=int, default=0, help="of the generator 随机种子 (default 0)")


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """Run it; returns seconds and rows/s of each measure."""
    narrator, collection = Narrator(), national_collection("dltb")
    narrator.say(f"图斑 parcels: {arguments.rows:,}")
    parquet = province_parcels(_NODE, arguments.rows, arguments.seed)
    with work_folder(keep=False) as folder:
        home, ports = reachable_folder(folder / "pg"), PortPool()
        with PgCluster(home / "data", ports.address()) as cluster, LocalMesh(folder / "m", [_NODE]) as mesh:
            parcels = LiveParcels(cluster, collection)
            rows = parcels.fill(parquet)
            narrator.say(f"表 table: {rows:,} 行 rows")
            start(mesh, collection)
            measured = _measure(mesh, parcels, narrator)
    rates = {name: round(rows / seconds) for name, seconds in measured["seconds"].items()}
    ratio = measured["seconds"]["unchanged"] / measured["seconds"]["peer_copy"]
    facts = {"benchmark": "table", "rows": rows, "columns": len(collection.column_names)}
    return facts | measured | {"rows_per_s": rates, "unchanged_to_peer_copy": ratio, "environment": environment()}


def _measure(mesh: LocalMesh, parcels: LiveParcels, narrator: Narrator) -> dict[str, Any]:
    seconds: dict[str, float] = {}

    def publish(name: str) -> Mapping[str, Any]:
        words = ("publish", parcels.collection.id, "--from-table", NAME, "--database", parcels.url, "--json")
        command = (guotu_command(), "--config", str(mesh.config(_NODE)), *words)
        seconds[name], done = _timed(lambda: subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL))
        document: dict[str, Any] = json.loads(done.stdout)
        if done.returncode:
            raise RuntimeError(f"{name}: {document}")
        narrator.say(f"{name}: {seconds[name]:.2f} s")
        return document

    first = publish("first")
    rounds = []
    for _ in range(_ROUNDS):
        if publish("unchanged")["published"]:
            raise RuntimeError("未变的表又成了新版本 a table without changes became a version")
        rounds.append(seconds["unchanged"])
    seconds["unchanged"] = min(rounds)
    seconds["scan"] = min(_timed(lambda: _scan(parcels))[0] for _ in range(_ROUNDS))
    seconds["peer_copy"] = min(
        _timed(lambda: parcels.cluster.copy_away(f"SELECT * FROM {NAME}"))[0] for _ in range(_ROUNDS)
    )
    edits = parcels.edit()
    edited = publish("edited")
    change = edited["change"]
    found = change["inserts"], change["updates"], change["deletes"]
    if found != edits:
        raise RuntimeError(f"{edits} 处变化，却发布了 were edited, published were {found}")
    stages = {"first": first["seconds"], "edited": edited["seconds"]}
    names = ("inserts", "updates", "deletes")
    return {"seconds": seconds, "stages": stages, "edits": dict(zip(names, edits, strict=True))}


def _timed(work: Callable[[], Any]) -> tuple[float, Any]:
    started = time.perf_counter()
    found = work()
    return time.perf_counter() - started, found


def _scan(parcels: LiveParcels) -> None:
    """Read the fingerprints of all rows, and nothing else."""
    with LiveTable(parcels.url, NAME) as live:
        facts = live.open()
        key = next(item for item in facts.columns if item.name == parcels.key)
        wanted = Wanted(facts, facts.columns, facts.shapes[0])
        for _ in live.rows([fingerprints(wanted, key, (1, 2))], fingerprint_schema(key)):
            pass
