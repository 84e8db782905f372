"""Garbage: what goes, what stays, and that no clock and no publish beside it makes it take what is needed."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from guotu.model.errors import CorruptObject
from sync.pins import Pin, pin
from sync.pointer import head_key, version_key
from sync.signed import manifest_key, signature_key
from sync.tombstones import CLOCK, TOMBSTONES, tombstone_key, tombstones
from tests.support.garbage_yard import HOUR_S, Yard
from tests.support.publish_parts import Parts
from tests.support.sync_samples import DATASET, parcels

YEARS_MS = 20 * 365 * 86_400_000


@pytest.fixture
async def yard(tmp_path: Path) -> Yard:
    found = Yard(tmp_path)
    await found.parts.start()
    return found


async def test_the_way_to_a_base_stays(yard: Yard) -> None:
    rows = parcels(200)
    chain = [await yard.publish(rows.slice(number)) for number in range(3)]
    found = await yard.collector.collect()
    assert found.versions == ((DATASET, 1), (DATASET, 2))
    assert (found.tombstoned, found.swept, found.waiting) == (0, 0, 0)
    assert await yard.objects() == {key for keys in chain for key in keys}
    for stored in (yard.folder / "store").iterdir():
        stored.unlink()
    again = Parts(yard.folder)
    assert (await again.start()).failed == {}
    assert (await again.rows(3)).num_rows == 198


async def test_what_only_versions_let_go_used_goes_after_the_grace_period(yard: Yard) -> None:
    first = await yard.publish(parcels(120, seed=1))
    last = await yard.publish(parcels(120, seed=2))  # all rows are others: this one has a base
    last_base = (await yard.parts.versions.read_manifest(DATASET, 2)).manifest
    assert last_base.base
    dry = await yard.collector.collect(dry_run=True)
    assert (dry.versions, dry.tombstoned, dry.swept) == (((DATASET, 1),), 2, 0)
    done = await yard.collector.collect()
    assert done == dry
    assert done.tombstoned_bytes > 10_000
    assert await yard.objects() == {*first, *last}
    early = await yard.later(23 * HOUR_S)
    assert (early.tombstoned, early.swept, early.waiting) == (0, 0, 2)
    late = await yard.later(1.5 * HOUR_S)
    assert (late.swept, late.waiting, late.swept_bytes) == (2, 0, done.tombstoned_bytes)
    assert await yard.objects() == set(last)
    assert await yard.parts.objects.keys(TOMBSTONES) == []
    assert len(await yard.parts.objects.keys("manifests/")) == 2
    assert (await yard.parts.start()).failed == {}
    assert (await yard.parts.rows(2)).num_rows == 120


async def test_a_dry_run_changes_nothing(yard: Yard) -> None:
    await yard.publish(parcels(120, seed=1))
    await yard.publish(parcels(120, seed=2))
    await yard.collector.collect()
    yard.clock.pass_by(30 * HOUR_S)
    before = {key: await yard.parts.objects.get(key) for key in await yard.parts.objects.keys("")}
    told = await yard.collector.collect(dry_run=True)
    assert told.swept == 2
    assert {key: await yard.parts.objects.get(key) for key in await yard.parts.objects.keys("")} == before
    assert (await yard.collector.collect()).swept == 2


async def test_without_grace_a_collection_still_does_not_sweep_what_it_marks(tmp_path: Path) -> None:
    yard = Yard(tmp_path, grace_s=0)
    await yard.publish(parcels(120, seed=1))
    await yard.publish(parcels(120, seed=2))
    assert (await yard.collector.collect()).swept == 0
    assert (await yard.collector.collect()).swept == 2


@pytest.mark.parametrize("jump_ms", [YEARS_MS, -YEARS_MS])
async def test_a_clock_set_by_years_ages_nothing(yard: Yard, jump_ms: int) -> None:
    await yard.publish(parcels(120, seed=1))
    await yard.publish(parcels(120, seed=2))
    await yard.collector.collect()
    yard.clock.wall_ms += jump_ms
    assert (await yard.later(HOUR_S)).swept == 0
    yard.clock.wall_ms -= jump_ms
    assert (await yard.later(HOUR_S)).swept == 0
    yard.restarted()
    yard.clock.wall_ms += jump_ms
    assert (await yard.later(21 * HOUR_S)).waiting == 2
    assert (await yard.later(2 * HOUR_S)).swept == 2


async def test_time_without_a_node_does_not_count(yard: Yard) -> None:
    await yard.publish(parcels(120, seed=1))
    await yard.publish(parcels(120, seed=2))
    await yard.collector.collect()
    yard.clock.pass_by(1000 * HOUR_S)
    yard.restarted()
    assert (await yard.collector.collect()).waiting == 2
    assert (await yard.later(25 * HOUR_S)).swept == 2


@pytest.mark.parametrize("value", [None, b"{}", b"rubbish", b'{"counted_ms":-5}'])
async def test_a_lost_clock_makes_everything_wait_anew(yard: Yard, value: bytes | None) -> None:
    await yard.publish(parcels(120, seed=1))
    await yard.publish(parcels(120, seed=2))
    yard.clock.pass_by(100 * HOUR_S)
    await yard.collector.collect()
    await yard.parts.objects.delete(CLOCK)
    if value is not None:
        await yard.parts.objects.put_if_absent(CLOCK, value)
    yard.restarted()
    assert (await yard.later(23 * HOUR_S)).swept == 0
    assert (await yard.later(23 * HOUR_S)).swept == 0
    assert (await yard.later(2 * HOUR_S)).swept == 2


async def test_a_damaged_tombstone_is_put_up_anew(yard: Yard) -> None:
    (key,) = await yard.publish(parcels(120, seed=1))
    await yard.publish(parcels(120, seed=2))
    await yard.collector.collect()
    name = tombstone_key(key)
    await yard.parts.objects.delete(name)
    await yard.parts.objects.put_if_absent(name, b'{"key":"heads/510000/dltb.json"}')
    found = await yard.later(25 * HOUR_S)
    assert (found.tombstoned, found.swept) == (1, 1)
    assert await yard.parts.objects.get(head_key(DATASET)) is not None


async def test_an_object_used_again_loses_its_tombstone(yard: Yard) -> None:
    rows = parcels(120, seed=1)
    (first,) = await yard.publish(rows)
    await yard.publish(parcels(120, seed=2))
    await yard.collector.collect()
    assert first in await tombstones(yard.parts.objects)
    yard.clock.pass_by(25 * HOUR_S)
    again = await yard.publish(rows)  # the same rows make the same chunk, which is left as it is
    assert first in again
    found = await yard.collector.collect()
    assert first not in await tombstones(yard.parts.objects)
    assert found.swept == 1  # the manifest of the first version
    assert first in await yard.objects()
    await yard.publish(parcels(120, seed=3))
    assert (await yard.later(23 * HOUR_S)).swept == 0
    assert first in await yard.objects()


async def test_a_pinned_version_keeps_its_objects(yard: Yard) -> None:
    first = await yard.publish(parcels(120, seed=1))
    await pin(yard.parts.objects, Pin(DATASET, 1, "", 0))
    await yard.publish(parcels(120, seed=2))
    found = await yard.collector.collect()
    assert (found.versions, found.tombstoned) == ((), 0)
    assert set(first) <= await yard.objects()


async def test_what_a_crash_left_goes(yard: Yard) -> None:
    await yard.publish(parcels(50))
    stray = tmp(yard.folder, b"never named")
    await yard.parts.objects.put_file("objects/sha256/ab/" + "ab" * 32 + ".parquet", stray)
    await yard.parts.objects.put_if_absent(signature_key("cd" * 32), b"a signature without its manifest")
    await yard.parts.objects.put_if_absent("definitions/" + "ef" * 32 + ".json", b"{}")
    assert (await yard.collector.collect()).tombstoned == 3
    assert (await yard.later(25 * HOUR_S)).swept == 3
    assert await yard.parts.objects.get(signature_key("cd" * 32)) is None
    assert len(await yard.objects()) == 1


async def test_what_work_under_way_relies_on_stays(yard: Yard) -> None:
    await yard.publish(parcels(50))
    key = "objects/sha256/ab/" + "ab" * 32 + ".parquet"
    await yard.parts.objects.put_file(key, tmp(yard.folder, b"fetched"))
    await yard.collector.collect()
    yard.relied_on = {key}
    assert (await yard.later(100 * HOUR_S)).swept == 0
    yard.relied_on = set()
    assert (await yard.later(1.0)).tombstoned == 1
    assert key in await yard.objects()


async def test_what_is_needed_only_just_before_the_sweep_stays(yard: Yard) -> None:
    """An object named between the look and the sweep, as by a publish that waited for its turn."""
    rows = parcels(120, seed=1)
    (first,) = await yard.publish(rows)
    await yard.publish(parcels(120, seed=2))
    await yard.collector.collect()
    yard.clock.pass_by(25 * HOUR_S)
    async with yard.parts.publisher.between():
        collecting = asyncio.create_task(yard.collector.collect())
        await asyncio.sleep(0.2)
        publishing = asyncio.create_task(yard.publish(rows))
        await asyncio.sleep(0.2)
    await collecting
    assert first in await publishing
    assert first in await yard.objects()
    assert (await Parts(yard.folder).start()).failed == {}


async def test_publishes_and_collections_beside_each_other(tmp_path: Path) -> None:
    yard = Yard(tmp_path, keep=2, grace_s=0)
    variants = [parcels(60, seed=seed) for seed in (1, 2, 3)]
    stop, swept, last = asyncio.Event(), 0, 0

    async def collect() -> None:
        nonlocal swept
        while not stop.is_set():
            swept += (await yard.collector.collect()).swept

    collecting = asyncio.create_task(collect())
    while last < 12 or not (swept or collecting.done()):
        await yard.publish(variants[last % 3])
        last += 1
    stop.set()
    await collecting
    assert swept
    for stored in (tmp_path / "store").iterdir():
        stored.unlink()
    again = Parts(tmp_path)
    assert (await again.start()).failed == {}
    assert (await again.rows(last)).num_rows == 60


async def test_a_replica_that_came_by_deltas_keeps_the_base_that_it_has(yard: Yard) -> None:
    """Version 2 has a base beside its delta; a replica that had version 1 fetched the delta alone."""
    rows = parcels(120, seed=2)
    first = await yard.publish(parcels(120, seed=1))
    await yard.publish(rows)
    await yard.publish(rows.slice(1))
    second = (await yard.parts.versions.read_manifest(DATASET, 2)).manifest
    for item in second.bases:
        await yard.parts.objects.delete(item.key)
    assert (await yard.collector.collect()).versions == ((DATASET, 1), (DATASET, 2))
    assert (await yard.later(25 * HOUR_S)).swept == 0
    assert set(first) <= await yard.objects()
    for stored in (yard.folder / "store").iterdir():
        stored.unlink()
    again = Parts(yard.folder)
    assert (await again.start()).failed == {}
    assert (await again.rows(3)).num_rows == 119


async def test_who_reads_an_object_goes_on(yard: Yard) -> None:
    (key,) = await yard.publish(parcels(120, seed=1))
    await yard.publish(parcels(120, seed=2))
    await yard.collector.collect()
    path = await yard.parts.objects.local_path(key)
    assert path is not None
    whole = path.read_bytes()
    with path.open("rb") as reading:
        assert (await yard.later(25 * HOUR_S)).swept == 2
        assert not path.exists()
        assert reading.read() == whole


async def test_an_unreadable_manifest_stops_the_collection(yard: Yard) -> None:
    await yard.publish(parcels(120, seed=1))
    await yard.publish(parcels(120, seed=2))
    await yard.collector.collect()
    head = await yard.parts.versions.read_manifest(DATASET)
    await yard.parts.objects.delete(manifest_key(head.name))
    before = await yard.parts.objects.keys("")
    yard.clock.pass_by(25 * HOUR_S)
    with pytest.raises(CorruptObject):
        await yard.collector.collect()
    assert await yard.parts.objects.keys("") == before


async def test_a_version_on_its_way_keeps_what_it_names(yard: Yard) -> None:
    """A replica enters a version before its head moves; the manifests before it may not have come yet."""
    await yard.publish(parcels(120, seed=1))
    await yard.publish(parcels(120, seed=1).slice(1))
    await yard.parts.objects.delete(head_key(DATASET))
    await yard.parts.objects.delete(version_key(DATASET, 1))
    found = await yard.collector.collect()
    assert found.tombstoned == 0
    assert len(await yard.objects()) == 2


def tmp(folder: Path, data: bytes) -> Path:
    path = folder / "stray"
    path.write_bytes(data)
    return path
