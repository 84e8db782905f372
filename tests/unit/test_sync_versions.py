from collections.abc import Callable
from pathlib import Path

import pytest

from guotu.model.errors import (
    CorruptObject,
    UnknownDataset,
    UnknownObject,
    UnknownVersion,
    UntrustedKey,
    VersionRefused,
)
from sync.pins import Pin, pin
from sync.pointer import version_key
from sync.signed import manifest_key, signature_key
from sync.signing import NodeKey
from sync.trust import fingerprint, trust
from tests.support.publish_parts import Parts
from tests.support.sync_samples import DATASET, NODE, parcels, write_spool


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
    with pytest.raises((CorruptObject, VersionRefused)):
        await parts.versions.read_manifest(DATASET)


async def test_another_key_does_not_pass(tmp_path: Path) -> None:
    parts = Parts(tmp_path)
    await publish_some(parts, tmp_path, 1)
    name = (await parts.versions.read_manifest(DATASET)).name
    await parts.objects.delete(f"keys/{NODE}/{fingerprint(parts.key.public_bytes)}.pub")
    for read in (parts.versions.read_manifest(DATASET), parts.versions.read_named_manifest(DATASET, name)):
        with pytest.raises(UntrustedKey):
            await read
    await trust(parts.objects, NODE, NodeKey.create(tmp_path / "other.pem").public_bytes)
    with pytest.raises(VersionRefused, match="not by a known key"):
        await parts.versions.read_manifest(DATASET)


async def test_by_name(tmp_path: Path) -> None:
    parts = Parts(tmp_path)
    await publish_some(parts, tmp_path, 2)
    first = await parts.versions.read_manifest(DATASET, 1)
    assert await parts.versions.read_named_manifest(DATASET, first.name) == first
    for dataset, name in ((DATASET, "0" * 64), (DATASET, "../x"), (f"{NODE}/qsdm", first.name)):
        with pytest.raises(UnknownObject):
            await parts.versions.read_named_manifest(dataset, name)


async def test_what_is_told_of_a_version(tmp_path: Path) -> None:
    parts = Parts(tmp_path)
    await publish_some(parts, tmp_path, 1)
    spool = write_spool(tmp_path / "next.arrow", parcels(51).slice(1))
    await parts.publish(spool, "w-2", source="b.gdb", source_date="2025-12-31")
    await pin(parts.objects, Pin(DATASET, 1, "年报", 5))
    second, first = await parts.versions.list_versions(DATASET)
    assert (first.base, first.pinned, first.change, first.series) == (True, True, None, 1)
    assert (second.base, second.pinned, second.series) == (False, False, 1)
    assert second.change is not None
    assert (second.change.deletes, second.change.count) == (1, 1)
    assert (second.source, second.source_date) == ("b.gdb", "2025-12-31")
    assert second.size_bytes < first.size_bytes


async def test_an_entry_that_points_elsewhere_is_corrupt(tmp_path: Path) -> None:
    parts = Parts(tmp_path)
    await publish_some(parts, tmp_path, 3)
    for number, other in ((1, 2), (2, 3)):
        path = await parts.objects.local_path(version_key(DATASET, number))
        path.write_bytes((await parts.objects.get(version_key(DATASET, other)))[0])
        with pytest.raises(CorruptObject):
            await parts.versions.read_manifest(DATASET, number)
