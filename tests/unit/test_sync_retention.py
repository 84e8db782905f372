"""Versions let go, discarded and pinned, with real stores."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from guotu.model.errors import CorruptObject, UnknownVersion
from sync.pins import Pin, pin, pin_key, pinned_versions, read_pin, unpin
from sync.pointer import Pointer, list_entries, version_key
from sync.retention import Retention, discard, retain
from sync.signed import manifest_key
from tests.support.publish_parts import Parts
from tests.support.sync_samples import DATASET, parcels, write_spool

NOW_MS = 1_770_000_100_000


async def published(folder: Path, rows: Sequence[int]) -> Parts:
    """Publish versions with so many rows each."""
    parts = Parts(folder)
    await parts.start()
    for number, count in enumerate(rows, 1):
        spool = write_spool(folder / f"{number}.arrow", parcels(60).slice(0, count))
        await parts.publish(spool, f"attempt-{number}")
    return parts


async def held(parts: Parts) -> tuple[list[int], list[int]]:
    """Return the versions entered, and those readable."""
    readable = [item.version for item in await parts.store.versions()]
    return (await list_entries(parts.objects)).get(DATASET, []), readable


async def test_older_versions_go_and_their_objects_stay(tmp_path: Path) -> None:
    parts = await published(tmp_path, (50, 51, 52, 53))
    objects = await parts.objects.keys("objects/")
    gone = await retain(parts.objects, parts.store, Retention(2), NOW_MS)
    assert [item.version for item in gone] == [1, 2]
    assert await held(parts) == ([3, 4], [3, 4])
    assert await parts.objects.keys("objects/") == objects
    assert (await parts.rows(3)).num_rows == 52
    assert await retain(parts.objects, parts.store, Retention(2), NOW_MS) == []
    assert (await parts.start()).failed == {}


async def test_zero_keeps_all_and_a_negative_number_is_none(tmp_path: Path) -> None:
    parts = await published(tmp_path, (50, 51, 52))
    assert await retain(parts.objects, parts.store, Retention(0), NOW_MS) == []
    with pytest.raises(ValueError, match="not a retention"):
        Retention(-1)


async def test_a_month_keeps_its_last_version(tmp_path: Path) -> None:
    parts = await published(tmp_path, (50, 51, 52, 53))
    # The test's clock stands in one month: its last version is the head, which stays anyway.
    gone = await retain(parts.objects, parts.store, Retention(1, keep_months=12), NOW_MS)
    assert [item.version for item in gone] == [1, 2, 3]


async def test_nothing_goes_where_a_manifest_cannot_be_dated(tmp_path: Path) -> None:
    parts = await published(tmp_path, (50, 51, 52))
    name = (await parts.versions.read_manifest(DATASET, 2)).name
    await parts.objects.delete(manifest_key(name))
    with pytest.raises(CorruptObject):
        await retain(parts.objects, parts.store, Retention(1, keep_months=1), NOW_MS)
    assert await held(parts) == ([1, 2, 3], [1, 2, 3])


async def test_a_pinned_version_stays_until_it_is_let_go(tmp_path: Path) -> None:
    parts = await published(tmp_path, (50, 51, 52))
    wanted = Pin(DATASET, 1, "年度变更", NOW_MS)
    assert await pin(parts.objects, wanted)
    assert not await pin(parts.objects, Pin(DATASET, 1, "another", NOW_MS + 1))
    assert await read_pin(parts.objects, DATASET, 1) == wanted
    assert await pinned_versions(parts.objects) == {DATASET: {1}}
    assert [item.pinned for item in await parts.versions.list_versions(DATASET)] == [False, False, True]
    gone = await retain(parts.objects, parts.store, Retention(1), NOW_MS)
    assert [item.version for item in gone] == [2]
    assert await unpin(parts.objects, DATASET, 1)
    assert not await unpin(parts.objects, DATASET, 1)
    assert [item.version for item in await retain(parts.objects, parts.store, Retention(1), NOW_MS)] == [1]


@pytest.mark.parametrize("version", [0, 3, 99])
async def test_only_a_version_that_is_there_can_be_pinned(tmp_path: Path, version: int) -> None:
    parts = await published(tmp_path, (50, 51))
    with pytest.raises(UnknownVersion):
        await pin(parts.objects, Pin(DATASET, version, "", NOW_MS))
    assert await parts.objects.keys("pins/") == []


async def test_an_entry_above_the_head_cannot_be_pinned_and_is_not_let_go(tmp_path: Path) -> None:
    parts = await published(tmp_path, (50, 51))
    await parts.objects.put_if_absent(version_key(DATASET, 3), Pointer(DATASET, 3, "0" * 64, "w").to_bytes())
    with pytest.raises(UnknownVersion):
        await pin(parts.objects, Pin(DATASET, 3, "", NOW_MS))
    await retain(parts.objects, parts.store, Retention(1), NOW_MS)
    assert (await held(parts))[0] == [2, 3]


async def test_a_damaged_pin_still_pins_and_is_told(tmp_path: Path) -> None:
    parts = await published(tmp_path, (50, 51, 52))
    await parts.objects.put_if_absent(pin_key(DATASET, 1), b"{}")
    with pytest.raises(CorruptObject, match="not a pin"):
        await read_pin(parts.objects, DATASET, 1)
    gone = await retain(parts.objects, parts.store, Retention(1), NOW_MS)
    assert [item.version for item in gone] == [2]


async def test_what_was_never_published_goes_with_its_manifest(tmp_path: Path) -> None:
    parts = await published(tmp_path, (50, 51))
    name = (await parts.versions.read_manifest(DATASET, 2)).name
    objects = await parts.objects.keys("objects/")
    gone = await discard(parts.objects, parts.store, [(DATASET, 2)])
    assert [(item.version, item.manifest) for item in gone] == [(2, name)]
    assert await held(parts) == ([1], [1])
    assert await parts.objects.get(manifest_key(name)) is None
    assert await parts.objects.keys("objects/") == objects


async def test_a_damaged_entry_is_discarded_alone(tmp_path: Path) -> None:
    parts = await published(tmp_path, (50,))
    await parts.objects.put_if_absent(version_key(DATASET, 2), b"left by a crash")
    assert await discard(parts.objects, parts.store, [(DATASET, 2), (DATASET, 7)]) == []
    assert await held(parts) == ([1], [1])
