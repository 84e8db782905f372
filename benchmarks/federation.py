"""The federation against one engine: a nation, provinces and cities over generated 地类图斑.

Seven local nodes (six owners and the nation, which owns nothing) hold about a million parcels. The same questions are
asked of the nation and of one DuckDB that holds everything, in turns; answers are checked to be equal first.
Budgets: every ratio <= 1.3, or 30 ms on top where the engine needs less than 20 ms; a node at rest < 200 MiB.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from benchmarks.bench_mesh import fill, pids, resident_at_rest, restart, start, work_folder
from benchmarks.budget import MOST_AT_REST_MIB
from benchmarks.comparison import Compared, compare, summary
from benchmarks.environment import environment
from benchmarks.narrator import Narrator
from benchmarks.owners import MESH_NODES, OWNERS, owned_parcels
from benchmarks.parcels import DEFAULT_TOTAL
from benchmarks.publication import national_collection, rates
from benchmarks.questions import variants
from benchmarks.single_engine import TABLE, SingleEngine
from benchmarks.streaming import stream_everything
from demo.mesh import LocalMesh
from guotu.model.collection import Collection
from guotu.model.division import NATION
from node.config.sections import StoreSection

_QUESTION_S = 120.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    parser.add_argument("--rows", type=int, default=DEFAULT_TOTAL, help="parcels in all 图斑总数 (default 1,000,000)")
    parser.add_argument("--rounds", type=int, default=9, help="measured rounds of each question 轮数 (default 9)")
    parser.add_argument("--seed", type=int, default=0, help="of the generator 随机种子 (default 0)")
    parser.add_argument(
        "--settle", type=float, default=60.0, help="seconds of rest before memory is read 静置秒数 (default 60)"
    )
    parser.add_argument("--keep", action="store_true", help="leave the mesh running 结束后保留运行")


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """Run it; returns the numbers, in the units that their names end in."""
    narrator, collection = Narrator(), national_collection("dltb")
    narrator.say(f"图斑 parcels: {arguments.rows:,}")
    files = owned_parcels(arguments.rows, arguments.seed)
    with work_folder(arguments.keep) as folder, LocalMesh(folder / "mesh", MESH_NODES) as mesh:
        with SingleEngine(folder / "single.duckdb", len(OWNERS) * StoreSection().memory_limit_mib) as engine:
            result = _Measuring(mesh, engine, collection, narrator, arguments).run(files)
        if arguments.keep:
            _leave(mesh, narrator)
    return result


def _leave(mesh: LocalMesh, narrator: Narrator) -> None:
    narrator.say(f"保留 kept: guotu --node {mesh.address(NATION)} datasets; {mesh.root}")
    narrator.say(f"停止 stop it: kill {' '.join(map(str, mesh.pids().values()))}")
    mesh.release()


class _Measuring:
    """One run."""

    def __init__(
        self,
        mesh: LocalMesh,
        engine: SingleEngine,
        collection: Collection,
        narrator: Narrator,
        arguments: argparse.Namespace,
    ) -> None:
        self._mesh = mesh
        self._engine = engine
        self._collection = collection
        self._narrator = narrator
        self._rounds = arguments.rounds
        self._settle_s = arguments.settle
        self._seed = arguments.seed

    def run(self, files: dict[str, Path]) -> dict[str, Any]:
        start(self._mesh, self._collection)
        self._narrator.say(f"{len(self._mesh.nodes)} 个节点就绪 nodes ready")
        published = fill(self._mesh, self._collection, files, self._narrator)
        rows = self._engine.load(list(files.values()), self._collection)
        self._narrator.say(f"单一引擎装载 single engine loaded: {rows:,} 行 rows")
        after_publish = resident_at_rest(self._mesh, 0.0)
        restart(self._mesh, self._collection)
        at_rest = resident_at_rest(self._mesh, self._settle_s)
        self._narrator.say("提问 asking")
        compared = summary(self._compare())
        after_questions = resident_at_rest(self._mesh, self._settle_s)
        self._narrator.say("全部读出 streaming everything")
        with self._mesh.client(NATION) as nation:
            stream = stream_everything(nation, self._collection.id, pids(self._mesh))
        self._narrator.say(f"{stream['rows_per_s']:,} 行/秒 rows/s")
        resident = {
            node: {
                "at_rest": at_rest[node],
                "after_publish": after_publish[node],
                "after_questions": after_questions[node],
                "peak": stream["peak_mib"][node],
            }
            for node in self._mesh.nodes
        }
        return {
            "benchmark": "federation",
            **compared,
            "resident_mib": resident,
            "at_rest_within_budget": max(at_rest.values()) < MOST_AT_REST_MIB,
            "stream_everything": stream,
            "publish": rates(list(published.values())),
            "rows": rows,
            "rows_by_node": {node: item.rows for node, item in published.items()},
            "rounds": self._rounds,
            "seed": self._seed,
            "environment": environment(),
        }

    def _compare(self) -> list[Compared]:
        area = self._engine.fetch(f"SELECT quantile_disc(TBMJ, 0.5)::DOUBLE AS area FROM {TABLE}")["area"][0].as_py()
        results, nodes = [], pids(self._mesh).values()
        with self._mesh.client(NATION, timeout=_QUESTION_S) as nation:
            for variant in variants(self._collection, area):
                results.append(compare(nation, nodes, self._engine, variant, self._rounds))
                told = results[-1].document()
                self._narrator.say(
                    f"{variant.question}, {variant.name}: {told['rows']:,} 行 rows, {told['mesh_ms']} ms, "
                    f"单一引擎 single engine {told['single_engine_ms']} ms"
                )
        return results
