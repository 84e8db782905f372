"""One run of the comparison with postgres_fdw."""

from __future__ import annotations

import argparse
import contextlib
import time
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from benchmarks.bench_mesh import work_folder
from benchmarks.environment import environment
from benchmarks.fdw.databases import Databases
from benchmarks.fdw.members import DEFAULT_ROWS, MEMBERS, member_parcels
from benchmarks.fdw.meshes import bring_up, duckdb_mesh, postgis_mesh
from benchmarks.fdw.national import National
from benchmarks.fdw.questions import variants
from benchmarks.fdw.race import DUCKDB, POSTGIS, Raced, race
from benchmarks.narrator import Narrator
from benchmarks.publication import national_collection
from demo.mesh import LocalMesh
from guotu.model.collection import Collection
from guotu.model.division import NATION

_QUESTION_S = 120.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    parser.add_argument(
        "--rows", type=int, default=DEFAULT_ROWS, help="parcels of each member 每个成员的图斑数 (default 300,000)"
    )
    parser.add_argument("--rounds", type=int, default=10, help="measured rounds of each question 轮数 (default 10)")
    parser.add_argument("--seed", type=int, default=0, help="of the generator 随机种子 (default 0)")
    parser.add_argument("--keep", action="store_true", help="wait before all is taken down 结束前等待回车")


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """Run it; returns the numbers, in the units that their names end in."""
    narrator, collection = Narrator(), national_collection("dltb")
    files = member_parcels(arguments.rows, arguments.seed)
    narrator.say(f"图斑 parcels: {len(MEMBERS)} × {arguments.rows:,}")
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(work_folder(keep=False))
        databases = stack.enter_context(Databases(folder / "pg"))
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
        result = _Measuring(databases, meshes, collection, narrator, arguments.rounds).run(_some_keys(files))
        if arguments.keep:
            print(databases.national.connection)
            print({name: (mesh.address(NATION), mesh.pids()) for name, mesh in meshes.items()})
            input()
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
    def __init__(
        self,
        databases: Databases,
        meshes: dict[str, LocalMesh],
        collection: Collection,
        narrator: Narrator,
        rounds: int,
    ) -> None:
        self._databases = databases
        self._meshes = meshes
        self._collection = collection
        self._narrator = narrator
        self._rounds = rounds

    def run(self, keys: list[str]) -> dict[str, Any]:
        raced: dict[str, Raced] = {}
        with contextlib.ExitStack() as stack:
            national = stack.enter_context(National(self._databases.national))
            clients = {
                name: stack.enter_context(mesh.client(NATION, timeout=_QUESTION_S))
                for name, mesh in self._meshes.items()
            }
            for question, asked in variants(self._collection, keys).items():
                raced[question] = race(national, clients, asked, self._rounds)
                self._tell(question, raced[question])
        return {"questions": {question: item.document() for question, item in raced.items()}}

    def _tell(self, question: str, raced: Raced) -> None:
        told = raced.document()
        seconds = ", ".join(f"{name} {value * 1000:.1f} ms" for name, value in told["seconds"].items())
        self._narrator.say(
            f"{question}: {seconds}; ×{told['speedup_postgis']} postgis, ×{told['speedup_duckdb']} duckdb; "
            f"forms {told['fdw_forms_seconds']} load {told['load']}"
        )
