"""Replicas over real sockets: defended against peers, keys, histories and disks that do not hold."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from sync.pointer import read_head
from sync.replica.subscription import Subscription
from sync.signing import NodeKey
from tests.support.eventually import eventually
from tests.support.replica_mesh import Mesh, keys_of, open_mesh
from tests.support.replica_parts import Author, Follower, Peer, edited, same_rows
from tests.support.sync_samples import DATASET, NODE, parcels


@pytest.fixture
async def mesh(tmp_path: Path) -> AsyncIterator[Mesh]:
    async with open_mesh(tmp_path) as made:
        yield made


@pytest.mark.parametrize("damage", ["flipped", "truncated", "longer"])
async def test_a_peer_that_serves_bad_bytes_is_told_and_asked_no_more(mesh: Mesh, tmp_path: Path, damage: str) -> None:
    rows = parcels(400)
    await mesh.publish(rows)
    other = Author(tmp_path / "liar", NodeKey.create(tmp_path / "liar.pem"))
    for key in await mesh.author.objects.keys(""):
        data, _ = await mesh.author.objects.get(key) or (b"", "")
        if key.startswith("objects/"):
            middle = len(data) // 2
            flipped = data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]
            data = {"flipped": flipped, "truncated": data[:middle], "longer": data + b"x"}[damage]
        await other.objects.put_if_absent(key, data)
    async with Peer(other.objects, "110000") as liar, Follower(tmp_path / "here", mesh.board) as here:
        mesh.board.node("110000", liar.address)
        mesh.board.replica("110000", 1)
        await here.replicator.subscribe(Subscription("dltb"))
        status = await here.reaches(1)
        assert same_rows(await here.rows(), rows)
        # More bytes than an object has are never asked for.
        assert status.quarantined == (() if damage == "longer" else ("110000",))
        assert here.replication.numbers().quarantined == (0 if damage == "longer" else 1)


async def test_a_signature_by_another_key_is_refused_and_what_was_there_stays(mesh: Mesh, tmp_path: Path) -> None:
    rows = parcels(200)
    await mesh.publish(rows)
    async with Follower(tmp_path / "here", mesh.board) as here:
        await here.replicator.subscribe(Subscription("dltb"))
        await here.reaches(1)
        good, mesh.author.key = mesh.author.key, NodeKey.create(tmp_path / "forger.pem")
        await mesh.publish(edited(rows, keys_of(rows)[:3], DLMC="旱地"))
        status = await here.is_stuck()
        assert "signature" in status.last_error
        assert status.next_try_ms > 0
        assert (status.version, here.advertised[DATASET].version) == (1, 1)
        assert same_rows(await here.rows(), rows)
        mesh.author.key = good
        mesh.author.chain.pop()
        mesh.author.rows = rows
        await mesh.publish(edited(rows, keys_of(rows)[:2], DLMC="旱地"))
        await here.reaches(2)


async def test_a_key_that_changes_in_the_registry_is_not_believed(mesh: Mesh, tmp_path: Path) -> None:
    rows = parcels(100)
    await mesh.publish(rows)
    async with Follower(tmp_path / "here", mesh.board) as here:
        await here.replicator.subscribe(Subscription("dltb"))
        await here.reaches(1)
        mesh.author.key = NodeKey.create(tmp_path / "other.pem")
        mesh.board.node(NODE, mesh.peer.address, mesh.author.key.public_bytes)
        await mesh.publish(edited(rows, keys_of(rows)[:3], DLMC="旱地"))
        assert "signature" in (await here.is_stuck()).last_error


async def test_the_key_of_an_owner_that_is_not_registered_yet_is_waited_for(mesh: Mesh, tmp_path: Path) -> None:
    """It may just be starting: what it has is known from before, and others may hold it."""
    rows = parcels(100)
    await mesh.publish(rows)
    mesh.board.leave(NODE)
    async with Follower(tmp_path / "here", mesh.board) as here:
        await here.replicator.subscribe(Subscription("dltb"))

        def told() -> bool:
            status = here.status()
            return status is not None and f"{NODE} 未注册" in status.last_error

        await eventually(told)
        mesh.board.node(NODE, mesh.peer.address, mesh.author.key.public_bytes)
        await here.reaches(1)
        assert same_rows(await here.rows(), rows)


async def test_another_history_under_the_same_numbers_is_refused(mesh: Mesh, tmp_path: Path) -> None:
    rows = parcels(100)
    await mesh.publish(rows)
    async with Follower(tmp_path / "here", mesh.board) as here:
        await here.replicator.subscribe(Subscription("dltb"))
        await here.reaches(1)
        again = Author(tmp_path / "again", mesh.author.key)
        async with Peer(again.objects) as peer:
            mesh.board.node(NODE, peer.address, again.key.public_bytes)
            await again.publish(parcels(100, seed=2))
            await again.publish(edited(parcels(100, seed=2), keys_of(rows)[:3], DLMC="旱地"))
            mesh.board.head(again.record())
            assert "version 1 here is another" in (await here.is_stuck()).last_error
        assert same_rows(await here.rows(), rows)


async def test_a_digest_that_the_rows_do_not_come_to_is_refused(mesh: Mesh, tmp_path: Path) -> None:
    rows = parcels(150)
    await mesh.publish(rows)
    async with Follower(tmp_path / "here", mesh.board) as here:
        await here.replicator.subscribe(Subscription("dltb"))
        await here.reaches(1)
        honest = mesh.author._manifest
        mesh.author._manifest = lambda *given: replace(honest(*given), digest="0" * 64)  # type: ignore[method-assign]
        await mesh.publish(edited(rows, keys_of(rows)[:3], DLMC="旱地"))
        status = await here.is_stuck()
        assert f"{DATASET}@2 was refused" in status.last_error
        assert (await read_head(here.objects, DATASET)).pointer.version == 1  # type: ignore[union-attr]
        assert await here.objects.keys(f"versions/{DATASET}/") == [f"versions/{DATASET}/1.json"]
        assert same_rows(await here.rows(), rows)


async def test_an_object_damaged_here_is_fetched_again(mesh: Mesh, tmp_path: Path) -> None:
    rows = parcels(300)
    await mesh.publish(rows)
    folder = tmp_path / "here"
    steps: list[str] = []

    def spoil(step: str) -> None:
        if step == "version-entered" and step not in steps:
            path = next((folder / "objects" / "objects").rglob("*.parquet"))
            path.write_bytes(path.read_bytes()[:-1] + b"?")
        steps.append(step)

    async with Follower(folder, mesh.board, checkpoint=spoil) as here:
        await here.replicator.subscribe(Subscription("dltb"))
        await here.reaches(1)
        assert same_rows(await here.rows(), rows)
        assert steps.count("version-entered") == 2
