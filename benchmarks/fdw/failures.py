"""What each system answers, and when, while something is wrong with one of three members."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

from benchmarks.fdw.databases import Databases
from benchmarks.fdw.members import MEMBERS
from benchmarks.fdw.session import Session, since
from benchmarks.fdw.troubles import Member, refusing, silent, slow
from benchmarks.fdw.variant import Variant
from benchmarks.pg_cluster import PgCluster
from demo.mesh import LocalMesh
from demo.settling import wait_until
from guotu.model.answer import Outcome
from guotu.model.asking import options
from guotu.model.division import NATION
from guotu.model.errors import GuotuError
from guotu.model.question import Stats

VICTIM = MEMBERS[-1]
_SLOW = 0.3
"""A slow member is late by this share of what a question may take: 3 s of 10."""
_AGAIN = 2
"""Times that the question is asked while a member is silent or refuses; later ones may know more."""
_WHOLE = (Outcome.ANSWERED, Outcome.REPLICA, Outcome.PRUNED)

Told = dict[str, list[dict[str, Any]]]
"""By trouble, of each time that the question was asked: seconds, whether the answer is complete, what it says."""


def _troubles(patience_s: float) -> dict[str, Callable[[Member], AbstractContextManager[None]]]:
    return {"silent": silent, "refusing": refusing, "slow": partial(slow, seconds=_SLOW * patience_s)}


def failures_of_national(databases: Databases, variant: Variant, form: str, patience_s: float) -> Told:
    """Ask the national database; sessions have `statement_timeout`, and a connection to each member that is warm."""
    member, told = Member(VICTIM, databases.members[VICTIM]), {}
    sql = variant.forms[form]
    for name, trouble in _troubles(patience_s).items():
        with Session(databases.national, patience_s) as session:
            session.ask(sql)
            with trouble(member):
                told[name] = [session.ask(sql) for _ in range(1 if name == "slow" else _AGAIN)]
        wait_until(lambda: _healthy(databases.national, sql, patience_s), f"fdw after {name}")
    return told


def failures_of_mesh(mesh: LocalMesh, cluster: PgCluster | None, variant: Variant, patience_s: float) -> Told:
    """Ask the nation, which takes a partial answer."""
    member, told = Member(VICTIM, cluster, mesh), {}
    assert isinstance(variant.mesh, Stats)
    question = Stats(
        variant.mesh.collection, variant.mesh.aggregates, variant.mesh.group_by, options=options("subtree", True, None)
    )

    def ask() -> dict[str, Any]:
        return _ask_mesh(mesh, question, patience_s)

    for name, trouble in _troubles(patience_s).items():
        ask()
        with trouble(member):
            told[name] = [ask() for _ in range(1 if name == "slow" else _AGAIN)]
        wait_until(lambda: bool(ask()["complete"]), f"the mesh after {name}", 60.0)
    return told


def _ask_mesh(mesh: LocalMesh, question: Stats, patience_s: float) -> dict[str, Any]:
    started = time.perf_counter()
    with mesh.client(NATION, timeout=patience_s) as client:
        try:
            answer = client.ask(question)
            rows, completeness = len(answer.table()), answer.completeness
        except GuotuError as failure:
            return {"seconds": since(started), "complete": False, "answer": f"{failure.reason}: {failure.english}"}
    missing = [f"{item.node} {item.outcome}" for item in completeness.members if item.outcome not in _WHOLE]
    return {
        "seconds": since(started),
        "complete": completeness.complete,
        "answer": f"{rows} rows" + (f", marked partial: {', '.join(missing)}" if missing else ""),
        "rows_share": round(completeness.rows_share, 3),
    }


def _healthy(cluster: PgCluster, sql: str, patience_s: float) -> bool:
    with Session(cluster, patience_s) as session:
        return bool(session.ask(sql)["complete"])
