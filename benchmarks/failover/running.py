"""One run of the failover benchmark."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.bench_mesh import fill, start, work_folder
from benchmarks.environment import environment
from benchmarks.failover.budgets import HEALTHY, verdicts
from benchmarks.failover.load import WHOLE, Answers
from benchmarks.failover.relay import SlowRelay
from benchmarks.failover.systems import asked_mesh, asked_national, partial_question
from benchmarks.failover.trials import TROUBLES, Load, trial, troubles
from benchmarks.fdw.databases import Databases
from benchmarks.fdw.questions import counted, grouped, window
from benchmarks.fdw.troubles import Member
from benchmarks.fdw.variant import Variant
from benchmarks.narrator import Narrator
from benchmarks.owners import OWNERS, owned_parcels, owner_of
from benchmarks.parcels import read_counties
from benchmarks.publication import national_collection, run_json
from benchmarks.windows import Place
from demo.mesh import LocalMesh
from demo.settling import wait_until
from guotu.model.answer import Outcome
from guotu.model.collection import Collection
from guotu.model.division import NATION

VICTIM = OWNERS[0]
"""重庆, which the nation asks itself."""
_REPLICATED_S = 120.0
_WINDOWS = (
    Place("重庆 Chongqing", 106.55, 29.56),
    Place("万州 Wanzhou", 108.40, 30.80),
    Place("涪陵 Fuling", 107.40, 29.70),
)
_WINDOW_KM = 120.0
_DISC = (106.0, 29.3, 200.0)
"""Across three provinces: centre in degrees, radius in km."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    parser.add_argument("--rows", type=int, default=300_000, help="parcels in all 图斑总数 (default 300,000)")
    parser.add_argument("--seconds", type=float, default=10.0, help="length of each load 每段秒数 (default 10)")
    parser.add_argument("--rate", type=float, default=6.0, help="questions a second 每秒问题数 (default 6)")
    parser.add_argument("--patience", type=float, default=2.0, help="deadline, seconds 时限 (default 2)")
    parser.add_argument("--seed", type=int, default=0, help="of the generator 随机种子 (default 0)")
    parser.add_argument("--no-postgres", action="store_true", help="leave PostgreSQL out 不测 PostgreSQL")


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """Run it; returns the numbers, in the units that their names end in."""
    narrator, collection = Narrator(), national_collection("dltb")
    files = owned_parcels(arguments.rows, arguments.seed)
    load = Load(questions(collection), arguments.rate, arguments.seconds)
    with work_folder(keep=False) as folder:
        alone, replicated = mesh_trials(folder / "m", OWNERS, collection, files, load, arguments.patience, narrator)
        fdw = {}
        if not arguments.no_postgres:
            fdw = _national_trial(folder / "pg", collection, files, load, arguments.patience, narrator)
    healthy, silent = replicated[HEALTHY], replicated["silent"]
    return {
        "benchmark": "failover",
        "silent_member_ratio": round(silent.p50_ms / healthy.p50_ms, 2),
        "silent_member_added_ms": round(silent.p95_ms - healthy.p50_ms, 1),
        "within_budget": verdicts(alone, replicated, arguments.patience),
        "guotu_alone": _documents(alone),
        "guotu_replicated": _documents(replicated),
        "fdw": _documents(fdw),
        "rows": arguments.rows,
        "questions_per_s": arguments.rate,
        "deadline_s": arguments.patience,
        "seed": arguments.seed,
        "environment": environment(),
    }


def _documents(found: Mapping[str, Answers]) -> dict[str, Any]:
    return {trouble: answers.document() for trouble, answers in found.items()}


def questions(collection: Collection) -> list[Variant]:
    """Return the load: retrievals, a count and a grouping, all of which the member has a part in."""
    windows = [window(collection, place.name, place.window(_WINDOW_KM)) for place in _WINDOWS]
    others = [counted(collection, *_DISC), grouped(collection, ("DLBM",))]
    return [part for retrieved in windows for part in (retrieved, *others)]


def mesh_trials(
    root: Path,
    members: tuple[str, ...],
    collection: Collection,
    files: Mapping[str, Path],
    load: Load,
    patience_s: float,
    narrator: Narrator,
    only: Sequence[str] = TROUBLES,
) -> tuple[dict[str, Answers], dict[str, Answers]]:
    """Measure a mesh of a nation and members, of which the victim is reached through a relay.

    Returns:
        What was answered without replicas, and with one of each member at another.
    """
    others = [member for member in members if member != VICTIM]
    with SlowRelay() as relay, LocalMesh(root, [NATION, *others]) as mesh:
        relay.target = mesh.add(VICTIM, overrides={"grpc.advertise": relay.address}).address
        start(mesh, collection)
        fill(mesh, collection, files, narrator)
        wrong = troubles(Member(VICTIM, mesh=mesh), relay, only)
        with asked_mesh(mesh, patience_s) as system:

            def recovered() -> bool:
                return _owners_answer(mesh, load.variants[-1], len(members))

            alone = trial("guotu 无副本 alone", system, load, wrong, recovered, narrator)
            _replicate(mesh, members, load.variants[-1])
            replicated = trial("guotu 有副本 replicated", system, load, wrong, recovered, narrator)
    return alone, replicated


def _owners_answer(mesh: LocalMesh, variant: Variant, members: int) -> bool:
    with mesh.client(NATION) as client:
        answer = client.ask(partial_question(variant))
        outcomes = [member.outcome for member in answer.completeness.members]
    return outcomes == [Outcome.ANSWERED] * members


def _replicate(mesh: LocalMesh, members: tuple[str, ...], variant: Variant) -> None:
    """Give each member a replica of the dataset of the one before it: not to the province above."""
    for place, member in enumerate(members):
        dataset = f"{members[place - 1]}/{variant.mesh.collection}"
        run_json(mesh, member, "subscribe", ("subscribe", dataset, "--json"))

    def covered() -> bool:
        with mesh.client(NATION) as client:
            plan, _ = client.explain(variant.mesh)
        return all(step.covered for step in plan.steps)

    wait_until(covered, "replicas of all members", _REPLICATED_S)


def _national_trial(
    folder: Path,
    collection: Collection,
    files: Mapping[str, Path],
    load: Load,
    patience_s: float,
    narrator: Narrator,
) -> dict[str, Answers]:
    """Measure the same members' PostGIS behind postgres_fdw; there are no replicas that it could turn to."""
    counties: dict[str, list[str]] = {}
    for county in read_counties():
        counties.setdefault(owner_of(county.adcode), []).append(county.adcode)
    with contextlib.ExitStack() as stack:
        relay = stack.enter_context(SlowRelay())
        databases = stack.enter_context(Databases(folder, patience_s, OWNERS))
        relay.target = databases.members[VICTIM].address
        databases.load(files, collection)
        databases.federate_counties(collection, counties, {VICTIM: relay.address})
        for cluster in (*databases.members.values(), databases.national):
            cluster.sql("VACUUM ANALYZE; CHECKPOINT;")
        system = stack.enter_context(asked_national(databases.national, patience_s))
        wrong = troubles(Member(VICTIM, databases.members[VICTIM]), relay)
        last = load.variants[-1]
        return trial("postgres_fdw", system, load, wrong, lambda: system.ask(0, last).answer == WHOLE, narrator)
