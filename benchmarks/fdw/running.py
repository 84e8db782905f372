"""One run of the comparison with postgres_fdw."""

from __future__ import annotations

import argparse
import contextlib
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from benchmarks.bench_mesh import work_folder
from benchmarks.environment import environment
from benchmarks.fdw.budgets import verdicts
from benchmarks.fdw.crowd import Mixture, crowd_of_mesh, crowd_of_national
from benchmarks.fdw.databases import Databases
from benchmarks.fdw.failures import VICTIM, failures_of_mesh, failures_of_national
from benchmarks.fdw.members import DEFAULT_ROWS, MEMBERS, member_parcels
from benchmarks.fdw.meshes import bring_up, duckdb_mesh, postgis_mesh
from benchmarks.fdw.national import National
from benchmarks.fdw.questions import variants
from benchmarks.fdw.race import DUCKDB, FDW, POSTGIS, Raced, race
from benchmarks.fdw.variant import Variant
from benchmarks.narrator import Narrator
from benchmarks.publication import national_collection
from demo.mesh import LocalMesh
from guotu.model.collection import Collection
from guotu.model.division import NATION

_QUESTION_S = 120.0
_CLOSENESS = 1e-6
"""How close areas have to be, relative, with as many parcels as by default."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    parser.add_argument(
        "--rows", type=int, default=DEFAULT_ROWS, help="parcels of each member 每个成员的图斑数 (default 300,000)"
    )
    parser.add_argument("--rounds", type=int, default=10, help="measured rounds of each question 轮数 (default 10)")
    parser.add_argument("--seed", type=int, default=0, help="of the generator 随机种子 (default 0)")
    parser.add_argument(
        "--crowd", type=float, default=10.0, help="seconds that 16 clients ask each system 并发秒数 (default 10)"
    )
    parser.add_argument(
        "--patience", type=float, default=10.0, help="deadline where a member fails, seconds 失联时限 (default 10)"
    )


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """Run it; returns the numbers, in the units that their names end in."""
    narrator, collection = Narrator(), national_collection("dltb")
    files = member_parcels(arguments.rows, arguments.seed)
    narrator.say(f"图斑 parcels: {len(MEMBERS)} × {arguments.rows:,}")
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(work_folder(keep=False))
        databases = stack.enter_context(Databases(folder / "pg", arguments.patience))
        narrator.say("四个数据库集群就绪 four clusters ready")
        databases.load(files, collection)
        databases.federate(collection)
        databases.make_stores()
        narrator.say("成员表已装载 member tables loaded")
        meshes = {
            POSTGIS: stack.enter_context(postgis_mesh(_made(folder / "p"), databases)),
            DUCKDB: stack.enter_context(duckdb_mesh(folder / "d")),
        }
        for mesh in meshes.values():
            bring_up(mesh, collection, files, narrator)
        databases.settle()
        result = _Measuring(databases, meshes, collection, narrator, arguments).run(_some_keys(files))
    return {
        "benchmark": "fdw",
        **result,
        "rows_each": {member: pq.read_metadata(file).num_rows for member, file in files.items()},
        "rounds": arguments.rounds,
        "seed": arguments.seed,
        "environment": environment(),
    }


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _some_keys(files: dict[str, Path]) -> list[str]:
    """Return two keys of each member."""
    keys = {member: pq.read_table(file, columns=["BSM"])["BSM"] for member, file in files.items()}
    return [column[len(column) * part // 3].as_py() for part in (1, 2) for column in keys.values()]


class _Measuring:
    """One run over databases and meshes that are ready."""

    def __init__(
        self,
        databases: Databases,
        meshes: dict[str, LocalMesh],
        collection: Collection,
        narrator: Narrator,
        arguments: argparse.Namespace,
    ) -> None:
        self._databases = databases
        self._meshes = meshes
        self._collection = collection
        self._narrator = narrator
        self._arguments = arguments

    def run(self, keys: list[str]) -> dict[str, Any]:
        asked = variants(self._collection, keys)
        raced = self._race(asked)
        forms = {question: item.form for question, item in raced.items()}
        questions = {question: item.document() for question, item in raced.items()}
        return {
            "speedup_postgis": {question: told["speedup_postgis"] for question, told in questions.items()},
            "speedup_duckdb": {question: told["speedup_duckdb"] for question, told in questions.items()},
            "within_budget": verdicts(questions),
            "questions": questions,
            "crowd": self._crowd(keys, forms),
            "failures": self._failures(asked["group_by_class"][0], forms),
        }

    def _race(self, asked: dict[str, list[Variant]]) -> dict[str, Raced]:
        raced: dict[str, Raced] = {}
        # What lies between a line in degrees and a geodesic grows with the square of a parcel's edges.
        closeness = _CLOSENESS * max(1.0, DEFAULT_ROWS / self._arguments.rows)
        with contextlib.ExitStack() as stack:
            national = stack.enter_context(National(self._databases.national))
            clients = {
                name: stack.enter_context(mesh.client(NATION, timeout=_QUESTION_S))
                for name, mesh in self._meshes.items()
            }
            for question, each in asked.items():
                raced[question] = race(national, clients, each, self._arguments.rounds, closeness)
                self._tell(question, raced[question])
        return raced

    def _tell(self, question: str, raced: Raced) -> None:
        told = raced.document()
        seconds = ", ".join(f"{name} {value * 1000:.1f} ms" for name, value in told["seconds"].items())
        self._narrator.say(
            f"{question}: {seconds}; ×{told['speedup_postgis']} postgis, ×{told['speedup_duckdb']} duckdb; "
            f"负载 load {told['load']}"
        )

    def _crowd(self, keys: list[str], forms: dict[str, str]) -> dict[str, Any]:
        mixture, seconds = Mixture(self._collection, keys, self._arguments.seed), self._arguments.crowd
        told = {FDW: crowd_of_national(self._databases.national, mixture, forms | {"window": "plain"}, seconds)}
        told |= {name: crowd_of_mesh(mesh, mixture, seconds) for name, mesh in self._meshes.items()}
        for name, crowd in told.items():
            self._narrator.say(f"16 个客户端 clients, {name}: {crowd.document()}")
        return {name: crowd.document() for name, crowd in told.items()}

    def _failures(self, variant: Variant, forms: dict[str, str]) -> dict[str, Any]:
        patience, databases = self._arguments.patience, self._databases
        told: dict[str, Any] = {FDW: failures_of_national(databases, variant, forms[variant.question], patience)}
        self._narrator.say(f"成员失联 failures, {FDW}: {told[FDW]}")
        for name, mesh in self._meshes.items():
            cluster = databases.members[VICTIM] if name == POSTGIS else None
            told[name] = failures_of_mesh(mesh, cluster, variant, patience)
            self._narrator.say(f"成员失联 failures, {name}: {told[name]}")
        return told
