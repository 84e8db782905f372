"""Versions on their way, against PostgreSQL 15 logical replication and rsync of GeoParquet.

One province publishes about a million generated 地类图斑, the nation replicates them; then 1 % of the rows change at
random. The same rows and edits go through PostgreSQL's logical replication (binary, PostGIS) and through rsync.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from benchmarks.bench_mesh import start, work_folder
from benchmarks.edits import Edits, edit
from benchmarks.environment import environment
from benchmarks.memory import MemoryWatch, own_mib, peak_mib, reset_peak
from benchmarks.narrator import Narrator
from benchmarks.owners import province_parcels
from benchmarks.parcels import DEFAULT_TOTAL
from benchmarks.pg_logical import PgLogical
from benchmarks.publication import national_collection, run_json
from benchmarks.rsync import rsync
from benchmarks.versions_in_store import measure
from demo.mesh import LocalMesh
from demo.settling import wait_until
from guotu.model.collection import Collection
from guotu.model.division import NATION
from guotu.wire.subscriptions import SubscriptionsClient

_OWNER = "500000"
_DATASET = f"{_OWNER}/dltb"
_SHARE = 0.01
_WAIT_S = 900.0
_BUFFERS_MIB = 256


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    parser.add_argument("--rows", type=int, default=DEFAULT_TOTAL, help="parcels 图斑数 (default 1,000,000)")
    parser.add_argument("--large", type=int, default=0, help="memory at so many too 另测这么多时的内存")
    parser.add_argument("--deltas", type=int, default=50, help="changes before questions are timed (default 50)")
    parser.add_argument("--seed", type=int, default=0, help="of the generator 随机种子 (default 0)")
    parser.add_argument("--no-postgres", action="store_true", help="leave PostgreSQL out 不测 PostgreSQL")


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """Run it; returns the numbers, in the units that their names end in."""
    narrator, collection = Narrator(), national_collection("dltb")
    narrator.say(f"图斑 parcels: {arguments.rows:,}")
    parcels = province_parcels(_OWNER, arguments.rows, arguments.seed)
    with work_folder(keep=False) as folder:
        edits = edit(parcels, folder / "edit", _SHARE, 1)
        more = edit(edits.layer, folder / "more", _SHARE, 2)
        result = _mesh(folder / "mesh", parcels, edits, more, collection, narrator)
        result |= _rsync(parcels, edits, folder, narrator)
        if not arguments.no_postgres:
            result |= _postgres(parcels, edits, folder, narrator)
            result["initial_ratio"] = round(result["initial_rows_per_s"] / result["pg_logical_initial_rows_per_s"], 2)
            result["edit_ratio"] = round(result["edit_seconds"] / result["pg_logical_edit_seconds"], 2)
        result["store"] = measure(parcels, collection, folder / "store", arguments.deltas)
        narrator.say(f"库内 in the store: {result['store']}")
        if arguments.large:
            sizes = {"rows": arguments.rows, "large": arguments.large}
            result["memory"] = {
                name: _memory(folder / name, count, arguments.seed, collection, narrator)
                for name, count in sizes.items()
            }
    return {"benchmark": "replication", "rows": arguments.rows, **result, "environment": environment()}


def _mesh(
    root: Path, parcels: Path, edits: Edits, more: Edits, collection: Collection, narrator: Narrator
) -> dict[str, Any]:
    with LocalMesh(root, [NATION, _OWNER]) as mesh:
        start(mesh, collection)
        with _watch(mesh) as watch:
            result = _first(mesh, parcels, collection, narrator)
            result |= _increment(mesh, edits, narrator)
            result |= _whole_layer(mesh, more, collection, narrator)
        return result | {"memory_mib": _peaks(mesh, watch)}


def _first(mesh: LocalMesh, parcels: Path, collection: Collection, narrator: Narrator) -> dict[str, Any]:
    """Publish the first version and replicate it."""
    words = ("publish", collection.id, "--from", str(parcels), "--json")
    published, publish_s = _timed(lambda: run_json(mesh, _OWNER, "first", words))
    rows = int(published["head"]["rows"])
    _, replica_s = _timed(lambda: _subscribe(mesh))
    narrator.say(f"发布 published {rows:,} 行 rows {publish_s:.1f} s; 首次复制 first replica {replica_s:.1f} s")
    return {
        "first_publish_seconds": round(publish_s, 2),
        "initial_seconds": round(replica_s, 2),
        "initial_rows_per_s": round(rows / replica_s),
    }


def _subscribe(mesh: LocalMesh) -> None:
    run_json(mesh, NATION, "subscribe", ("subscribe", _DATASET, "--json"))
    _wait_for(mesh, 1)


def _increment(mesh: LocalMesh, edits: Edits, narrator: Narrator) -> dict[str, Any]:
    """Publish an increment; wait for the proven replica."""
    changes = ("--changes", str(edits.changes), "--deletes", str(edits.deletes))
    started = time.perf_counter()
    published = run_json(mesh, _OWNER, "increment", ("publish", "dltb", *changes, "--json"))
    publish_s = time.perf_counter() - started
    _wait_for(mesh, 2)
    edit_s = time.perf_counter() - started
    shipped = int(published["bytes"])
    narrator.say(f"增量 increment of {edits.count:,}: {publish_s:.2f} s, 到副本证实 to proven replica {edit_s:.2f} s")
    return {
        "changed_rows": edits.count,
        "delta_bytes": shipped,
        "delta_bytes_per_raw_byte": round(shipped / edits.raw_bytes, 3),
        "increment_publish_seconds": round(publish_s, 3),
        "increment_stages": published["seconds"],
        "edit_seconds": round(edit_s, 3),
    }


def _whole_layer(mesh: LocalMesh, more: Edits, collection: Collection, narrator: Narrator) -> dict[str, Any]:
    """Publish the whole layer with as many edits again: the change is found by comparison."""
    words = ("publish", collection.id, "--from", str(more.layer), "--json")
    published, seconds = _timed(lambda: run_json(mesh, _OWNER, "whole", words))
    found = published["change"]
    counts = (found["inserts"], found["updates"], found["deletes"])
    if counts != (more.inserts, more.updates, more.deleted):
        raise AssertionError(f"the change found is {counts}, made was {more}")
    rows = int(published["head"]["rows"])
    compare_s = float(published["seconds"]["compare"])
    narrator.say(f"整层发布 whole layer {seconds:.1f} s, 比较 comparison {rows / compare_s:,.0f} 行/秒 rows/s")
    _wait_for(mesh, 3)
    return {
        "full_publish_seconds": round(seconds, 2),
        "full_publish_stages": published["seconds"],
        "diff_rows_per_s": round(rows / compare_s),
    }


def _rsync(parcels: Path, edits: Edits, folder: Path, narrator: Narrator) -> dict[str, Any]:
    target = folder / "rsync.parquet"
    first = rsync(parcels, target)
    second = rsync(edits.layer, target)
    narrator.say(f"rsync {first.seconds:.1f} s, {second.seconds:.1f} s, {second.bytes_sent:,} B")
    return {
        "rsync_initial_seconds": round(first.seconds, 2),
        "rsync_edit_seconds": round(second.seconds, 2),
        "rsync_bytes_per_raw_byte": round(second.bytes_sent / edits.raw_bytes, 2),
    }


def _postgres(parcels: Path, edits: Edits, folder: Path, narrator: Narrator) -> dict[str, Any]:
    with PgLogical(folder / "pg") as peer:
        initial = peer.initial_copy(parcels)
        changed = peer.edit(edits)
    narrator.say(
        f"PostgreSQL {initial.rows_per_s:,.0f} 行/秒 rows/s, {changed.seconds:.2f} s, {changed.bytes_sent:,} B"
    )
    return {
        "pg_logical_initial_rows_per_s": round(initial.rows_per_s),
        "pg_logical_edit_seconds": round(changed.seconds, 3),
        "pg_logical_bytes_per_raw_byte": round(changed.bytes_sent / edits.raw_bytes, 3),
    }


def _memory(root: Path, rows: int, seed: int, collection: Collection, narrator: Narrator) -> dict[str, Any]:
    """Publish and replicate so many, to see whether memory grows with them; the stores' buffers have a small limit.

    With the limit that nodes have by default a store's buffers hold more of a larger dataset, as a cache does.
    """
    parcels = province_parcels(_OWNER, rows, seed)
    with LocalMesh(root, [NATION, _OWNER], {"store.memory_limit_mib": _BUFFERS_MIB}) as mesh:
        start(mesh, collection)
        with _watch(mesh) as watch:
            result = _first(mesh, parcels, collection, narrator)
        rows = pq.ParquetFile(parcels).metadata.num_rows
        return {"rows": rows, "buffers_mib": _BUFFERS_MIB, **result, "memory_mib": _peaks(mesh, watch)}


def _watch(mesh: LocalMesh) -> MemoryWatch:
    """Return a watch over what is resident of both nodes and is no file's; their peaks begin anew."""
    pids = {"publisher": mesh.pid(_OWNER), "replica": mesh.pid(NATION)}
    for pid in pids.values():
        reset_peak(pid)
    return MemoryWatch(pids, 0.05, own_mib)


def _peaks(mesh: LocalMesh, watch: MemoryWatch) -> dict[str, dict[str, float]]:
    """Return the most that was resident of each, and the most of it that was no file's."""
    pids = {"publisher": mesh.pid(_OWNER), "replica": mesh.pid(NATION)}
    return {name: {"own": max(watch.samples[name]), "with_files": peak_mib(pid)} for name, pid in pids.items()}


def _wait_for(mesh: LocalMesh, version: int) -> None:
    """Wait until the nation tells that its replica is proven at a version."""
    with SubscriptionsClient(mesh.admin_socket(NATION)) as nation:
        wait_until(lambda: _held(nation) >= version, f"replica at {version}", _WAIT_S)


def _held(nation: SubscriptionsClient) -> int:
    return next((item.version for item in nation.replicas().replicas if item.dataset == _DATASET), 0)


def _timed(work: Any) -> tuple[Any, float]:
    started = time.perf_counter()
    result = work()
    return result, time.perf_counter() - started
