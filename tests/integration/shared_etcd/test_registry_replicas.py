"""Replicas in the registry, against a real etcd: on their holder's lease, followed by every directory."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from guotu.model.errors import RegistryUnavailable
from guotu.model.records import ReplicaRecord
from guotu.wire.records import dataset_to_bytes, node_to_bytes, replica_from_bytes, replica_to_bytes
from node.membership import Membership
from registry.advertiser import Advertised
from registry.directory import DirectoryOptions, EtcdDirectory
from registry.etcd import Etcd
from registry.etcd_values import Delete, Put
from registry.keys import dataset_key, node_key, replica_key
from registry.session import Phase, Registration
from tests.support.etcd import EtcdServer
from tests.support.eventually import LONG_S, comes_to, eventually
from tests.support.records import dataset_record, node_record, replica_record
from tests.support.registry_parts import following, registered

NATION = "100000"
DLTB, XZQ = "510000/dltb", "510000/xzq"


async def stored(client: Etcd, dataset: str = DLTB, holder: str = NATION) -> ReplicaRecord | None:
    pair = await client.get(replica_key(dataset, holder))
    return None if pair is None else replica_from_bytes(pair.value)


async def until_stored(client: Etcd, wanted: ReplicaRecord | None, dataset: str = DLTB) -> None:
    assert await comes_to(wanted, lambda: stored(client, dataset))


def seen(directory: EtcdDirectory, dataset: str = DLTB) -> Callable[[], dict[str, int]]:
    return lambda: {node: item.version for node, item in directory.view().replicas.get(dataset, {}).items()}


async def is_other(look: Callable[[], Awaitable[int]], *others: int) -> bool:
    return await look() not in others


async def put_replica(client: Etcd, record: ReplicaRecord) -> None:
    await client.transact([], [Put(replica_key(record.dataset, record.node), replica_to_bytes(record))])


async def test_a_replica_stands_on_its_holder_s_lease_and_goes_with_it(client: Etcd) -> None:
    record = replica_record(DLTB, NATION, 3)
    async with registered(client, NATION) as registration:
        assert await registration.put_replica(record) is Advertised.STORED
        assert await stored(client) == record
        node, replica = await client.get(node_key(NATION)), await client.get(replica_key(DLTB, NATION))
        assert node is not None
        assert replica is not None
        assert replica.lease == node.lease != 0
    assert await stored(client) is None


async def test_versions_move_and_dropping_removes(client: Etcd) -> None:
    async with registered(client, NATION) as registration:
        for version in (1, 2, 7):
            await registration.put_replica(replica_record(DLTB, NATION, version))
        await registration.put_replica(replica_record(XZQ, NATION, 4, whole=False))
        assert await stored(client) == replica_record(DLTB, NATION, 7)
        assert await registration.drop_replica(DLTB) is Advertised.STORED
        assert await registration.drop_replica(DLTB) is Advertised.STORED
        assert await stored(client) is None
        assert await stored(client, XZQ) == replica_record(XZQ, NATION, 4, whole=False)
        assert registration.state.replicas_due == 0


async def test_many_at_a_time_all_arrive_in_their_newest_version(client: Etcd) -> None:
    names = [f"51{number:04d}/dltb" for number in range(1, 251)]
    async with registered(client, NATION) as registration:
        records = [replica_record(name, NATION, version) for version in (1, 2) for name in names]
        await asyncio.gather(*[registration.put_replica(record) for record in records])
        assert registration.state.replicas_due == 0
        assert {(await stored(client, name)).version for name in names} == {2}  # type: ignore[union-attr]


async def test_what_was_told_before_registering_is_written_with_the_claim(client: Etcd) -> None:
    registration = Registration(client, node_record(NATION), ttl=60)
    assert await registration.put_replica(replica_record(DLTB, NATION, 3)) is Advertised.QUEUED
    assert registration.state.replicas_due == 1
    await registration.start()
    assert await stored(client) == replica_record(DLTB, NATION, 3)
    await registration.close()


async def test_another_s_replica_is_not_this_node_s_to_tell(client: Etcd) -> None:
    async with registered(client, NATION) as registration:
        with pytest.raises(ValueError, match="does not belong"):
            await registration.put_replica(replica_record(DLTB, "520000", 1))
        with pytest.raises(ValueError, match="dataset id"):
            await registration.drop_replica("dltb")


async def test_replicas_come_back_after_the_lease_was_lost(client: Etcd, etcd: EtcdServer) -> None:
    record = replica_record(DLTB, NATION, 3)

    async def lease() -> int:
        """Return the lease that the node and its replica stand on; 0 if not both stand on one."""
        found = [await client.get(key) for key in (node_key(NATION), replica_key(DLTB, NATION))]
        leases = {0 if pair is None else pair.lease for pair in found}
        return leases.pop() if len(leases) == 1 else 0

    async with registered(client, NATION, ttl=2) as registration:
        await registration.put_replica(record)
        assert await comes_to(True, lambda: is_other(lease, 0))
        first = await lease()
        # It is over by itself where the machine stood still.
        with contextlib.suppress(RegistryUnavailable):
            await client.revoke(first, LONG_S)
        assert await comes_to(True, lambda: is_other(lease, 0, first))
        await until_stored(client, record)
        etcd.wipe()
        await until_stored(client, record)


async def test_without_etcd_puts_and_drops_wait(client: Etcd, etcd: EtcdServer) -> None:
    async with registered(client, NATION, ttl=2) as registration:
        await registration.put_replica(replica_record(XZQ, NATION, 1))
        etcd.kill()
        assert await registration.put_replica(replica_record(DLTB, NATION, 2)) is Advertised.QUEUED
        assert await registration.drop_replica(XZQ) is Advertised.QUEUED
        assert registration.state.replicas_due == 2
        etcd.start()
        await eventually(lambda: registration.state.phase is Phase.REGISTERED and not registration.state.replicas_due)
        await until_stored(client, replica_record(DLTB, NATION, 2))
        assert await stored(client, XZQ) is None


async def test_a_process_that_has_lost_its_claim_writes_nothing(client: Etcd) -> None:
    async with registered(client, NATION, started_ms=1, ttl=1) as older:
        async with registered(client, NATION, started_ms=2) as younger:
            await eventually(lambda: older.state.phase is Phase.TAKEN)
            assert await older.put_replica(replica_record(DLTB, NATION, 9)) is Advertised.QUEUED
            assert await younger.put_replica(replica_record(DLTB, NATION, 1)) is Advertised.STORED
            await asyncio.sleep(1.0)
            assert await stored(client) == replica_record(DLTB, NATION, 1)
        await eventually(lambda: older.state.phase is Phase.REGISTERED and not older.state.replicas_due)
        await until_stored(client, replica_record(DLTB, NATION, 9))


async def test_a_successor_takes_its_replicas_from_the_old_lease(client: Etcd) -> None:
    old = Registration(client, node_record(NATION, started_ms=1), ttl=60)
    await old.start()
    await old.put_replica(replica_record(DLTB, NATION, 3))
    async with registered(client, NATION, started_ms=2) as successor:
        await successor.put_replica(replica_record(DLTB, NATION, 3))
        await old.close(LONG_S)
        assert await stored(client) == replica_record(DLTB, NATION, 3)


async def test_directories_see_replicas_come_move_and_go(client: Etcd, etcd: EtcdServer) -> None:
    async with following(etcd) as directory, following(etcd, options=DirectoryOptions()) as other:
        async with registered(client, NATION) as nation, registered(client, "510100") as city:
            await nation.put_replica(replica_record(DLTB, NATION, 3))
            await city.put_replica(replica_record(DLTB, "510100", 2, whole=False))
            for each in (directory, other):
                await eventually(lambda each=each: seen(each)() == {NATION: 3, "510100": 2})  # type: ignore[misc]
            assert directory.view().replicas[DLTB]["510100"] == replica_record(DLTB, "510100", 2, whole=False)
            await nation.put_replica(replica_record(DLTB, NATION, 4))
            await city.drop_replica(DLTB)
            await eventually(lambda: seen(directory)() == {NATION: 4})
        await eventually(lambda: seen(directory)() == seen(other)() == {})


async def test_what_did_not_change_keeps_its_identity(client: Etcd, etcd: EtcdServer) -> None:
    await put_replica(client, replica_record(DLTB, NATION, 1))
    await put_replica(client, replica_record(XZQ, NATION, 1))
    async with following(etcd) as directory:
        first = directory.view().replicas
        await client.transact([], [Put(node_key("520000"), node_to_bytes(node_record("520000")))])
        await eventually(lambda: "520000" in directory.view().nodes)
        await asyncio.sleep(1.5)  # a full read or two
        assert directory.view().replicas is first
        await put_replica(client, replica_record(XZQ, NATION, 2))
        await eventually(lambda: seen(directory, XZQ)() == {NATION: 2})
        assert directory.view().replicas[DLTB] is first[DLTB]
        assert first[XZQ][NATION].version == 1


async def test_replicas_that_go_while_nobody_watches_raise_no_doubt(
    client: Etcd, etcd: EtcdServer, tmp_path: Path
) -> None:
    for owner in ("510000", "520000"):
        record = dataset_record(owner, "dltb", 1)
        await client.transact([], [Put(node_key(owner), node_to_bytes(node_record(owner)))])
        await client.transact([], [Put(dataset_key(record.dataset), dataset_to_bytes(record))])
        await put_replica(client, replica_record(record.dataset, NATION, 1))
    async with following(etcd, tmp_path / "directory") as directory:
        assert len(directory.view().replicas) == 2
    names = [replica_key(f"{owner}/dltb", NATION) for owner in ("510000", "520000")]
    await client.transact([], [Delete(name) for name in names])
    strict = DirectoryOptions(doubt_seconds=60.0, doubt_reads=30)
    async with following(etcd, tmp_path / "directory", strict) as directory:
        view = directory.view()
        assert (len(view.nodes), view.replicas, view.stale) == (2, {}, False)


async def test_with_etcd_away_the_last_good_directory_has_the_replicas(
    client: Etcd, etcd: EtcdServer, tmp_path: Path
) -> None:
    await put_replica(client, replica_record(DLTB, NATION, 4))
    async with following(etcd, tmp_path / "directory") as directory:
        known = directory.view().replicas
    etcd.kill()
    async with following(etcd, tmp_path / "directory") as directory:
        view = directory.view()
        assert view.stale
        assert view.replicas == known != {}
        etcd.start()
        await eventually(lambda: not directory.view().stale)
        await put_replica(client, replica_record(DLTB, NATION, 5))
        await eventually(lambda: seen(directory)() == {NATION: 5})


async def test_an_unsound_replica_record_harms_nobody(client: Etcd, etcd: EtcdServer) -> None:
    await client.transact([], [Put(replica_key(DLTB, "520000"), b"\xff\xff"), Put(b"/guotu/v1/replicas/x", b"")])
    async with following(etcd) as directory:
        await put_replica(client, replica_record(DLTB, NATION, 1))
        await eventually(lambda: seen(directory)() == {NATION: 1})
        assert not directory.view().stale


async def test_a_node_s_membership_tells_of_its_replicas_from_its_joining_on(client: Etcd, etcd: EtcdServer) -> None:
    membership = Membership(client, lease_ttl_s=60)
    await membership.advertise_replica(replica_record(DLTB, NATION, 1))
    await membership.advertise_replica(replica_record(XZQ, NATION, 1))
    await membership.withdraw_replica(XZQ)
    await membership.join(node_record(NATION))
    assert await stored(client) == replica_record(DLTB, NATION, 1)
    assert await stored(client, XZQ) is None
    async with following(etcd) as directory:
        await membership.advertise_replica(replica_record(DLTB, NATION, 2))
        await eventually(lambda: seen(directory)() == {NATION: 2})
        await membership.withdraw_replica(DLTB)
        await eventually(lambda: seen(directory)() == {})
    await membership.leave()
