"""Storage that fails beneath versions: an S3 server killed in the middle, a disk without room, and room again."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.mesh import LocalMesh
from tests.support.plots import NODE, Desk, key
from tests.support.s3_server import ACCESS_KEY, BUCKET, SECRET_KEY, S3Server
from tests.support.small_disk import SmallDisk
from tests.support.small_mesh import PATIENT, eventually
from tests.support.version_mesh import (
    NATION,
    digest_of,
    fetched_bytes,
    operate,
    reaches,
    verify_sound,
    write_bulk,
)

MIB = 1 << 20
THROTTLED = {"replication.bandwidth_mib_s": 0.5, "replication.fetches": 1}
MANY = 25_000
"""Plots of about 2 MiB."""


@pytest.fixture
def s3(tmp_path: Path) -> Iterator[S3Server]:
    server = S3Server(tmp_path / "s3")
    server.start()
    yield server
    server.kill()


def cold(mesh: LocalMesh) -> None:
    """Start the owner anew with nothing of S3 in its cache."""
    mesh.stop(NODE)
    shutil.rmtree(mesh.data_dir(NODE) / "object-cache", ignore_errors=True)
    mesh.start_node(NODE)


def test_an_s3_server_killed_in_the_middle_costs_time_and_no_version(
    s3: S3Server, short_root: Path, tmp_path: Path
) -> None:
    credentials = tmp_path / "s3.toml"
    credentials.write_text(f'access_key = "{ACCESS_KEY}"\nsecret_key = "{SECRET_KEY}"\n')
    credentials.chmod(0o600)
    objects = {"kind": "s3", "endpoint": s3.endpoint, "bucket": BUCKET, "secure": False, "prefix": "owner",
               "credentials_file": str(credentials)}  # fmt: skip
    with LocalMesh(short_root, (), PATIENT) as mesh:
        mesh.add(NODE, overrides={f"objects.{name}": value for name, value in objects.items()})
        mesh.add(NATION, overrides=THROTTLED)
        mesh.start()
        desk = Desk(mesh, f"{NODE}.s3", tmp_path)
        desk.define()
        desk.publish("--from", write_bulk(desk, MANY, 1))
        first = digest_of(desk, NODE, 1)
        assert not list((mesh.data_dir(NODE) / "objects").rglob("*.parquet"))
        deletes = desk.csv("BSM\n" + "".join(f"{key(number)}\n" for number in range(50)))
        second = desk.publish("--deletes", deletes)["head"]["digest"]
        cold(mesh)
        operate(mesh, NATION, "subscribe", desk.dataset)
        eventually(lambda: fetched_bytes(mesh, NATION) > 0)
        s3.kill()

        def stands(version: int) -> bool:
            (standing,) = operate(mesh, NATION, "replicas")["replicas"]
            return standing["version"] == version and bool(standing["last_error"])

        # The owner had the base from S3 when its transfer began; the delta it cannot have any more.
        eventually(lambda: stands(1))
        assert digest_of(desk, NATION, 1) == first
        refused = desk.publish("--deletes", desk.csv(f"BSM\n{key(60)}\n"), code=1)
        assert refused["error"]["reason"] == "STORE_FAILURE"
        s3.start()
        reaches(mesh, desk.dataset, 2)
        assert desk.versions() == [2, 1]
        for node in (NODE, NATION):
            verify_sound(mesh, node, desk.dataset, 2, second)
        third = desk.publish("--deletes", desk.csv(f"BSM\n{key(60)}\n"))["head"]["digest"]
        reaches(mesh, desk.dataset, 3)
        verify_sound(mesh, NATION, desk.dataset, 3, third)


@pytest.fixture
def disk(request: pytest.FixtureRequest) -> Iterator[SmallDisk]:
    """The disk of the data directory of the node that the test is about."""
    root = Path(tempfile.mkdtemp(prefix="gt-"))
    made = SmallDisk(root / request.param / "data", 192)
    yield made
    made.close()
    shutil.rmtree(root)


STAGES = ((0, "partial/"), (4 * MIB, "object store"), (8 * MIB, "staging"))
"""Room left, and what there is none for: the bytes fetched, the object that they make, its rows."""


@pytest.mark.parametrize("disk", [NATION], indirect=True)
def test_a_replica_without_room_says_so_keeps_what_it_has_and_goes_on(disk: SmallDisk, tmp_path: Path) -> None:
    with LocalMesh(disk.path.parents[1], [NODE, NATION], PATIENT) as mesh:
        mesh.start()
        desk = Desk(mesh, f"{NODE}.full", tmp_path)
        desk.define()
        operate(mesh, NATION, "subscribe", desk.dataset)
        digest = desk.publish("--from", write_bulk(desk, MANY, 1))["head"]["digest"]
        reaches(mesh, desk.dataset, 1)

        def trouble() -> str:
            (standing,) = operate(mesh, NATION, "replicas")["replicas"]
            return str(standing["last_error"])

        for version, (room, words) in enumerate(STAGES, start=1):
            disk.leave(room)
            head = desk.publish("--from", write_bulk(desk, MANY, version + 1))["head"]
            told = ("磁盘已满", words, "腾出空间", "Free space")
            eventually(lambda told=told: all(part in trouble() for part in told))
            assert digest_of(desk, NATION, version) == digest_of(desk, NODE, version)
            verify_sound(mesh, NATION, desk.dataset, version, digest)
            disk.clear()
            reaches(mesh, desk.dataset, version + 1)
            assert trouble() == ""
            digest = head["digest"]
        verify_sound(mesh, NATION, desk.dataset, len(STAGES) + 1, digest)
        mesh.restart(NATION)
        verify_sound(mesh, NATION, desk.dataset, len(STAGES) + 1, digest)


@pytest.mark.parametrize("disk", [NODE], indirect=True)
def test_a_publisher_without_room_says_so_and_publishes_once_there_is(disk: SmallDisk, tmp_path: Path) -> None:
    with LocalMesh(disk.path.parents[1], [NODE], PATIENT) as mesh:
        mesh.start()
        desk = Desk(mesh, f"{NODE}.full", tmp_path)
        desk.define()
        first = desk.publish("--from", write_bulk(desk, MANY, 1))["head"]["digest"]
        answered, changed = digest_of(desk, NODE, 1), write_bulk(desk, MANY, 2)
        for room in (MIB, 6 * MIB):
            disk.leave(room)
            refused = desk.publish("--from", changed, code=1)
            assert refused["error"]["reason"] == "DISK_FULL"
            assert "磁盘已满" in refused["error"]["message_zh"]
            assert (desk.versions(), digest_of(desk, NODE, 1)) == ([1], answered)
            verify_sound(mesh, NODE, desk.dataset, 1, first)
        disk.clear()
        second = desk.publish("--from", changed)["head"]
        assert second["version"] == 2
        verify_sound(mesh, NODE, desk.dataset, 2, second["digest"])
