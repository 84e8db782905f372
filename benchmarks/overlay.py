"""Overlays of the federation against one DuckDB and one PostGIS that hold everything: projects, plots, regions, layers.

Seven local nodes (six owners and the nation, which owns nothing) hold about a million parcels. Parcels and ellipsoidal
areas by zone and land class are asked of the nation and of both engines in turns. Answers are compared first: rows and
counts must be equal, areas agree to 1 ppm or 0.02 m², each row for itself and all of them together; else it fails.
The layer is one of farmland plots, which the owners publish too: `guotu overlay --zones-from` lays the parcels over it,
and its and the nodes' peak of resident memory is taken.
"""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Mapping
from typing import Any

from benchmarks.bench_mesh import fill, restart, start, work_folder
from benchmarks.environment import environment
from benchmarks.fdw.national import National, as_table
from benchmarks.narrator import Narrator
from benchmarks.overlaying.engines import DUCKDB, MESH, POSTGIS, everything_in_duckdb, everything_in_postgis, load_zones
from benchmarks.overlaying.farmland import COLLECTION as FARMLAND
from benchmarks.overlaying.farmland import farmland
from benchmarks.overlaying.layers import Sides
from benchmarks.overlaying.many_groups import gathered
from benchmarks.overlaying.zone_sets import PLAIN, STRAIGHT, ZoneSet, require_close, summed, zone_sets
from benchmarks.owners import MESH_NODES, OWNERS, owned_parcels
from benchmarks.parcels import DEFAULT_TOTAL
from benchmarks.processor import own_cpu_ms
from benchmarks.publication import national_collection
from benchmarks.single_engine import SingleEngine
from benchmarks.timing import Side, Timing, alternate
from demo.mesh import LocalMesh
from guotu.client import Client
from guotu.model.division import NATION
from node.config.sections import StoreSection

_QUESTION_S = 600.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    parser.add_argument("--rows", type=int, default=DEFAULT_TOTAL, help="parcels in all 图斑总数 (default 1,000,000)")
    parser.add_argument("--rounds", type=int, default=5, help="measured rounds of each set of zones 轮数 (default 5)")
    parser.add_argument("--plots", type=int, default=150_000, help="farmland plots in all 农田图斑 (default 150,000)")
    parser.add_argument(
        "--groups", type=int, default=20_000_000, help="gathered by themselves 分组 (default 20,000,000)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the generator 随机种子 (default 0)")


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """Run it; returns the numbers, in the units that their names end in."""
    narrator, collection = Narrator(), national_collection("dltb")
    files = owned_parcels(arguments.rows, arguments.seed)
    narrator.say(f"图斑 parcels: {arguments.rows:,}")
    memory = len(OWNERS) * StoreSection().memory_limit_mib
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(work_folder(keep=False))
        cluster = stack.enter_context(everything_in_postgis(folder / "pg", files, collection))
        engine = stack.enter_context(SingleEngine(folder / "single.duckdb", memory))
        rows = everything_in_duckdb(engine, files, collection)
        narrator.say(f"两个引擎已装载 both engines loaded: {rows:,}")
        mesh = stack.enter_context(LocalMesh(folder / "mesh", MESH_NODES))
        start(mesh, collection)
        fill(mesh, collection, files, narrator)
        restart(mesh, collection)
        postgis = stack.enter_context(National(cluster))
        nation = stack.enter_context(mesh.client(NATION, timeout=_QUESTION_S))
        plots = farmland(files, arguments.plots, arguments.seed, folder)
        fill(mesh, national_collection(FARMLAND), plots, narrator)
        told = {
            zones.name: _measured(zones, nation, engine, postgis, arguments.rounds, narrator)
            for zones in zone_sets(collection, arguments.seed)
        }
        layer = Sides(mesh, engine, cluster, postgis, plots).measured(folder, narrator)
    with work_folder(keep=False) as folder:
        groups = gathered(arguments.groups, folder)
    return {
        "benchmark": "overlay",
        "speedup_postgis": {name: item["speedup_postgis"] for name, item in told.items()},
        "speedup_duckdb": {name: item["speedup_duckdb"] for name, item in told.items()},
        "zone_sets": told,
        "layer": layer,
        "many_groups": groups,
        "rows": rows,
        "rounds": arguments.rounds,
        "seed": arguments.seed,
        "environment": environment(),
    }


def _measured(
    zones: ZoneSet, nation: Client, engine: SingleEngine, postgis: National, rounds: int, narrator: Narrator
) -> dict[str, Any]:
    """Compare the answers to one set of zones, then measure them in turns."""
    load_zones(engine, zones)
    answer = nation.ask(zones.question).table()
    worst = {
        DUCKDB: require_close(f"{zones.name}, {DUCKDB}", answer, summed(engine.fetch(zones.duckdb_cuts_sql))),
        POSTGIS: require_close(
            f"{zones.name}, {POSTGIS}", answer, as_table(postgis.ask(zones.postgis, STRAIGHT), answer.schema)
        ),
    }
    narrator.say(f"{zones.name}: {answer.num_rows:,} 行一致 rows agree, {worst}")
    sides = {
        MESH: Side(lambda: nation.ask(zones.question).table(), own_cpu_ms),
        DUCKDB: Side(lambda: engine.fetch(zones.duckdb_sql), own_cpu_ms),
        POSTGIS: Side(lambda: postgis.ask(zones.postgis, PLAIN), own_cpu_ms),
    }
    return {**_document(alternate(sides, rounds, warm_up=1)), "rows": answer.num_rows, "worst_difference": worst}


def _document(times: Mapping[str, Timing]) -> dict[str, Any]:
    seconds = {name: timing.median_ms / 1000 for name, timing in times.items()}
    return {
        "seconds": {name: round(value, 4) for name, value in seconds.items()},
        "best_seconds": {name: round(timing.best_ms / 1000, 4) for name, timing in times.items()},
        "speedup_postgis": round(seconds[POSTGIS] / seconds[MESH], 2),
        "speedup_duckdb": round(seconds[DUCKDB] / seconds[MESH], 2),
    }
