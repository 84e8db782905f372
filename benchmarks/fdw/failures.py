"""What each system answers, and when, while something is wrong with one of three members."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

import asyncpg

from benchmarks.fdw.databases import Databases
from benchmarks.fdw.members import MEMBERS
from benchmarks.fdw.national import connected
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
_GIVE_UP = 3
"""After so many times its time-out a client goes away by itself."""
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
        with _Session(databases.national, patience_s) as session:
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
            return {"seconds": _since(started), "complete": False, "answer": f"{failure.reason}: {failure.english}"}
    missing = [f"{item.node} {item.outcome}" for item in completeness.members if item.outcome not in _WHOLE]
    return {
        "seconds": _since(started),
        "complete": completeness.complete,
        "answer": f"{rows} rows" + (f", marked partial: {', '.join(missing)}" if missing else ""),
        "rows_share": round(completeness.rows_share, 3),
    }


class _Session:
    """A session of the national database with the time-outs of a careful administrator."""

    def __init__(self, cluster: PgCluster, patience_s: float) -> None:
        self._cluster = cluster
        self._patience_s = patience_s
        self._runner = asyncio.Runner()
        self._connection: asyncpg.Connection | None = None

    def __enter__(self) -> _Session:
        self._runner.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._drop()
        self._runner.__exit__(None, None, None)

    def ask(self, sql: str) -> dict[str, Any]:
        """Ask; the client itself gives up long after the server should have."""
        started = time.perf_counter()
        try:
            rows = self._runner.run(asyncio.wait_for(self._fetch(sql), _GIVE_UP * self._patience_s))
        except TimeoutError:
            self._drop()
            return {"seconds": _since(started), "complete": False, "answer": "nothing: the client gave up"}
        except (asyncpg.PostgresError, OSError) as failure:
            first = str(failure).partition("\n")[0]
            return {"seconds": _since(started), "complete": False, "answer": f"{type(failure).__name__}: {first}"}
        return {"seconds": _since(started), "complete": True, "answer": f"{len(rows)} rows", "rows_share": 1.0}

    async def _fetch(self, sql: str) -> list[asyncpg.Record]:
        if self._connection is None or self._connection.is_closed():
            timeout = f"{round(self._patience_s * 1000)}ms"
            self._connection = await connected(self._cluster, "auto", statement_timeout=timeout)
        rows: list[asyncpg.Record] = await self._connection.fetch(sql)
        return rows

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None


def _healthy(cluster: PgCluster, sql: str, patience_s: float) -> bool:
    with _Session(cluster, patience_s) as session:
        return bool(session.ask(sql)["complete"])


def _since(started: float) -> float:
    return round(time.perf_counter() - started, 2)
