"""Nodes killed in the middle of a publish or a transfer, and bad objects: versions stay whole, and all is mended."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from demo.mesh import LocalMesh
from sync.manifest import manifest_name
from sync.signed import manifest_key
from tests.support.interrupted import MOMENTS, became, begin_publish, entries, wait_for
from tests.support.plots import NODE, Desk, key
from tests.support.small_mesh import eventually
from tests.support.version_mesh import (
    NATION,
    ask,
    delta_bytes,
    digest_of,
    fetched_bytes,
    operate,
    reaches,
    replica_of,
    running_mesh,
    verify_sound,
    write_bulk,
)

MANY = 76_000
"""Plots of a version whose delta has two blocks; seconds are needed to fetch each, so that a busy machine sees both."""
BLOCK = 4 << 20


@pytest.fixture(scope="module")
def mesh() -> Iterator[LocalMesh]:
    options = {"replication.bandwidth_mib_s": 1.0, "replication.fetches": 1}
    with running_mesh([NODE, NATION], options) as made:
        yield made


@pytest.fixture
def desk(mesh: LocalMesh, tmp_path: Path, request: pytest.FixtureRequest) -> Desk:
    """Return the desk of a collection of this test alone, whose first version the nation has a replica of."""
    name = "f" + "".join(filter(str.isalnum, request.node.name.lower()))[-24:]
    for killed in [name for name, item in mesh.nodes.items() if not item.process.alive]:
        mesh.start_node(killed)
    made = Desk(mesh, f"{NODE}.{name}", tmp_path)
    made.define()
    operate(mesh, NATION, "subscribe", made.collection)
    made.publish("--from", write_bulk(made, 2_000, 1))
    reaches(mesh, made.dataset, 1)
    return made


def published_digest(waiting: subprocess.Popen[str]) -> str:
    """Return the digest of the version that a publish made, as it told in the end."""
    told = json.loads(waiting.communicate(timeout=120)[0])
    assert told["published"], told
    return str(told["head"]["digest"])


def test_a_publisher_killed_at_any_moment_knows_afterwards_what_became_of_it(desk: Desk) -> None:
    """The command that was waiting asks the node again once that is back, and tells the truth."""
    mesh, newest, kept = desk.mesh, 1, digest_of(desk, NODE, 1)
    for seed, moment in enumerate(MOMENTS, start=2):
        path, there = write_bulk(desk, 2_000, seed), entries(desk, moment)
        waiting = begin_publish(desk, path)
        wait_for(desk, moment, there, waiting)
        mesh.kill(NODE)
        mesh.start_node(NODE)
        published = became(desk, waiting, newest)
        assert digest_of(desk, NODE, newest) == kept, f"{moment} changed the version before"
        if not published:
            assert desk.publish("--from", path)["published"]
        newest += 1
        reaches(mesh, desk.dataset, newest)
        kept = digest_of(desk, NODE, newest)
        assert digest_of(desk, NATION, newest) == kept
    same = desk.publish("--from", path)
    assert (same["published"], same["head"]["version"]) == (False, newest)
    for node in (NODE, NATION):
        verify_sound(mesh, node, desk.dataset, newest, same["head"]["digest"])


def kept_bytes(mesh: LocalMesh, node: str) -> int:
    """Return the bytes of the largest file that a node is fetching."""
    with suppress(FileNotFoundError):  # it is whole, and has gone to the others
        return max((path.stat().st_size for path in (mesh.data_dir(node) / "partial").glob("*")), default=0)
    return 0


def test_a_head_that_cannot_be_read_at_the_start_is_tried_again(desk: Desk) -> None:
    mesh, old = desk.mesh, digest_of(desk, NODE, 1)
    with mesh.client(NODE) as client:
        name = manifest_name(client.manifest(desk.dataset)[0])
    manifest = mesh.data_dir(NODE) / "objects" / manifest_key(name)
    mesh.kill(NODE)
    aside = manifest.rename(desk.folder / "aside.json")
    manifest.symlink_to(manifest.name)  # a file that cannot be opened
    mesh.start_node(NODE)
    words = ("stats", desk.dataset, "--count", "--scope", "self")
    assert ask(mesh, NODE, *words, code=4)["error"]["reason"] in ("INCOMPLETE_ANSWER", "NOBODY_ANSWERED")
    manifest.unlink()
    aside.rename(manifest)

    def answers() -> bool:
        with mesh.client(NODE) as client:
            return client.stats(desk.collection, count=True, scope="self", partial=True).completeness.complete

    eventually(answers)
    assert digest_of(desk, NODE, 1) == old


def test_a_replica_killed_in_mid_transfer_goes_on_where_it_was(desk: Desk) -> None:
    mesh, old = desk.mesh, digest_of(desk, NODE, 1)
    publishing = begin_publish(desk, write_bulk(desk, MANY, 2))
    eventually(lambda: kept_bytes(mesh, NATION) == BLOCK)
    mesh.kill(NATION)
    kept = kept_bytes(mesh, NATION)
    mesh.start_node(NATION)

    def has_heard() -> bool:
        standing = replica_of(mesh, desk.dataset)
        return standing is not None and standing.head == 2 and standing.version in (1, 2)

    eventually(has_heard)
    assert digest_of(desk, NATION, 1) == old
    reaches(mesh, desk.dataset, 2)
    assert fetched_bytes(mesh, NATION) == delta_bytes(desk) - kept
    assert digest_of(desk, NATION, 2) == digest_of(desk, NODE, 2)
    verify_sound(mesh, NATION, desk.dataset, 2, published_digest(publishing))


def test_a_source_killed_in_mid_transfer_is_waited_for(desk: Desk) -> None:
    mesh, old = desk.mesh, digest_of(desk, NODE, 1)
    before = fetched_bytes(mesh, NATION)
    publishing = begin_publish(desk, write_bulk(desk, MANY, 3))
    eventually(lambda: fetched_bytes(mesh, NATION) > before)
    mesh.kill(NODE)

    def complains() -> bool:
        told = operate(mesh, NATION, "replicas")["replicas"]
        (standing,) = [item for item in told if item["dataset"] == desk.dataset]
        return bool(standing["last_error"]) and (standing["version"], standing["lag_versions"]) == (1, 1)

    eventually(complains)
    assert digest_of(desk, NATION, 1) == old
    mesh.start_node(NODE)
    reaches(mesh, desk.dataset, 2)
    assert fetched_bytes(mesh, NATION) - before < delta_bytes(desk) + BLOCK, "a verified block was fetched again"
    (standing,) = [item for item in operate(mesh, NATION, "replicas")["replicas"] if item["dataset"] == desk.dataset]
    assert standing["last_error"] == ""
    assert digest_of(desk, NATION, 2) == digest_of(desk, NODE, 2)
    # The command was cut off where it had not yet heard of its version.
    assert publishing.wait(120) in (0, 6)
    verify_sound(mesh, NATION, desk.dataset, 2, desk.manifest(2)["digest"])


def damage(files: list[Path]) -> dict[Path, bytes]:
    """Flip a bit of one object and cut another short, as bad disks do; returns what they were."""
    flipped, cut = files
    before = {path: path.read_bytes() for path in (flipped, cut)}
    data = bytearray(before[flipped])
    data[len(data) // 2] ^= 4
    flipped.write_bytes(data)
    cut.write_bytes(before[cut][:-100])
    return before


@pytest.mark.parametrize("node", [NATION, NODE])
def test_objects_that_went_bad_are_found_and_fetched_anew(desk: Desk, node: str) -> None:
    """Whoever has them still gives them: the owner to its replica, and the replica to its owner."""
    mesh = desk.mesh
    head = desk.publish("--deletes", desk.csv(f"BSM\n{key(7)}\n"))["head"]
    reaches(mesh, desk.dataset, 2)
    keys = [item["key"] for version in (1, 2) for item in desk.manifest(version)["objects"]]
    before = damage([mesh.data_dir(node) / "objects" / name for name in keys])
    found = operate(mesh, node, "verify", desk.dataset, code=1)
    assert (found["sound"], sorted(found["damaged_objects"]), found["refetched_objects"]) == (False, sorted(keys), 0)
    mended = operate(mesh, node, "verify", desk.dataset, "--repair")
    assert (mended["sound"], mended["refetched_objects"]) == (True, 2)
    assert {path: path.read_bytes() for path in before} == before
    verify_sound(mesh, node, desk.dataset, 2, head["digest"])
