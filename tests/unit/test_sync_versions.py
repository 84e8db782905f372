from collections.abc import Callable
from pathlib import Path

import pytest

from guotu.model.errors import CorruptObject, UnknownDataset, UnknownVersion
from sync.pointer import version_key
from sync.signed import manifest_key, signature_key
from sync.signing import NodeKey
from sync.versions import Versions
from tests.support.publish_parts import Parts
from tests.support.sync_samples import DATASET, NODE, TABLE, as_rows, no_progress, parcels, write_spool


async def publish_some(parts: Parts, folder: Path, count: int) -> None:
    for number in range(1, count + 1):
        spool = write_spool(folder / f"{number}.arrow", parcels(50 + number))
        await parts.publish(spool, f"w-{number}", message=f"第{number}版")


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


async def test_listed_newest_first(tmp_path: Path) -> None:
    parts = Parts(tmp_path)
    await publish_some(parts, tmp_path, 11)
    await parts.store.drop(DATASET, 1)
    listed = await parts.versions.list_versions(DATASET)
    assert [item.version for item in listed] == list(range(11, 0, -1))
    assert [item.rows for item in listed] == list(range(61, 50, -1))
    assert [item.queryable for item in listed] == [True] * 10 + [False]
    first = listed[-1]
    signed = await parts.versions.read_manifest(DATASET, 1)
    assert (first.manifest, first.digest, first.message) == (signed.name, signed.manifest.digest, "第1版")
    assert first.size_bytes == signed.manifest.objects[0].size_bytes > 1000


async def test_head_is_version_0(tmp_path: Path) -> None:
    parts = Parts(tmp_path)
    await publish_some(parts, tmp_path, 2)
    head = await parts.versions.read_manifest(DATASET)
    assert head == await parts.versions.read_manifest(DATASET, 2)
    assert head.manifest.parent == (await parts.versions.read_manifest(DATASET, 1)).name


async def test_what_is_not_there(tmp_path: Path) -> None:
    parts = Parts(tmp_path)
    for dataset in (DATASET, "../secret", ""):
        with pytest.raises(UnknownDataset):
            await parts.versions.read_manifest(dataset)
        with pytest.raises(UnknownDataset):
            await parts.versions.list_versions(dataset)
    await publish_some(parts, tmp_path, 1)
    for version in (2, -1):
        with pytest.raises(UnknownVersion):
            await parts.versions.read_manifest(DATASET, version)


async def test_an_entry_above_the_head_is_no_version(tmp_path: Path) -> None:
    parts = Parts(tmp_path)
    await publish_some(parts, tmp_path, 1)
    await parts.objects.put_if_absent(version_key(DATASET, 2), b"left by a crash")
    assert [item.version for item in await parts.versions.list_versions(DATASET)] == [1]
    with pytest.raises(UnknownVersion):
        await parts.versions.read_manifest(DATASET, 2)


@pytest.mark.parametrize("key_of", [manifest_key, signature_key])
@pytest.mark.parametrize("damage", [flip, Path.unlink])
async def test_damage_is_seen(tmp_path: Path, key_of: Callable[[str], str], damage: Callable[[Path], None]) -> None:
    parts = Parts(tmp_path)
    await publish_some(parts, tmp_path, 1)
    signed = await parts.versions.read_manifest(DATASET)
    damage(await parts.objects.local_path(key_of(signed.name)))
    with pytest.raises(CorruptObject):
        await parts.versions.read_manifest(DATASET)


async def test_another_key_does_not_pass(tmp_path: Path) -> None:
    parts = Parts(tmp_path)
    await publish_some(parts, tmp_path, 1)
    other = NodeKey.create(tmp_path / "other.pem").public_bytes
    with pytest.raises(CorruptObject, match="signature"):
        await Versions(parts.objects, parts.store, other).read_manifest(DATASET)


async def test_an_entry_that_points_elsewhere_is_corrupt(tmp_path: Path) -> None:
    parts = Parts(tmp_path)
    await publish_some(parts, tmp_path, 3)
    for number, other in ((1, 2), (2, 3)):
        path = await parts.objects.local_path(version_key(DATASET, number))
        path.write_bytes((await parts.objects.get(version_key(DATASET, other)))[0])
        with pytest.raises(CorruptObject):
            await parts.versions.read_manifest(DATASET, number)


async def test_retain_keeps_the_newest_of_each_dataset(tmp_path: Path) -> None:
    parts = Parts(tmp_path)
    await publish_some(parts, tmp_path, 4)
    spool = write_spool(tmp_path / "table.arrow", as_rows(TABLE, {"DM": [1], "MC": ["村"]}))
    await parts.publisher.publish(
        f"{NODE}/qsdm", TABLE, spool, message="", source="", write_id="t", notes={}, progress=no_progress
    )
    dropped = await parts.publisher.retain(2)
    assert [(item.dataset, item.version) for item in dropped] == [(DATASET, 1), (DATASET, 2)]
    assert [item.version for item in await parts.versions.list_versions(DATASET)] == [4, 3]
    assert [(item.dataset, item.version) for item in await parts.store.versions()] == [
        (DATASET, 3), (DATASET, 4), (f"{NODE}/qsdm", 1),
    ]  # fmt: skip
    assert len(await parts.objects.keys("objects/")) == 3
    assert len(await parts.objects.keys("manifests/")) == 6
    assert await parts.publisher.retain(2) == []
    with pytest.raises(UnknownVersion):
        await parts.versions.read_manifest(DATASET, 2)


async def test_an_object_stays_while_a_version_uses_it(tmp_path: Path) -> None:
    """Version 3 goes back to the rows of version 1, so that both are made of the same object."""
    parts = Parts(tmp_path)
    for number, count in enumerate((50, 60, 50)):
        await parts.publish(write_spool(tmp_path / f"{number}.arrow", parcels(count)), f"w-{number}")
    first, last = [await parts.versions.read_manifest(DATASET, version) for version in (1, 3)]
    assert first.manifest.objects == last.manifest.objects
    await parts.publisher.retain(1)
    assert await parts.objects.keys("objects/") == [last.manifest.objects[0].key]
    await parts.store.drop(DATASET, 3)
    assert (await parts.start()).loaded == (DATASET,)


async def test_nothing_is_dropped_while_a_manifest_is_unreadable(tmp_path: Path) -> None:
    parts = Parts(tmp_path)
    await publish_some(parts, tmp_path, 3)
    flip(await parts.objects.local_path(manifest_key((await parts.versions.read_manifest(DATASET)).name)))
    before = await parts.objects.keys("")
    with pytest.raises(CorruptObject):
        await parts.publisher.retain(1)
    assert await parts.objects.keys("") == before
    assert len(await parts.store.versions()) == 3


async def test_retention_that_was_interrupted_is_ended_next_time(tmp_path: Path) -> None:
    parts = Parts(tmp_path)
    await publish_some(parts, tmp_path, 3)
    first = (await parts.versions.read_manifest(DATASET, 1)).manifest
    await parts.store.drop(DATASET, 1)
    await parts.objects.delete(first.objects[0].key)
    assert [item.version for item in await parts.publisher.retain(1)] == [1, 2]
    assert len(await parts.objects.keys("")) == 5


async def test_keeping_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least one"):
        await Parts(tmp_path).publisher.retain(0)
