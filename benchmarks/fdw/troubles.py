"""What can be wrong with a member, the same for all systems: silent, refusing, or slow by some seconds."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from benchmarks.pg_cluster import PgCluster
from demo.mesh import LocalMesh


@dataclass(frozen=True, slots=True)
class Member:
    """One member of a system: its database, its node, or both."""

    name: str
    cluster: PgCluster | None = None
    mesh: LocalMesh | None = None

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to all of its processes; one that has ended meanwhile does not matter."""
        pids = self.cluster.pids() if self.cluster else []
        for pid in [*pids, *([self.mesh.pid(self.name)] if self.mesh else [])]:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue

    def stop(self) -> None:
        """End it as a power cut would."""
        if self.mesh:
            self.mesh.kill(self.name)
        if self.cluster:
            self.cluster.stop()

    def start(self) -> None:
        """Bring it back."""
        if self.cluster:
            self.cluster.start()
        if self.mesh:
            self.mesh.start_node(self.name)


@contextmanager
def silent(member: Member) -> Iterator[None]:
    """It keeps its connections open, takes new ones (the system does), and says nothing."""
    member.signal(signal.SIGSTOP)
    try:
        yield
    finally:
        member.signal(signal.SIGCONT)


@contextmanager
def refusing(member: Member) -> Iterator[None]:
    """It is not there; who asks is refused at once."""
    member.stop()
    try:
        yield
    finally:
        member.start()


@contextmanager
def slow(member: Member, seconds: float) -> Iterator[None]:
    """It says nothing for some seconds, then goes on."""
    member.signal(signal.SIGSTOP)
    timer = threading.Timer(seconds, member.signal, [signal.SIGCONT])
    timer.start()
    try:
        yield
    finally:
        timer.join()
