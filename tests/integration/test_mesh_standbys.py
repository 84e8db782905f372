"""Real nodes: an owner is killed, falls silent, comes back, and questions are answered all the while."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from demo.mesh import LocalMesh
from tests.support.plots import NODE, Desk, key, layer
from tests.support.small_mesh import eventually
from tests.support.version_mesh import NATION, ask, ask_fresh, hears, operate, reaches, running_mesh

NEIGHBOUR = "520000"
SHORT_LEASE = {"registry.lease_ttl_s": 2}
"""So that the owner, once killed, soon leaves the registry."""
GROUPED = ("--group-by", "DLBM", "--sum", "MJ", "--count")


@pytest.fixture(scope="module")
def mesh() -> Iterator[LocalMesh]:
    with running_mesh([NEIGHBOUR, NATION], special={NODE: SHORT_LEASE}) as made:
        yield made


@pytest.fixture
def desk(mesh: LocalMesh, tmp_path: Path, request: pytest.FixtureRequest) -> Desk:
    """Return the desk of a collection of this test alone, with two versions that the nation has too."""
    name = "s" + "".join(filter(str.isalnum, request.node.name.lower()))[-24:]
    made = Desk(mesh, f"{NODE}.{name}", tmp_path)
    made.define()
    made.publish("--from", made.write(layer()))
    made.publish("--deletes", made.csv(f"BSM\n{key(7)}\n"))
    operate(mesh, NATION, "subscribe", made.dataset)
    reaches(mesh, made.dataset, 2)
    return made


def part(answer: Any, desk: Desk) -> Any:
    (member,) = [item for item in answer["completeness"]["members"] if item["dataset"] == desk.dataset]
    return member


def is_registered(desk: Desk) -> bool:
    return NODE in {node["node"] for node in ask(desk.mesh, NATION, "nodes")["nodes"]}


def has_replica(desk: Desk, node: str) -> bool:
    """Tell whether a node knows of the nation's replica at the head."""
    plan = ask(desk.mesh, node, "explain", "stats", desk.dataset, "--count")["plan"]
    (step,) = plan["steps"]
    return [item["node"] for item in step["standbys"]] == [NATION]


def check_relieved(desk: Desk, asked: str, healthy: Any, *reasons: str) -> None:
    """Every question is answered whole, with the rows and the digest that the owner would have given.

    On a busy machine the registry may be late as well, and a silence so long that nobody waits for another.
    """
    for words, whole in healthy.items():
        answer = ask(desk.mesh, asked, *words)
        assert answer["completeness"]["complete"], words
        assert answer["digest"] == whole["digest"], words
        told = part(answer, desk)
        assert (told["outcome"], told["replica"], told["version"]) == ("REPLICA", NATION, 2)
        assert told["reason"] in (*reasons, "OWNER_STALE_REGISTRY", "OWNER_CIRCUIT_OPEN"), told


def owner_gives(desk: Desk, words: tuple[str, ...], whole: Any) -> bool:
    """Tell whether the owner answers by itself; whoever does gives the same."""
    answer = ask(desk.mesh, NATION, *words)
    assert answer["digest"] == whole["digest"]
    return bool(part(answer, desk)["outcome"] == "ANSWERED")


def answers(desk: Desk, asked: str, subject: str) -> dict[tuple[str, ...], Any]:
    """Return the owner's answers to some questions while all is well, by question.

    An owner that is late on a busy machine is overtaken; so each is asked until the owner was in time.
    """
    questions = [
        ("stats", subject, *GROUPED),
        ("query", subject, "--limit", "0"),
        ("query", subject, "--sort", "-MJ", "--limit", "0"),
    ]
    return {words: owners_answer(desk, asked, words) for words in questions}


def owners_answer(desk: Desk, asked: str, words: tuple[str, ...]) -> Any:
    """Return what the owner itself gives; where it is late, as on a busy machine, its replica answers first."""
    found = []

    def is_the_owners() -> bool:
        found.append(ask(desk.mesh, asked, *words))
        return bool(part(found[-1], desk)["outcome"] == "ANSWERED")

    eventually(is_the_owners)
    return found[-1]


def test_a_killed_owner_is_replaced_until_it_is_back(desk: Desk) -> None:
    mesh = desk.mesh
    healthy = answers(desk, NATION, desk.collection)
    mesh.kill(NODE)
    check_relieved(desk, NATION, healthy, "OWNER_UNREACHABLE", "OWNER_LATE")
    eventually(lambda: not is_registered(desk))
    check_relieved(desk, NATION, healthy, "OWNER_UNREACHABLE")
    mesh.start_node(NODE)
    eventually(lambda: is_registered(desk))
    for words, whole in healthy.items():
        eventually(lambda words=words, whole=whole: owner_gives(desk, words, whole))


def test_a_silent_owner_is_replaced_for_a_third_node_too(desk: Desk) -> None:
    mesh = desk.mesh
    eventually(lambda: has_replica(desk, NEIGHBOUR))
    healthy = answers(desk, NEIGHBOUR, desk.dataset)
    mesh.pause(NODE)
    try:
        check_relieved(desk, NEIGHBOUR, healthy, "OWNER_LATE", "OWNER_TIMED_OUT", "OWNER_UNREACHABLE")
    finally:
        mesh.resume(NODE)


def test_a_version_that_no_replica_has_is_missing(desk: Desk) -> None:
    """The nation does not follow any more when the owner publishes and dies."""
    mesh = desk.mesh
    operate(mesh, NATION, "unsubscribe", desk.dataset)
    desk.publish("--deletes", desk.csv(f"BSM\n{key(8)}\n"))
    hears(mesh, desk.dataset, 3)
    mesh.kill(NODE)
    error = ask_fresh(mesh, NATION, "stats", desk.collection, *GROUPED, "--partial", code=4)["error"]
    assert error["reason"] == "NOBODY_ANSWERED"
    assert (part(error, desk)["outcome"], part(error, desk)["version"]) == ("UNREACHABLE", 3)
    mesh.start_node(NODE)
