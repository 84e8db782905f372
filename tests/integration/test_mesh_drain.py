"""Real nodes: one is drained, stopped, started and resumed, and no question of those asked meanwhile fails."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from demo.mesh import LocalMesh
from guotu.model.errors import GuotuError
from tests.support.plots import NODE, Desk, key, layer
from tests.support.small_mesh import eventually
from tests.support.version_mesh import NATION, ask, hears, operate, reaches, running_mesh


@pytest.fixture(scope="module")
def mesh() -> Iterator[LocalMesh]:
    with running_mesh([NODE, NATION]) as made:
        yield made


@pytest.fixture
def desk(mesh: LocalMesh, tmp_path: Path, request: pytest.FixtureRequest) -> Desk:
    """Return the desk of a collection of this test alone, with one version that the nation has too."""
    name = "d" + "".join(filter(str.isalnum, request.node.name.lower()))[-24:]
    made = Desk(mesh, f"{NODE}.{name}", tmp_path)
    made.define()
    made.publish("--from", made.write(layer()))
    operate(mesh, NATION, "subscribe", made.dataset)
    reaches(mesh, made.dataset, 1)
    return made


class Asking:
    """Asks the nation for all rows, one question after the other, and notes what became of each."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.digests: set[str] = set()
        self.outcomes: list[tuple[str, str]] = []
        """Outcome and reason of the owner's part, in the order of the questions."""
        self.failures: list[GuotuError] = []

    def __enter__(self) -> Asking:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        with self._desk.mesh.client(NATION) as client:
            while not self._stop.is_set():
                try:
                    answer = client.query(self._desk.collection, sort=("-MJ",))
                    answer.table()
                except GuotuError as failure:
                    self.failures.append(failure)
                    return
                (part,) = [item for item in answer.completeness.members if item.node == NODE]
                self.digests.add(answer.digest.hex())
                self.outcomes.append((part.outcome.value, part.reason))

    def newest(self) -> tuple[str, str]:
        """Return what became of a question that begins now."""
        seen = len(self.outcomes)
        eventually(lambda: len(self.outcomes) > seen + 1 or bool(self.failures))
        return self.outcomes[-1]

    def comes_to(self, outcome: str, reason: str) -> None:
        """Wait until questions end so, or fail."""
        eventually(lambda: self.newest() == (outcome, reason) or bool(self.failures))


def state(desk: Desk) -> Any:
    nodes = ask(desk.mesh, NATION, "nodes")["nodes"]
    return next((item["draining"] for item in nodes if item["node"] == NODE), None)


def test_a_node_is_maintained_without_one_failed_question(desk: Desk) -> None:
    mesh = desk.mesh
    with Asking(desk) as asking:
        asking.comes_to("ANSWERED", "")
        assert operate(mesh, NODE, "node", "drain")["drained"]
        # It may be run again, as where the registry had not told yet that the nation has all of it.
        eventually(lambda: desk.dataset not in operate(mesh, NODE, "node", "drain")["alone"])
        assert state(desk) is True
        asking.comes_to("REPLICA", "OWNER_DRAINING")
        assert mesh.stop(NODE) == 0
        asking.comes_to("REPLICA", "OWNER_UNREACHABLE")
        mesh.start_node(NODE)
        eventually(lambda: state(desk) is True)
        asking.comes_to("REPLICA", "OWNER_DRAINING")
        assert operate(mesh, NODE, "node", "resume") == {"changed": True}
        assert operate(mesh, NODE, "node", "resume") == {"changed": False}
        asking.comes_to("ANSWERED", "")
    assert asking.failures == []
    assert len(asking.digests) == 1
    assert {outcome for outcome, _ in asking.outcomes} == {"ANSWERED", "REPLICA"}


def test_what_nobody_else_holds_is_named_and_still_answered_but_not_published(desk: Desk) -> None:
    mesh = desk.mesh
    operate(mesh, NATION, "unsubscribe", desk.dataset)
    change = desk.csv(f"BSM\n{key(7)}\n")
    desk.publish("--deletes", change)
    hears(mesh, desk.dataset, 2)
    try:
        assert desk.dataset in operate(mesh, NODE, "node", "drain")["alone"]
        answer = ask(mesh, NATION, "stats", desk.collection, "--count")
        (part,) = answer["completeness"]["members"]
        assert (part["outcome"], part["version"]) == ("ANSWERED", 2)
        refused = operate(mesh, NODE, "publish", desk.collection, "--deletes", change, code=6)["error"]
        assert refused["reason"] == "NODE_DRAINING"
    finally:
        operate(mesh, NODE, "node", "resume")
