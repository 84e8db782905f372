"""Versions that outlive restarts, cross between meshes on a disk, and change their definition."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.mesh import LocalMesh
from tests.support.plots import FIELDS, NODE, ROWS, Desk, catalogue, key, layer
from tests.support.small_mesh import PATIENT, eventually
from tests.support.version_mesh import NATION, ask, operate, reaches, replica_of, running_mesh, verify_sound

STRANGER = "510000"


@pytest.fixture(scope="module")
def mesh() -> Iterator[LocalMesh]:
    with running_mesh([NODE, NATION]) as made:
        yield made


def two_versions(desk: Desk) -> Desk:
    """Publish a layer, then what is left of it without one plot."""
    desk.publish("--from", desk.write(layer()))
    desk.publish("--deletes", desk.csv(f"BSM\n{key(7)}\n"))
    return desk


@pytest.fixture
def desk(mesh: LocalMesh, tmp_path: Path, request: pytest.FixtureRequest) -> Desk:
    """Return the desk of a collection of this test alone, with two versions."""
    name = "t" + "".join(filter(str.isalnum, request.node.name.lower()))[-24:]
    made = Desk(mesh, f"{NODE}.{name}", tmp_path)
    made.define()
    return two_versions(made)


def digests(desk: Desk, node: str, *versions: int) -> list[str]:
    words = ("query", desk.dataset, "--limit", "0", "--scope", "self", "--version")
    return [ask(desk.mesh, node, *words, str(version))["digest"] for version in versions]


def test_restarted_nodes_have_all_that_they_had(desk: Desk) -> None:
    mesh = desk.mesh
    operate(mesh, NATION, "subscribe", desk.dataset)
    reaches(mesh, desk.dataset, 2)
    operate(mesh, NATION, "pin", f"{desk.dataset}@1")
    known = {node: ask(mesh, node, "versions", desk.dataset) for node in (NODE, NATION)}
    before = digests(desk, NODE, 1, 2)
    assert digests(desk, NATION, 1, 2) == before
    mesh.kill(NODE)
    mesh.stop(NATION)
    mesh.start_node(NATION)
    assert digests(desk, NATION, 1, 2) == before, "a replica answers while its owner is away"
    mesh.start_node(NODE)
    reaches(mesh, desk.dataset, 2)
    for node in (NODE, NATION):
        assert ask(mesh, node, "versions", desk.dataset) == known[node]
        assert digests(desk, node, 1, 2) == before
    third = desk.publish("--deletes", desk.csv(f"BSM\n{key(8)}\n"))
    reaches(mesh, desk.dataset, 3)
    for node in (NODE, NATION):
        verify_sound(mesh, node, desk.dataset, 3, third["head"]["digest"])
    assert operate(mesh, NATION, "unsubscribe", desk.dataset)["datasets"] == [desk.dataset]
    assert replica_of(mesh, desk.dataset) is None


def define_national(mesh: LocalMesh, desk: Desk) -> None:
    """Put a national catalogue with the desk's collection in force, and wait until all nodes have it."""
    path = desk.folder / "national.toml"
    path.write_text(catalogue(desk.collection, FIELDS), encoding="utf-8")
    operate(mesh, NATION, "catalogue", "apply", path, "--yes")

    def is_known() -> bool:
        clients = [mesh.client(node) for node in mesh.nodes]
        return all(desk.collection in {item.id for item in client.collections()} for client in clients)

    eventually(is_known)


def nobody_else_finds(island: LocalMesh, copy: Desk) -> None:
    """Where its owner is no member, an imported dataset is found by its id, at the node that has it, and only so."""
    words = ("stats", copy.dataset, "--count")
    assert ask(island, NATION, *words)["completeness"]["complete"]
    assert ask(island, NATION, "diff", copy.dataset, "3", "4")["change"]["deletes"] == 1
    for asked, reason in ((words, "UNKNOWN_DATASET"), (("versions", copy.dataset), "UNKNOWN_NODE")):
        assert ask(island, STRANGER, *asked, code=5)["error"]["reason"] == reason
    for node in (NATION, STRANGER):
        assert ask(island, node, "datasets")["datasets"] == []
        assert ask(island, node, "stats", copy.collection, "--count")["completeness"]["members"] == []
    operate(island, STRANGER, "subscribe", copy.dataset)
    assert operate(island, STRANGER, "replicas")["replicas"] == []


def test_a_package_carries_versions_into_another_mesh(mesh: LocalMesh, tmp_path: Path, short_root: Path) -> None:
    desk = Desk(mesh, "plots", tmp_path)
    define_national(mesh, desk)
    two_versions(desk)
    whole, later = desk.folder / "whole.guotu", desk.folder / "later.guotu"
    told = operate(desk.mesh, NODE, "package", "export", desk.dataset, "--since", f"{desk.dataset}@0", "-o", whole)
    assert (told["cut"], told["versions"]) == ({desk.dataset: 2}, 2)
    with LocalMesh(short_root, [NATION, STRANGER], PATIENT) as island:
        island.start()
        define_national(island, desk)
        refused = operate(island, NATION, "package", "import", whole, code=9)
        assert refused["error"]["reason"] == "UNTRUSTED_KEY"
        with desk.mesh.client(NODE) as client:
            (record,) = [item for item in client.nodes() if item.node == NODE]
        trust = f"{NODE}={hashlib.sha256(record.public_key).hexdigest()}"
        wrong = operate(island, NATION, "package", "import", whole, "--trust", f"{NODE}={'0' * 64}", code=9)
        assert wrong["error"]["reason"] == "UNTRUSTED_KEY"
        assert operate(island, NATION, "package", "import", whole, "--trust", trust)["taken"] == 2
        copy = Desk(island, desk.collection, desk.folder)
        assert digests(copy, NATION, 1, 2) == digests(desk, NODE, 1, 2)
        desk.publish("--deletes", desk.csv(f"BSM\n{key(9)}\n"))
        head = desk.publish("--deletes", desk.csv(f"BSM\n{key(10)}\n"))["head"]
        operate(desk.mesh, NODE, "package", "export", desk.dataset, "--since", f"{desk.dataset}@3", "-o", later)
        missing = operate(island, NATION, "package", "import", later, code=2)
        assert missing["error"]["reason"] == "PACKAGE_GAP"
        assert "3" in missing["error"]["message"]
        second = ask(desk.mesh, NODE, "versions", desk.dataset)["versions"][2]
        verify_sound(island, NATION, desk.dataset, 2, second["digest"])
        between = desk.folder / "between.guotu"
        operate(desk.mesh, NODE, "package", "export", desk.dataset, "--since", f"{desk.dataset}@2", "-o", between)
        assert operate(island, NATION, "package", "import", between)["taken"] == 2
        for path in (whole, later, between):
            assert operate(island, NATION, "package", "import", path)["taken"] == 0
        island.restart(NATION)
        verify_sound(island, NATION, desk.dataset, 4, head["digest"])
        assert digests(copy, NATION, 4) == digests(desk, NODE, 4)
        nobody_else_finds(island, copy)
        here, there = (
            {item["version"]: item["digest"] for item in ask(*asked, "versions", desk.dataset)["versions"]}
            for asked in ((mesh, NODE), (island, NATION))
        )
        assert (max(there), {version: there[version] for version in here}) == (4, here)


def test_a_definition_changes_and_the_replica_follows(desk: Desk) -> None:
    mesh = desk.mesh
    operate(mesh, NATION, "subscribe", desk.dataset)
    reaches(mesh, desk.dataset, 2)
    wider = FIELDS + '  { name = "SJNF", title = "年份", type = "integer" },\n'
    desk.define(wider)
    done = desk.publish("--from", desk.write(layer().assign(SJNF=2025)))
    assert (done["head"]["version"], desk.manifest()["series"]) == (3, 1)
    reaches(mesh, desk.dataset, 3)
    newest, *older = ask(mesh, NATION, "versions", desk.dataset)["versions"]
    assert (newest["version"], newest["base"], newest["series"]) == (3, True, 1)
    for version, years in ((3, {2025}), (2, {None})):
        answers = [
            ask(mesh, node, "query", desk.dataset, "--version", str(version), "--limit", "0") for node in (NODE, NATION)
        ]
        assert answers[0]["rows"] == answers[1]["rows"]
        assert answers[0]["digest"] == answers[1]["digest"]
        assert {row.get("SJNF") for row in answers[0]["rows"]} == years
    narrow = wider.replace("length = 4, nullable", "length = 2, nullable").replace(', codes = "dl"', "")
    desk.define(narrow)
    short = layer().assign(SJNF=2025)
    path = desk.write(short.assign(DLBM=short["DLBM"].str[:2]))
    eventually(lambda: desk.run("--from", path, "--dry-run").code == 2)
    assert desk.publish("--from", path, code=2)["error"]["reason"] == "INCOMPATIBLE_SCHEMA"
    fresh = desk.publish("--from", path, "--new-series")
    assert (fresh["head"]["version"], desk.manifest()["series"]) == (4, 2)
    status = reaches(mesh, desk.dataset, 4)
    assert status.rows == ROWS
    verify_sound(mesh, NATION, desk.dataset, 4, fresh["head"]["digest"])
    refused = ask(mesh, NATION, "diff", desk.dataset, "3", "4", code=2)
    assert "series" in refused["error"]["message"]
    assert [item["series"] for item in ask(mesh, NATION, "versions", desk.dataset)["versions"]][:2] == [2, 1]
    assert older
