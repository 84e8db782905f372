"""Replicas over real sockets: caught up, resumed, and gone when not wanted."""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from guotu.model.collection import Field, FieldType
from guotu.model.ports import StoredVersion
from guotu.model.schema import arrow_schema
from node.config.version_sections import ReplicationSection
from sync.pointer import read_head
from sync.replica.errands import Errands
from sync.replica.plan import Step
from sync.replica.subscription import Subscription
from sync.signed import delete_manifest
from tests.support.eventually import eventually
from tests.support.memory_store import MemoryStore
from tests.support.replica_mesh import Mesh, keys_of, open_mesh
from tests.support.replica_parts import Author, Board, Follower, Peer, edited, same_rows, without
from tests.support.sync_samples import DATASET, NODE, PARCELS, parcels


@pytest.fixture
async def mesh(tmp_path: Path) -> AsyncIterator[Mesh]:
    async with open_mesh(tmp_path) as made:
        yield made


def _sizes(author: Author, *numbers: int) -> int:
    """Bytes of the deltas of some versions."""
    return sum(item.size_bytes for number in numbers for item in author.chain[number - 1].manifest.deltas)


async def test_a_replica_is_fetched_and_then_follows_by_deltas(mesh: Mesh, tmp_path: Path) -> None:
    first = parcels(1000)
    await mesh.publish(first)
    async with Follower(tmp_path / "here", mesh.board) as here:
        assert await here.replicator.subscribe(Subscription("dltb"))
        assert not await here.replicator.subscribe(Subscription("dltb"))
        status = await here.reaches(1)
        assert (status.version, status.head, status.rows, status.lag_ms) == (1, 1, 1000, 0)
        assert same_rows(await here.rows(), first)
        assert here.fetched == sum(item.size_bytes for item in mesh.author.head.bases)
        before, keys = here.fetched, keys_of(first)
        second = without(edited(first, keys[:5], DLMC="水田"), keys[5:8])
        await mesh.publish(second)
        await here.reaches(2)
        assert same_rows(await here.rows(), second)
        assert here.fetched - before == _sizes(mesh.author, 2)
        assert here.held[DATASET] == mesh.author.record()
        assert here.advertised[DATASET].digest == mesh.author.head.digest
        assert here.advertised[DATASET].manifest == mesh.author.chain[-1].name
        store = here.plain_store
        assert isinstance(store, MemoryStore)
        await eventually(lambda: store.tidied == [(DATASET, 1), (DATASET, 2)])


async def test_who_sees_a_version_sees_its_rows_and_can_ask_for_it(mesh: Mesh, tmp_path: Path) -> None:
    """Also where the store is slow to tell what it has once the head has moved."""
    moved, told = asyncio.Event(), asyncio.Event()

    class SlowStore(MemoryStore):
        async def versions(self) -> list[StoredVersion]:
            if moved.is_set():
                await told.wait()
            return await super().versions()

    def checkpoint(step: str) -> None:
        if step == "head-moved":
            moved.set()

    def seen() -> int:
        status = here.status()
        return status.rows if status is not None and status.state == "current" else -1

    await mesh.publish(parcels(100))
    (tmp_path / "slow").mkdir()
    store = SlowStore(tmp_path / "slow")
    async with Follower(tmp_path / "here", mesh.board, checkpoint=checkpoint, store=store) as here:
        await here.replicator.subscribe(Subscription(DATASET))
        await eventually(lambda: seen() >= 0)
        assert seen() == 100
        assert here.held[DATASET].version == 1
        told.set()
        await here.reaches(1)
    async with Follower(tmp_path / "here", mesh.board, store=MemoryStore(tmp_path / "slow")) as here:
        assert here.held[DATASET].version == 1, "once the node is up"
        assert seen() == 100


async def test_rows_are_put_in_order_once_the_last_of_many_heads_has_moved(mesh: Mesh, tmp_path: Path) -> None:
    rows = parcels(1000)
    await mesh.publish(rows)
    async with Follower(tmp_path / "here", mesh.board) as here:
        await here.replicator.subscribe(Subscription("dltb"))
        await here.reaches(1)
    for number in range(3):
        rows = edited(rows, keys_of(rows)[number : number + 1], TBMJ=-1.0)
        await mesh.publish(rows)
    steps: list[str] = []
    async with Follower(tmp_path / "here", mesh.board, checkpoint=steps.append) as here:
        await here.reaches(4)
        assert steps.count("head-moved") == 3
        store = here.plain_store
        assert isinstance(store, MemoryStore)
        await eventually(lambda: (DATASET, 4) in store.tidied)
        assert {version for _, version in store.tidied} <= {1, 4}


async def test_the_cheaper_of_deltas_and_a_new_base_is_taken(mesh: Mesh, tmp_path: Path) -> None:
    rows = parcels(1000)
    await mesh.publish(rows)
    async with Follower(tmp_path / "here", mesh.board) as here:
        await here.replicator.subscribe(Subscription(DATASET))
        await here.reaches(1)
        fetched = here.fetched
    keys = keys_of(rows)
    for number in range(3):
        rows = edited(rows, keys[number : number + 5], TBMJ=float(number))
        await mesh.publish(rows, base=number == 1)
    async with Follower(tmp_path / "here", mesh.board) as here:
        await here.reaches(4)
        assert here.fetched == _sizes(mesh.author, 2, 3, 4)
        assert same_rows(await here.rows(), rows)
    assert fetched > here.fetched
    async with Follower(tmp_path / "there", mesh.board, node="110000") as there:
        await there.replicator.subscribe(Subscription(DATASET))
        await there.reaches(4)
        bases = sum(item.size_bytes for item in mesh.author.chain[2].manifest.bases)
        assert there.fetched == bases + _sizes(mesh.author, 4)
        assert same_rows(await there.rows(), rows)


async def test_a_base_will_do_where_the_manifests_before_it_are_gone(mesh: Mesh, tmp_path: Path) -> None:
    rows = parcels(300)
    await mesh.publish(rows)
    async with Follower(tmp_path / "here", mesh.board) as here:
        await here.replicator.subscribe(Subscription(DATASET))
        await here.reaches(1)
    for number in range(3):
        rows = edited(rows, keys_of(rows)[number : number + 5], TBMJ=float(number))
        await mesh.publish(rows, base=number == 1)
    await delete_manifest(mesh.author.objects, mesh.author.chain[1].name)
    async with Follower(tmp_path / "here", mesh.board) as here:
        await here.reaches(4)
        assert same_rows(await here.rows(), rows)
        bases = sum(item.size_bytes for item in mesh.author.chain[2].manifest.bases)
        assert here.fetched == bases + _sizes(mesh.author, 4)


async def test_another_schema_in_a_new_series_is_taken_whole(mesh: Mesh, tmp_path: Path) -> None:
    rows = parcels(300)
    await mesh.publish(rows)
    async with Follower(tmp_path / "here", mesh.board) as here:
        await here.replicator.subscribe(Subscription(DATASET))
        await here.reaches(1)
        wider = replace(PARCELS, fields=(*PARCELS.fields, Field("BZ", "备注", FieldType.TEXT)))
        schema = arrow_schema(wider)
        columns = [rows[name] if name in rows.column_names else pa.nulls(300, pa.string()) for name in schema.names]
        await mesh.publish(pa.table(columns, schema), collection=wider, series=2)
        await here.reaches(2)
        assert "BZ" in (await here.rows()).column_names


async def test_nothing_is_fetched_again_after_a_restart(mesh: Mesh, tmp_path: Path) -> None:
    await mesh.publish(parcels(500))
    async with Follower(tmp_path / "here", mesh.board) as here:
        await here.replicator.subscribe(Subscription("dltb", (NODE,)))
        await here.reaches(1)
    async with Follower(tmp_path / "here", mesh.board) as here:
        await here.reaches(1)
        assert [item.subject for item in here.replicator.subscriptions()] == ["dltb"]
        assert here.fetched == 0


async def test_a_replica_is_found_while_the_owner_is_away_from_the_directory(mesh: Mesh, tmp_path: Path) -> None:
    await mesh.publish(parcels(100))
    async with Follower(tmp_path / "here", mesh.board) as here:
        await here.replicator.subscribe(Subscription("dltb"))
        await here.reaches(1)
    async with Follower(tmp_path / "here", Board()) as here:
        await here.reaches(1)


async def test_unsubscribing_removes_rows_versions_and_head(mesh: Mesh, tmp_path: Path) -> None:
    await mesh.publish(parcels(300))
    async with Follower(tmp_path / "here", mesh.board) as here:
        await here.replicator.subscribe(Subscription("dltb"))
        await here.reaches(1)
        assert await here.replicator.unsubscribe("dltb") == [DATASET]
        assert here.advertised == here.held == {}
        assert await here.store.versions() == []
        assert await read_head(here.objects, DATASET) is None
        for prefix in ("versions/", "replicas/", "subscriptions/"):
            assert await here.objects.keys(prefix) == []
        await here.replicator.subscribe(Subscription(DATASET))
        await here.reaches(1)
        assert here.fetched == sum(item.size_bytes for item in mesh.author.head.bases)


async def test_datasets_take_turns_and_new_ones_are_found(mesh: Mesh, tmp_path: Path) -> None:
    section = ReplicationSection(datasets=1, fetches=1)
    authors = [Author(tmp_path / node, dataset=f"{node}/dltb") for node in ("110000", "120000", "130000")]
    async with Follower(tmp_path / "here", mesh.board, section=section) as here, AsyncExitStack() as peers:
        await here.replicator.subscribe(Subscription("dltb"))
        assert here.replicator.status() == []
        for author in authors:
            await author.publish(parcels(100))
            peer = await peers.enter_async_context(Peer(author.objects))
            mesh.board.node(author.dataset[:6], peer.address, author.key.public_bytes)
            mesh.board.head(author.record())
        for author in authors:
            await here.reaches(1, author.dataset)
        assert [item.dataset for item in here.replicator.status()] == [author.dataset for author in authors]
        assert here.replication.numbers().states == {"current": 3}
        mesh.board.leave("120000")
        await here.replicator.subscribe(Subscription("dltb", ("110000",)))
        await eventually(lambda: len(here.replicator.status()) == 1)
        assert sorted(here.held) == ["110000/dltb"]


async def test_own_datasets_are_left_alone(mesh: Mesh, tmp_path: Path) -> None:
    await mesh.publish(parcels(50))
    async with Follower(tmp_path / "here", mesh.board, node=NODE) as here:
        await here.replicator.subscribe(Subscription("dltb"))
        assert here.replicator.status() == []


async def test_the_window_of_a_subscription_holds_bytes_back(mesh: Mesh, tmp_path: Path) -> None:
    await mesh.publish(parcels(100))
    async with Follower(tmp_path / "here", mesh.board) as here:
        minute = here.replicator._site.clock.now_ms() // 60_000
        closed = _minutes(minute + 120, minute + 180)
        await here.replicator.subscribe(Subscription("dltb", schedule=closed))
        await eventually(lambda: here.status() is not None)
        assert (here.status() or pytest.fail("gone")).state == "waiting"
        assert here.fetched == 0
        await here.replicator.subscribe(Subscription("dltb", schedule=f"{closed},{_minutes(minute - 60, minute + 60)}"))
        await here.reaches(1)


def _minutes(first: int, last: int) -> str:
    moments = [datetime.datetime.fromtimestamp(number * 60) for number in (first, last)]
    return "-".join(f"{moment:%H:%M}" for moment in moments)


async def test_a_head_that_is_further_already_stays(mesh: Mesh, tmp_path: Path) -> None:
    """An import may have moved it on, while a version before it was being fetched."""
    rows = parcels(100)
    for number in range(3):
        await mesh.publish(edited(rows, keys_of(rows)[:1], TBMJ=float(number)))
    async with Follower(tmp_path / "here", mesh.board) as here:
        await here.replicator.subscribe(Subscription(DATASET))
        await here.reaches(3)
        head = await read_head(here.objects, DATASET)
        older = mesh.author.chain[1]
        await Errands(here.replication.site, DATASET, lambda node, reason: None).move_head(Step(older, ()), whole=True)
        assert await read_head(here.objects, DATASET) == head
