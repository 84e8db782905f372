"""The directory against a real etcd."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from guotu.model.records import NodeRecord
from guotu.wire.records import dataset_to_bytes, node_to_bytes
from registry.cache import Snapshot, save
from registry.directory import DirectoryOptions, EtcdDirectory
from registry.etcd import Etcd
from registry.etcd_values import Compare, Delete, Put
from registry.keys import dataset_key, node_key
from registry.session import Phase, Registration
from tests.support.etcd import EtcdServer
from tests.support.eventually import LONG_S, eventually
from tests.support.records import dataset_record, node_record
from tests.support.registry_parts import QUICK, following
from tests.support.relay import Relay

WATCH_ONLY = DirectoryOptions(reconcile=3600.0)
"""Regular full reads would find everything in time: what the watch does has to be seen without them."""


@asynccontextmanager
async def away(client: Etcd, etcd: EtcdServer) -> AsyncIterator[tuple[EtcdDirectory, Relay]]:
    """A directory of three nodes that cannot reach etcd any more, while one of the nodes leaves."""
    for node in ("510000", "510100", "510104"):
        await put_node(client, node)
    async with Relay(etcd.endpoint) as relay:
        own = Etcd([relay.endpoint], timeout=LONG_S)
        directory = EtcdDirectory(own, None, WATCH_ONLY)
        await directory.start()
        assert nodes(directory) == ["510000", "510100", "510104"]
        await relay.refuse()
        await eventually(lambda: directory.view().stale)
        await client.transact([], [Delete(node_key("510100"))])
        yield directory, relay
        await directory.close()
        await own.close()


async def put_node(client: Etcd, node: str) -> None:
    await client.transact([], [Put(node_key(node), node_to_bytes(node_record(node)))])


async def put_dataset(client: Etcd, node: str, collection: str = "dltb", version: int = 1) -> None:
    record = dataset_record(node, collection, version)
    await client.transact([], [Put(dataset_key(record.dataset), dataset_to_bytes(record))])


def nodes(directory: EtcdDirectory) -> list[str]:
    return sorted(directory.view().nodes)


def version(directory: EtcdDirectory, dataset: str) -> int:
    record = directory.view().datasets.get(dataset.partition("/")[2], {}).get(dataset)
    return 0 if record is None else record.version


async def test_a_node_and_its_datasets_are_seen_as_they_come(client: Etcd, etcd: EtcdServer) -> None:
    async with following(etcd, options=WATCH_ONLY) as directory:
        assert directory.view().stale is False
        registration = Registration(client, node_record("510000"))
        await registration.start()
        await registration.put_dataset(dataset_record("510000", "dltb", 7))
        await eventually(lambda: nodes(directory) and version(directory, "510000/dltb") == 7)
        assert directory.view().datasets["dltb"]["510000/dltb"] == dataset_record("510000", "dltb", 7)
        await registration.close()
        await eventually(lambda: nodes(directory) == [])
        assert version(directory, "510000/dltb") == 7


async def test_what_was_there_before_is_read_in_pages(client: Etcd, etcd: EtcdServer) -> None:
    expected = [f"51{number:04d}" for number in range(1203)]
    for start in range(0, len(expected), 100):
        records = [dataset_record(node, "dltb", 1) for node in expected[start : start + 100]]
        await client.transact([], [Put(dataset_key(item.dataset), dataset_to_bytes(item)) for item in records])
    async with following(etcd) as directory:
        assert sorted(directory.view().datasets["dltb"]) == [f"{node}/dltb" for node in expected]


async def test_without_etcd_the_view_is_stale_and_keeps_everything(client: Etcd, etcd: EtcdServer) -> None:
    registration = Registration(client, node_record("510000"), ttl=2)
    await registration.start()
    await registration.put_dataset(dataset_record("510000", "dltb", 1))
    await put_node(client, "510100")
    async with following(etcd) as directory:
        etcd.kill()
        await eventually(lambda: directory.view().stale)
        kept = directory.view()
        # The other node's lease is a short one, and may have come to its end before.
        assert "510100" in kept.nodes
        assert version(directory, "510000/dltb") == 1
        await eventually(lambda: registration.state.phase is Phase.LOST)
        await asyncio.sleep(1.0)
        view = directory.view()
        assert (view.nodes, view.datasets, view.as_of_ms) == (kept.nodes, kept.datasets, kept.as_of_ms)
        etcd.start()
        await eventually(lambda: not directory.view().stale and registration.state.phase is Phase.REGISTERED)
        # Its record may have gone with its lease before it came back.
        await eventually(lambda: nodes(directory) == ["510000", "510100"])
        await registration.put_dataset(dataset_record("510000", "dltb", 2))
        await eventually(lambda: version(directory, "510000/dltb") == 2)
    await registration.close()


async def test_a_short_absence_is_not_stale(etcd: EtcdServer) -> None:
    async with following(etcd, options=DirectoryOptions(stale_after=120.0)) as directory:
        as_of_ms = directory.view().as_of_ms
        await asyncio.to_thread(etcd.restart)
        assert not directory.view().stale
        await eventually(lambda: directory.view().as_of_ms > as_of_ms + 500)
        assert not directory.view().stale


async def test_a_busy_event_loop_is_not_taken_for_an_absent_etcd(client: Etcd, etcd: EtcdServer) -> None:
    async with following(etcd) as directory:
        for _ in range(3):
            time.sleep(2.0)  # noqa: ASYNC251 - the loop shall be blocked
            await put_node(client, "510000")
            assert not directory.view().stale
            await asyncio.sleep(0.1)
            assert not directory.view().stale


async def test_listeners_hear_of_each_other_view_and_of_nothing_else(client: Etcd, etcd: EtcdServer) -> None:
    heard: list[list[str]] = []
    async with following(etcd) as directory:
        directory.on_change(lambda: heard.append(nodes(directory)))
        await asyncio.sleep(1.5)
        assert heard == []
        await put_node(client, "510000")
        await eventually(lambda: heard == [["510000"]])
        await put_dataset(client, "510000")
        await eventually(lambda: heard == [["510000"], ["510000"]])
        assert version(directory, "510000/dltb") == 1


async def test_with_etcd_absent_at_start_the_file_is_used(client: Etcd, etcd: EtcdServer, tmp_path: Path) -> None:
    cache = tmp_path / "directory"
    await put_node(client, "510000")
    await put_dataset(client, "510000", version=4)
    async with following(etcd, cache) as directory:
        seen = directory.view()
    etcd.kill()
    async with following(etcd, cache) as directory:
        view = directory.view()
        assert view.stale is True
        assert 0 < view.as_of_ms <= time.time_ns() // 1_000_000
        assert (view.nodes, view.datasets) == (seen.nodes, seen.datasets)
        etcd.start()
        await eventually(lambda: not directory.view().stale)
        await put_dataset(client, "510000", version=5)
        await eventually(lambda: version(directory, "510000/dltb") == 5)


async def test_the_file_is_written_while_running(client: Etcd, etcd: EtcdServer, tmp_path: Path) -> None:
    cache = tmp_path / "directory"
    async with following(etcd, cache):
        await eventually(cache.exists)
        first = cache.stat().st_mtime_ns
        await put_node(client, "510000")
        await eventually(lambda: cache.stat().st_mtime_ns > first)


async def test_closing_waits_for_a_file_that_is_being_written(
    client: Etcd, etcd: EtcdServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, goes_on = threading.Event(), threading.Event()

    def slow(path: Path, snapshot: Snapshot) -> None:
        begun.set()
        goes_on.wait(LONG_S)
        save(path, snapshot)

    monkeypatch.setattr("registry.directory.save", slow)
    await put_node(client, "510000")
    async with following(etcd, tmp_path / "directory") as directory:
        await eventually(begun.is_set)
        closing = asyncio.create_task(directory.close())
        await asyncio.sleep(0.1)
        assert not closing.done()
        goes_on.set()
        await closing
        assert (tmp_path / "directory").exists()


async def test_with_neither_etcd_nor_file_the_view_is_empty_and_stale(etcd: EtcdServer) -> None:
    etcd.kill()
    async with following(etcd) as directory:
        view = directory.view()
        assert (view.nodes, view.datasets, view.stale, view.as_of_ms) == ({}, {}, True, 0)


async def test_changes_while_away_are_found_by_the_next_start(client: Etcd, etcd: EtcdServer, tmp_path: Path) -> None:
    for node in ("510000", "510100", "510104"):
        await put_node(client, node)
        await put_dataset(client, node)
    async with following(etcd, tmp_path / "directory"):
        pass
    await client.transact([], [Delete(node_key("510100")), Delete(dataset_key("510100/dltb"))])
    await put_dataset(client, "510000", version=2)
    await put_node(client, "520000")
    etcd.compact()
    async with following(etcd, tmp_path / "directory") as directory:
        assert not directory.view().stale
        assert nodes(directory) == ["510000", "510104", "520000"]
        assert version(directory, "510000/dltb") == 2
        assert version(directory, "510100/dltb") == 0


async def test_a_watch_goes_on_where_it_broke(client: Etcd, etcd: EtcdServer) -> None:
    async with away(client, etcd) as (directory, relay):
        await put_node(client, "520000")
        await relay.accept()
        await eventually(lambda: nodes(directory) == ["510000", "510104", "520000"])
        await eventually(lambda: not directory.view().stale)


async def test_a_watch_goes_on_after_compaction(client: Etcd, etcd: EtcdServer) -> None:
    async with away(client, etcd) as (directory, relay):
        await put_node(client, "520000")
        etcd.compact()
        await relay.accept()
        await eventually(lambda: nodes(directory) == ["510000", "510104", "520000"])
        await eventually(lambda: not directory.view().stale)
        await put_node(client, "530000")
        await eventually(lambda: "530000" in nodes(directory))


async def test_another_history_is_noticed_even_if_it_is_longer(client: Etcd, etcd: EtcdServer) -> None:
    async with away(client, etcd) as (directory, relay):
        revision = etcd.revision()
        etcd.wipe()
        await client.wait_ready(LONG_S)
        for node in ("510000", "510104", "520000"):
            await put_node(client, node)
        while etcd.revision() <= revision:
            await client.transact([], [Put(b"/elsewhere", b"")])
        await relay.accept()
        await eventually(lambda: nodes(directory) == ["510000", "510104", "520000"])
        await eventually(lambda: not directory.view().stale)


async def test_an_emptied_etcd_is_not_believed_at_once(client: Etcd, etcd: EtcdServer) -> None:
    for node in ("510000", "510100"):
        await put_node(client, node)
        await put_dataset(client, node)
    wary = DirectoryOptions(reconcile=1.0, doubt_seconds=3600.0)
    async with following(etcd) as directory, following(etcd, options=wary) as doubtful:
        etcd.wipe()
        await eventually(lambda: doubtful.view().stale)
        await eventually(lambda: nodes(directory) == [] and not directory.view().stale)
        assert version(directory, "510000/dltb") == 0
        assert doubtful.view().stale
        assert nodes(doubtful) == ["510000", "510100"]
        assert version(doubtful, "510000/dltb") == 1


async def test_nodes_that_register_again_end_the_doubt(client: Etcd, etcd: EtcdServer) -> None:
    registration = Registration(client, node_record("510000"), ttl=9)
    await registration.start()
    await registration.put_dataset(dataset_record("510000", "dltb", 1))
    async with following(etcd, options=DirectoryOptions(doubt_seconds=60.0, doubt_reads=30)) as directory:
        etcd.wipe()
        seen: list[tuple[list[str], int]] = []

        def settled() -> bool:
            seen.append((nodes(directory), version(directory, "510000/dltb")))
            return not directory.view().stale and directory.view().as_of_ms > before

        before = time.time_ns() // 1_000_000
        await eventually(lambda: settled() and registration.state.phase is Phase.REGISTERED)
        assert set(map(str, seen)) == {str((["510000"], 1))}
    await registration.close()


async def test_a_seen_deletion_of_everything_is_believed(client: Etcd, etcd: EtcdServer) -> None:
    await put_node(client, "510000")
    await put_dataset(client, "510000")
    async with following(etcd, options=WATCH_ONLY) as directory:
        etcd.delete_all()
        await eventually(lambda: nodes(directory) == [] and version(directory, "510000/dltb") == 0)
        assert not directory.view().stale


async def test_unsound_records_harm_nobody(client: Etcd, etcd: EtcdServer) -> None:
    await client.transact([], [Put(node_key("510000"), b"\xff\xff"), Put(b"/guotu/v1/datasets/x", b"")])
    async with following(etcd) as directory:
        await put_node(client, "510100")
        await client.transact([], [Put(dataset_key("510100/dltb"), b"nonsense")])
        await put_node(client, "510104")
        await eventually(lambda: nodes(directory) == ["510100", "510104"])
        await asyncio.sleep(1.5)  # a full read or two
        assert not directory.view().stale


async def test_a_view_in_hand_does_not_change(client: Etcd, etcd: EtcdServer) -> None:
    await put_dataset(client, "510000", version=1)
    async with following(etcd) as directory:
        view = directory.view()
        await put_dataset(client, "510000", version=2)
        await eventually(lambda: version(directory, "510000/dltb") == 2)
        assert view.datasets["dltb"]["510000/dltb"].version == 1


async def test_full_reads_agree_with_the_watch(client: Etcd, etcd: EtcdServer) -> None:
    """Many changes while full reads run all the time: in the end the directory is what etcd has."""
    options = DirectoryOptions(reconcile=0.05)
    async with following(etcd, options=options) as directory:
        for turn in range(60):
            for node in ("510000", "510100", "510104"):
                await put_dataset(client, node, version=turn + 1)
                await put_node(client, node)
                if turn % 3 == 2:
                    await client.transact([], [Delete(dataset_key(f"{node}/dltb")), Delete(node_key(node))])
        await put_node(client, "520000")
        await eventually(lambda: nodes(directory) == ["520000"])
        assert directory.view().datasets == {}


async def test_another_endpoint_takes_over(etcd: EtcdServer, client: Etcd) -> None:
    second = Etcd(["127.0.0.1:1", etcd.endpoint], timeout=LONG_S)
    directory = EtcdDirectory(second, None, QUICK)
    await directory.start()
    await put_node(client, "510000")
    await eventually(lambda: nodes(directory) == ["510000"])
    await eventually(lambda: not directory.view().stale)
    await directory.close()
    await second.close()


async def test_records_are_what_was_written(client: Etcd, etcd: EtcdServer) -> None:
    record = NodeRecord("510000-ch", "四川省测绘院", "10.0.0.1:7000", "i", "0.1", 5, b"k" * 32, "postgis", "h:1")
    async with following(etcd) as directory:
        assert await client.transact(
            [Compare(node_key("510000-ch"), 0)], [Put(node_key("510000-ch"), node_to_bytes(record))]
        )
        await eventually(lambda: nodes(directory) == ["510000-ch"])
        assert directory.view().nodes["510000-ch"] == record
