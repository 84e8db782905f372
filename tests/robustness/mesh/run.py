"""One run: the mesh is started, work begins, faults come and go, all heals, and what is left is looked at."""

from __future__ import annotations

import heapq
import itertools
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from guotu.client import Client
from guotu.wire.subscriptions import SubscriptionsClient
from tests.robustness.mesh.asker import Asked, Asker
from tests.robustness.mesh.contents import Contents
from tests.robustness.mesh.family import COLLECTION, NATION, NODES, subtree
from tests.robustness.mesh.faults import End, begin
from tests.robustness.mesh.heartbeat import Heartbeat
from tests.robustness.mesh.mesh import Mesh, await_all
from tests.robustness.mesh.network import HUB
from tests.robustness.mesh.publisher import Publisher, attempt_of
from tests.robustness.mesh.questions import KINDS
from tests.robustness.mesh.record import Recorder
from tests.robustness.mesh.schedule import Event, make_schedule

ASKERS, PUBLISHERS = 3, 2
_HEAL_S = 180.0
"""How long all may take to come right once nothing is broken any more."""
_LOOK_S = 60.0
"""Deadline of a look at what is left: it is no question, and comes when the machine can."""
_JOIN_S = 150.0
"""How long a question or publish under way may take to end: more than any is given."""
_EXCUSES = ("database", "etcd", "quorum", "disk", "isolate")
"""Parts of the names of faults in which a node may end by itself, when it starts without what it needs."""


@dataclass(frozen=True, slots=True)
class Order:
    """What a run is to be."""

    seed: int
    seconds: float
    """How long faults may begin."""
    own_network: bool
    """Whether this process has a network of its own, in which it may make namespaces."""


class Run:
    """One run over a mesh that is prepared; writes its record."""

    def __init__(self, order: Order, mesh: Mesh, recorder: Recorder, say: Callable[[str], None]) -> None:
        self._order, self._mesh, self._recorder, self._say = order, mesh, recorder, say
        self._contents = Contents(order.seed)
        self._heartbeat = Heartbeat(mesh.network.address(HUB))
        self._recent: list[tuple[float, str]] = []

    def run(self) -> None:
        """Do all of it; the record has its end if this returns."""
        mesh, order = self._mesh, self._order
        began = time.monotonic()
        mesh.start()
        self._say(f"mesh of {len(NODES)} nodes is up after {time.monotonic() - began:.0f} s: {mesh.network.told}")
        publishers = [self._publisher(place) for place in range(PUBLISHERS)]
        with ThreadPoolExecutor(PUBLISHERS) as pool:
            list(pool.map(Publisher.first, publishers))
        mesh.subscribe()
        complaints = await_all(self._conditions(), _HEAL_S)
        assert not complaints, f"the mesh did not become whole: {complaints}"
        schedule = make_schedule(
            order.seed, order.seconds, mesh.relays.names, mesh.network.parts_pairs, bool(mesh.disks)
        )
        self._recorder.note("run", seed=order.seed, network=mesh.network.told, schedule=list(map(str, schedule)))
        self._say(f"whole after {time.monotonic() - began:.0f} s; seed {order.seed}:")
        self._say("\n".join(map(str, schedule)))
        workers = [*publishers, *(self._asker(f"asker{place}") for place in range(ASKERS))]
        for worker in workers:
            worker.thread.start()
        self._play(schedule)
        for worker in workers:
            worker.stop.set()
        self._come_right(_HEAL_S)
        deadline = time.monotonic() + _JOIN_S
        for worker in workers:
            worker.thread.join(max(0.0, deadline - time.monotonic()))
        self._look()
        self._heartbeat.close()
        self._say(f"done after {time.monotonic() - began:.0f} s")

    def _publisher(self, place: int) -> Publisher:
        sockets = {name: node.data.admin_socket for name, node in self._mesh.nodes.items()}
        owners = NODES[place::PUBLISHERS]
        return Publisher(self._order.seed, owners, sockets.__getitem__, self._client, self._recorder, self._contents)

    def _asker(self, name: str) -> Asker:
        return Asker(self._order.seed, self._client, self._recorder, self._heartbeat, name)

    def _client(self, node: str) -> Client:
        return self._mesh.nodes[node].client(5.0)

    # --- faults

    def _play(self, schedule: list[Event]) -> None:
        """Have faults begin and end when they are due; whatever happens, all of them end."""
        start, order = time.monotonic(), itertools.count()
        due: list[tuple[float, int, Event, End | None]] = [(event.at, next(order), event, None) for event in schedule]
        heapq.heapify(due)
        try:
            while due:
                at, _, event, end = heapq.heappop(due)
                while (left := start + at - time.monotonic()) > 0:
                    time.sleep(min(left, 0.5))
                    self._revive()
                if end is None:
                    self._fault(event, "begun")
                    heapq.heappush(due, (at + event.seconds, next(order), event, begin(self._mesh, event)))
                else:
                    end()
                    self._fault(event, "ended")
        finally:
            for _, _, _, end in due:
                if end is not None:
                    end()

    def _fault(self, event: Event, phase: str) -> None:
        self._recent.append((time.monotonic(), event.kind))
        self._recorder.note(
            "fault", at=round(time.monotonic(), 3), fault=event.kind, targets=event.targets, phase=phase
        )

    def _revive(self) -> None:
        """Start nodes and members that ended by themselves, as a service manager does, and write it down."""
        for name, node in self._mesh.nodes.items():
            if name not in self._mesh.held and not node.process.alive:
                self._recorder.note("ended", node=name, excused=self._excused(), tail=node.process.tail()[-600:])
                node.process.start()

    def _excused(self) -> bool:
        lately = time.monotonic() - 60.0
        return any(at > lately and any(word in kind for word in _EXCUSES) for at, kind in self._recent)

    # --- what is left

    def _come_right(self, timeout: float) -> None:
        """Wait until the mesh is whole again, however its last publishes ended."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            self._revive()
            if all(self._mesh.ready(name) for name in NODES):
                return
            time.sleep(0.2)

    def _look(self) -> None:
        """Write down how everything stands in the end."""
        complaints = await_all(self._conditions(), _HEAL_S)
        for subject in self._conditions():
            self._recorder.note("final", subject=subject, complaint=complaints.get(subject, ""))
        for owner in NODES:
            with self._mesh.nodes[owner].client(_LOOK_S) as client:
                found = {item.version: attempt_of(item.message) for item in client.versions(f"{owner}/{COLLECTION}")}
            self._recorder.note("final", owner=owner, subject=f"versions of {owner}", versions=found)
        asker = self._asker("last")
        for kind in KINDS.values():
            with self._client(NATION) as client:
                asker.ask(Asked(NATION, kind, NATION, False, _LOOK_S, {}), client)
        for node in self._mesh.nodes.values():
            for owner in node.member.follows:
                with self._client(node.member.node) as client:
                    asker.ask(Asked(node.member.node, KINDS["all"], owner, False, _LOOK_S, {}, alone=True), client)

    def _conditions(self) -> dict[str, Callable[[], str]]:
        """Return what must hold in the end: each tells what is still wrong, nothing if nothing is."""
        asks: dict[str, Callable[[], str]] = {f"answers at {name}": self._answers(name) for name in NODES}
        follows = [node for node in self._mesh.nodes.values() if node.member.follows]
        return asks | {f"replicas at {node.member.node}": self._replicas(node) for node in follows}

    def _answers(self, name: str) -> Callable[[], str]:
        """Return a condition: a node answers in full, from the head of each owner below it."""

        def complaint() -> str:
            with self._client(name) as client:
                answer = client.stats(COLLECTION, count=True, timeout=10.0)
                list(answer.batches())
            heads = {}
            for owner in subtree(name):
                with self._client(owner) as client:
                    heads[f"{owner}/{COLLECTION}"] = client.versions(f"{owner}/{COLLECTION}")[0].version
            return "" if dict(answer.cut) == heads else f"cut {dict(answer.cut)}, heads {heads}"

        return complaint

    def _replicas(self, node: Any) -> Callable[[], str]:
        """Return a condition: each replica stands at its owner's head and is current."""

        def complaint() -> str:
            with SubscriptionsClient(node.data.admin_socket) as subscriptions:
                found = {item.dataset: item for item in subscriptions.replicas().replicas}
            for owner in node.member.follows:
                dataset = f"{owner}/{COLLECTION}"
                with self._client(owner) as client:
                    head = client.versions(dataset)[0].version
                status = found.get(dataset)
                if status is None or (status.version, status.state) != (head, "current"):
                    return f"{dataset} head {head}: {status}"
            return ""

        return complaint


def perform(order: Order, root: Path, record: Path, say: Callable[[str], None]) -> None:
    """Run once and write the record.

    Raises:
        GuotuError, AssertionError, RuntimeError: the mesh could not be brought up, or looked at.
    """
    recorder = Recorder(record)
    try:
        with Mesh(root, order.own_network) as mesh:
            Run(order, mesh, recorder, say).run()
    finally:
        recorder.close()
