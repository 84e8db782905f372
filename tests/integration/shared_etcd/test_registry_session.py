"""Registrations against a real etcd."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from guotu.model.errors import IdentityTaken
from guotu.wire.records import dataset_from_bytes, node_from_bytes
from registry.advertiser import Advertised
from registry.etcd import Etcd
from registry.etcd_values import Delete, Put
from registry.keys import dataset_key, node_key
from registry.session import Phase, Registration
from tests.support.etcd import EtcdServer
from tests.support.eventually import comes_to, eventually
from tests.support.records import dataset_record, node_record
from tests.support.registrant import spawn
from tests.support.registry_parts import registered


async def holder(client: Etcd, node: str = "510000") -> str:
    pair = await client.get(node_key(node))
    return "" if pair is None else node_from_bytes(pair.value).instance


async def version(client: Etcd, dataset: str = "510000/dltb") -> int:
    pair = await client.get(dataset_key(dataset))
    return 0 if pair is None else dataset_from_bytes(pair.value).version


async def both(client: Etcd) -> tuple[str, int]:
    return await holder(client), await version(client)


async def test_the_record_stands_while_the_node_runs(client: Etcd, etcd: EtcdServer) -> None:
    last = (0, 0)

    async def has_been_kept_alive() -> bool:
        """Tell whether the lease that the record stands on has more time left than it had before."""
        nonlocal last
        pair = await client.get(node_key("510000"))
        before, last = last, (pair.lease, etcd.remaining(pair.lease)) if pair else (0, 0)
        return last[0] == before[0] and last[1] > before[1]

    async with registered(client, ttl=6) as registration:
        assert registration.state.phase is Phase.REGISTERED
        assert await comes_to(True, has_been_kept_alive)
    assert await holder(client) == ""
    assert registration.state.phase is Phase.CLOSED


async def test_a_killed_process_s_record_goes_with_its_lease(client: Etcd, etcd: EtcdServer) -> None:
    process = spawn(etcd.endpoint, "510000", "victim", ttl=5)
    assert await comes_to("victim", lambda: holder(client))
    process.kill()
    process.wait()
    left = await client.get(node_key("510000"))
    # It does not go with the process, but with the lease, which may have come to its end by now.
    if left is not None and await holder(client) != "victim":
        assert etcd.remaining(left.lease) < 0
    assert await comes_to("", lambda: holder(client))


async def test_two_nodes_cannot_have_one_id(client: Etcd) -> None:
    async with registered(client, instance="one"):
        other = Registration(client, node_record("510000", "two"), ttl=1)
        with pytest.raises(IdentityTaken) as caught:
            await other.start()
        assert caught.value.facts == {"node": "510000", "address": "127.0.0.1:7000"}
        assert await holder(client) == "one"
        await other.close()
        assert await holder(client) == "one"


async def test_a_free_id_is_waited_for(client: Etcd, etcd: EtcdServer) -> None:
    process = spawn(etcd.endpoint, "510000", "old", ttl=1)
    process.kill()
    process.wait()
    async with registered(client, instance="new"):
        assert await holder(client) == "new"


async def test_the_same_data_directory_takes_its_id_over_at_once(client: Etcd, etcd: EtcdServer) -> None:
    process = spawn(etcd.endpoint, "510000", "same", ttl=3600)
    process.kill()
    process.wait()
    left = await client.get(node_key("510000"))
    async with registered(client, instance="same", started_ms=2) as registration:
        assert registration.state.phase is Phase.REGISTERED
        assert await holder(client) == "same"
        # The first process's lease must not take the second one's record with it.
        taken = await client.get(node_key("510000"))
        assert left is not None
        assert taken is not None
        assert taken.lease not in (0, left.lease)


async def test_the_older_of_two_processes_on_one_data_directory_gives_way(client: Etcd) -> None:
    async with registered(client, started_ms=1, ttl=1) as older:
        async with registered(client, started_ms=2) as younger:
            await eventually(lambda: older.state.phase is Phase.TAKEN)
            assert "510000" in older.state.detail
            assert await older.put_dataset(dataset_record("510000", "dltb", 9)) is Advertised.QUEUED
            assert await younger.put_dataset(dataset_record("510000", "dltb", 1)) is Advertised.STORED
            await asyncio.sleep(1.0)
            assert younger.state.phase is Phase.REGISTERED
            assert await version(client) == 1
        await eventually(lambda: older.state.phase is Phase.REGISTERED)


async def test_a_dataset_never_goes_back(client: Etcd) -> None:
    async with registered(client) as first:
        assert await first.put_dataset(dataset_record("510000", "dltb", 3)) is Advertised.STORED
        assert await first.put_dataset(dataset_record("510000", "dltb", 2)) is Advertised.SUPERSEDED
        assert await version(client) == 3
    # Another process knows nothing of what the first one wrote: the registry itself holds the line.
    async with registered(client) as second:
        assert await second.put_dataset(dataset_record("510000", "dltb", 2)) is Advertised.SUPERSEDED
        fork = dataset_record("510000", "dltb", 3, manifest="ff" * 32)
        assert await second.put_dataset(fork) is Advertised.SUPERSEDED
        assert await version(client) == 3
        assert await second.put_dataset(dataset_record("510000", "dltb", 4)) is Advertised.STORED
        assert await version(client) == 4


async def test_datasets_of_others_are_not_advertised(client: Etcd) -> None:
    async with registered(client) as registration:
        with pytest.raises(ValueError, match="does not belong"):
            await registration.put_dataset(dataset_record("510100", "dltb", 1))


async def test_who_lost_the_id_writes_nothing(client: Etcd) -> None:
    async with registered(client) as registration:
        pair = await client.get(node_key("510000"))
        assert pair is not None
        await client.transact([], [Put(node_key("510000"), pair.value)])
        assert await registration.put_dataset(dataset_record("510000", "dltb", 1)) is Advertised.QUEUED
        assert await version(client) == 0


async def test_a_deleted_record_is_put_back(client: Etcd) -> None:
    async with registered(client, ttl=1) as registration:
        await registration.put_dataset(dataset_record("510000", "dltb", 1))
        assert await comes_to(("one", 1), lambda: both(client))
        await client.transact([], [Delete(dataset_key("510000/dltb")), Delete(node_key("510000"))])
        assert await comes_to(("one", 1), lambda: both(client))


async def test_etcd_comes_back_with_its_data(client: Etcd, etcd: EtcdServer) -> None:
    async with registered(client, ttl=2) as registration:
        await registration.put_dataset(dataset_record("510000", "dltb", 1))
        etcd.kill()
        assert await registration.put_dataset(dataset_record("510000", "dltb", 2)) is Advertised.QUEUED
        await eventually(lambda: registration.state.phase is Phase.LOST)
        assert registration.state.datasets_due == 1
        etcd.start()
        await eventually(lambda: registration.state.phase is Phase.REGISTERED)
        await eventually(lambda: registration.state.datasets_due == 0)
        assert await comes_to(("one", 2), lambda: both(client))


async def test_etcd_comes_back_empty(client: Etcd, etcd: EtcdServer) -> None:
    async with registered(client, ttl=2) as registration:
        await registration.put_dataset(dataset_record("510000", "dltb", 5))
        etcd.wipe()
        assert await comes_to(("one", 5), lambda: both(client))


async def test_a_node_starts_without_etcd_and_registers_later(client: Etcd, etcd: EtcdServer) -> None:
    etcd.kill()
    async with registered(client, ttl=2) as registration:
        assert registration.state.phase is Phase.LOST
        assert await registration.put_dataset(dataset_record("510000", "dltb", 1)) is Advertised.QUEUED
        etcd.start()
        await eventually(lambda: registration.state.phase is Phase.REGISTERED)
        await eventually(lambda: registration.state.datasets_due == 0)
        assert await version(client) == 1


async def test_closing_without_etcd_takes_its_bound_and_no_longer(client: Etcd, etcd: EtcdServer) -> None:
    registration = Registration(client, node_record("510000"), ttl=5)
    await registration.start()
    etcd.kill()
    async with asyncio.timeout(20):
        await registration.close(timeout=0.5)


async def registered_as(client: Etcd) -> bool | None:
    """Return whether the node that is registered is being drained; None if none is."""
    pair = await client.get(node_key("510000"))
    return None if pair is None else node_from_bytes(pair.value).draining


async def test_a_changed_record_takes_the_place_of_the_one_before(client: Etcd) -> None:
    async with registered(client) as registration:
        record = replace(node_record("510000", "one", 1), draining=True)
        assert await registration.change(record) is Advertised.STORED
        assert await registered_as(client) is True
        assert await registration.put_dataset(dataset_record("510000", "dltb", 1)) is Advertised.STORED
        with pytest.raises(ValueError, match="cannot take the place"):
            await registration.change(node_record("510000", "two", 1))
    assert await registered_as(client) is None


async def test_changes_at_the_same_time_do_not_cost_the_claim(client: Etcd) -> None:
    """As when a node is told to hand over and to resume at once."""
    async with registered(client) as registration:
        record = node_record("510000", "one", 1)
        told = [replace(record, draining=True), record]
        assert await asyncio.gather(*map(registration.change, told)) == [Advertised.STORED, Advertised.STORED]
        pair = await client.get(node_key("510000"))
        assert pair is not None
        assert node_from_bytes(pair.value) == record
        assert registration.state.phase is Phase.REGISTERED


async def test_a_record_that_changes_while_etcd_is_away_is_written_later(client: Etcd, etcd: EtcdServer) -> None:
    async with registered(client, ttl=2) as registration:
        etcd.kill()
        record = replace(node_record("510000", "one", 1), draining=True)
        assert await registration.change(record) is Advertised.QUEUED
        await registration.put_dataset(dataset_record("510000", "dltb", 1))
        etcd.start()
        await eventually(lambda: registration.state.datasets_due == 0)
        assert await comes_to(True, lambda: registered_as(client))
