"""The systems under load: a mesh asked by some clients, a national database asked over a pool of sessions."""

from __future__ import annotations

import contextlib
import queue
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from benchmarks.failover.load import AT_ONCE, WHOLE, Told
from benchmarks.fdw.session import Session
from benchmarks.fdw.variant import Variant
from benchmarks.pg_cluster import PgCluster
from demo.mesh import LocalMesh
from guotu.client import Client
from guotu.model.division import NATION
from guotu.model.errors import GuotuError
from guotu.model.question import CompletenessMode, Options, Question

CLIENTS = 4
_PARTIAL = Options(completeness=CompletenessMode.ALLOW_PARTIAL)


def partial_question(variant: Variant) -> Question:
    """Return a question that takes a partial answer."""
    return replace(variant.mesh, options=_PARTIAL)


@dataclass(frozen=True, slots=True)
class MeshSystem:
    """The nation of a mesh, and the clients that ask it."""

    clients: tuple[Client, ...]

    def ask(self, number: int, variant: Variant) -> Told:
        """Ask; read all rows."""
        try:
            answer = self.clients[number % len(self.clients)].ask(partial_question(variant))
            answer.table()
        except GuotuError as failure:
            missing = () if failure.completeness is None else failure.completeness.missing
            return Told(f"error {failure.reason}", missing)
        missing = answer.completeness.missing
        return Told("partial", missing) if missing else Told(WHOLE)


@contextmanager
def asked_mesh(mesh: LocalMesh, patience_s: float) -> Iterator[MeshSystem]:
    """Connect the clients."""
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(mesh.client(NATION, timeout=patience_s)) for _ in range(CLIENTS)]
        yield MeshSystem(tuple(clients))


@dataclass(frozen=True, slots=True)
class NationalSystem:
    """The national database, and the sessions that wait to ask it."""

    sessions: queue.LifoQueue[Session]

    def ask(self, number: int, variant: Variant) -> Told:
        """Ask; sessions that were used last are used first, as pools do."""
        session = self.sessions.get()
        try:
            told = session.ask(variant.forms["plain"], *variant.parameters)
        finally:
            self.sessions.put(session)
        return Told(WHOLE if told["complete"] else f"error {told['answer'][:60]}")


@contextmanager
def asked_national(cluster: PgCluster, patience_s: float) -> Iterator[NationalSystem]:
    """Make the sessions; each connects when it is first used."""
    with contextlib.ExitStack() as stack:
        sessions: queue.LifoQueue[Session] = queue.LifoQueue()
        for _ in range(AT_ONCE):
            sessions.put(stack.enter_context(Session(cluster, patience_s)))
        yield NationalSystem(sessions)
