"""Verification and repair of objects: damaged on disk, missing, or never fetched by a replica."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from sync.manifest import ObjectRef
from sync.verify import Held
from tests.support.publish_parts import Parts
from tests.support.sync_samples import DATASET, write_spool
from tests.support.verify_parts import KEYS, ROWS, flip, objects_of, put, some, tamper, three_versions, verified


@pytest.fixture(params=["memory", "duckdb"])
async def parts(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Parts]:
    """Three versions: all rows, ten rows fewer, and five of them changed."""
    made = await three_versions(request.param, tmp_path)
    yield made
    await made.store.close()


@pytest.mark.parametrize("damage", [flip, Path.unlink])
async def test_a_damaged_object_is_fetched_anew_and_no_other(parts: Parts, damage: Callable[[Path], None]) -> None:
    base, delta, _ = await objects_of(parts)
    path = await parts.objects.local_path(base.key)
    assert path is not None
    whole = path.read_bytes()
    damage(path)
    asked: list[tuple[str, str]] = []

    async def refetch(dataset: str, item: ObjectRef) -> bool:
        asked.append((dataset, item.key))
        copy = parts.scratch / "copy"
        copy.write_bytes(whole)
        await parts.objects.put_file(item.key, copy)
        return True

    found = await verified(parts, refetch=refetch)
    assert (found.sound, found.damaged_objects, asked) == (False, (base.key,), [])
    mended = await verified(parts, repair=True, refetch=refetch)
    assert (mended.sound, mended.refetched_objects, asked) == (True, 1, [(DATASET, base.key)])
    assert path.read_bytes() == whole
    assert (await verified(parts)).damaged_objects == ()
    assert delta.key != base.key


async def test_an_object_that_nobody_has_stays_as_it_was(parts: Parts) -> None:
    base, *_ = await objects_of(parts)
    path = await parts.objects.local_path(base.key)
    assert path is not None
    flip(path)
    damaged = path.read_bytes()

    async def nobody(dataset: str, item: ObjectRef) -> bool:
        return False

    async def liar(dataset: str, item: ObjectRef) -> bool:
        copy = parts.scratch / "copy"
        copy.write_bytes(b"something else")
        await parts.objects.put_file(item.key, copy)
        return True

    for refetch in (None, nobody, liar):
        found = await verified(parts, repair=True, refetch=refetch)
        assert (found.sound, found.damaged_objects, found.refetched_objects) == (False, (base.key,), 0)
        assert path.read_bytes() == damaged


async def test_rows_are_not_judged_by_damaged_objects(parts: Parts) -> None:
    base, *_ = await objects_of(parts)
    path = await parts.objects.local_path(base.key)
    assert path is not None
    await tamper(parts, lambda rows: put(some(rows, [KEYS[50]]), "DLMC", "篡改"))
    flip(path)
    found = await verified(parts, repair=True)
    assert (found.sound, found.keys, found.repaired) == (False, (), 0)
    assert len(found.buckets) == 1


async def test_a_replica_need_not_have_the_rows_of_a_base_that_it_went_past(parts: Parts, tmp_path: Path) -> None:
    """Version 4 changes every row, so it has a base beside its delta; a replica that had version 3 needs the delta."""
    renamed = put(ROWS, "DLMC", "全改")
    await parts.publish(write_spool(tmp_path / "4.arrow", renamed), "attempt-4")
    await parts.publish(write_spool(tmp_path / "5.arrow", renamed.slice(1)), "attempt-5")
    manifest = (await parts.versions.read_manifest(DATASET, 4)).manifest
    assert manifest.bases
    for item in manifest.bases:
        await parts.objects.delete(item.key)
    for version in (1, 2, 3, 4):
        await parts.store.drop(DATASET, version)
    assert (await verified(parts)).damaged_objects == tuple(item.key for item in manifest.bases)
    replica = Held(own=False)
    assert (await verified(parts, held=replica)).sound
    before = await parts.rows(5)
    await tamper(parts, lambda rows: put(some(rows, KEYS[20:22]), "DLMC", "篡改"), version=5)
    found = await verified(parts, held=replica, repair=True)
    assert (found.sound, found.repaired) == (True, 2)
    assert (await parts.rows(5)).equals(before)
    base, *_ = await objects_of(parts)
    await parts.objects.delete(base.key)
    found = await verified(parts, held=replica)
    assert base.key in found.damaged_objects
