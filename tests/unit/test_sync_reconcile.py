import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest

from guotu.model.definition import collection_to_json
from guotu.model.errors import CorruptObject
from sync.load import LOAD_STEPS
from sync.pointer import Pointer, head_key, list_entries, read_head, version_key
from sync.publish import STEPS
from sync.reconcile import Reconciled, reconcile
from tests.support.memory_store import MemoryStore
from tests.support.publish_parts import Parts
from tests.support.sync_samples import DATASET, NODE, PARCELS, TABLE, as_rows, parcels, write_spool

ROOT = Path(__file__).parents[2]
OTHER = f"{NODE}/qsdm"


async def publish(parts: Parts, folder: Path, *counts: int) -> None:
    for count in counts:
        await parts.publish(write_spool(folder / f"{count}.arrow", parcels(count)), f"w-{count}")


async def publish_other(parts: Parts, folder: Path) -> None:
    spool = write_spool(folder / "table.arrow", as_rows(TABLE, {"DM": [1], "MC": ["村"]}))
    await parts.publish(spool, "t", dataset=OTHER, collection=TABLE)


async def readable(parts: Parts) -> list[tuple[str, int, int]]:
    return [(item.dataset, item.version, item.rows) for item in await parts.store.versions()]


async def test_nothing_to_do(tmp_path: Path) -> None:
    assert (await Parts(tmp_path).start()).records == ()
    await publish(Parts(tmp_path), tmp_path, 50, 51)
    found = await Parts(tmp_path).start()
    assert (found.loaded, found.dropped, found.failed) == ((), (), {})
    assert [(item.dataset, item.version, item.rows) for item in found.records] == [(DATASET, 2, 51)]


async def test_a_lost_store_is_loaded_from_objects(tmp_path: Path) -> None:
    await publish(Parts(tmp_path), tmp_path, 50, 51)
    for path in (tmp_path / "store").iterdir():
        path.unlink()
    parts = Parts(tmp_path)
    assert (await parts.start()).loaded == (DATASET,)
    assert await readable(parts) == [(DATASET, 2, 51)]
    assert isinstance(parts.store, MemoryStore)
    assert parts.store.tidied == [(DATASET, 2)]


async def test_strays_in_the_store_are_dropped(tmp_path: Path) -> None:
    parts = Parts(tmp_path)
    await publish(parts, tmp_path, 50)
    for dataset, version in ((DATASET, 7), (OTHER, 1)):
        await parts.store.stage(dataset, version, PARCELS, lambda: iter(()))
        await parts.store.activate(dataset, version)
    found = await reconcile(parts.objects, parts.store, NODE)
    assert sorted(found.dropped) == [(DATASET, 7), (OTHER, 1)]
    assert await readable(parts) == [(DATASET, 1, 50)]


@pytest.mark.parametrize("damage", ["missing", "changed"])
async def test_a_corrupt_object_holds_up_its_dataset_only(tmp_path: Path, damage: str) -> None:
    first = Parts(tmp_path)
    await publish(first, tmp_path, 50)
    await publish_other(first, tmp_path)
    (chunk,) = (await first.versions.read_manifest(DATASET)).manifest.objects
    path = await first.objects.local_path(chunk.key)
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-1] + b"x")
    for stored in (tmp_path / "store").iterdir():
        stored.unlink()
    parts = Parts(tmp_path)
    found = await parts.start()
    assert isinstance(found.failed[DATASET], CorruptObject)
    assert found.failed[DATASET].facts["object"] == chunk.key
    assert (found.loaded, [item.dataset for item in found.records]) == ((OTHER,), [OTHER])
    assert await readable(parts) == [(OTHER, 1, 1)]


async def test_an_unreadable_head_keeps_what_there_is(tmp_path: Path) -> None:
    parts = Parts(tmp_path)
    await publish(parts, tmp_path, 50, 51)
    (await parts.objects.local_path(head_key(DATASET))).write_bytes(b"{}")
    before = await parts.objects.keys("")
    found = await reconcile(parts.objects, parts.store, NODE)
    assert isinstance(found.failed[DATASET], CorruptObject)
    assert found.dropped == ()
    assert await parts.objects.keys("") == before
    assert len(await parts.store.versions()) == 2


@pytest.mark.parametrize("damage", ["missing", "changed"])
async def test_a_head_without_its_definition_is_not_readable(tmp_path: Path, damage: str) -> None:
    first = Parts(tmp_path)
    await publish(first, tmp_path, 50)
    (path,) = (tmp_path / "objects" / "definitions").iterdir()
    if damage == "missing":
        path.unlink()
    else:
        other = dataclasses.replace(PARCELS, fields=PARCELS.fields[:-1])
        path.write_bytes(collection_to_json(other))
    for stored in (tmp_path / "store").iterdir():
        stored.unlink()
    found = await Parts(tmp_path).start()
    assert isinstance(found.failed[DATASET], CorruptObject)
    assert str(found.failed[DATASET].facts["object"]).startswith("definitions/")
    assert found.records == ()


async def test_what_was_imported_is_made_readable_and_what_is_on_its_way_stays(tmp_path: Path) -> None:
    await publish(Parts(tmp_path), tmp_path, 50, 51)
    for path in (tmp_path / "store").iterdir():
        path.unlink()
    parts = Parts(tmp_path)
    coming = Pointer(DATASET, 3, "0" * 64, "w-3").to_bytes()
    await parts.objects.put_if_absent(version_key(DATASET, 3), coming)
    await parts.store.open()
    found = await reconcile(parts.objects, parts.store, "110000")
    assert (found.loaded, found.dropped) == ((DATASET,), ())
    assert [(item.dataset, item.version, item.node) for item in found.records] == [(DATASET, 2, NODE)]
    assert await parts.objects.get(version_key(DATASET, 3)) is not None


async def test_replicas_are_left_to_replication(tmp_path: Path) -> None:
    await publish(Parts(tmp_path), tmp_path, 50, 51)
    for path in (tmp_path / "store").iterdir():
        path.unlink()
    parts = Parts(tmp_path)
    await parts.store.open()
    found = await reconcile(parts.objects, parts.store, "110000", {DATASET})
    assert found == Reconciled((), (), (), {})
    assert await readable(parts) == []


async def test_a_head_without_its_entry_gets_it_back(tmp_path: Path) -> None:
    parts = Parts(tmp_path)
    await publish(parts, tmp_path, 50)
    await parts.objects.delete(version_key(DATASET, 1))
    assert (await parts.start()).dropped == ()
    assert [item.version for item in await parts.versions.list_versions(DATASET)] == [1]


def killed_at(step: str, folder: Path, *publish: str) -> None:
    command = [sys.executable, "-m", "tests.support.publish_parts", str(folder), step, *publish]
    assert subprocess.run(command, cwd=ROOT, timeout=300, check=False).returncode == -9


async def check_after_kill(folder: Path, step: str, versions: list[tuple[str, int, int]]) -> None:
    """Restart: the store answers from the head, whole, and there is nothing else in it; publishing goes on."""
    parts = Parts(folder)
    found = await parts.start()
    assert found.failed == {}
    assert await readable(parts) == versions
    head = await read_head(parts.objects, DATASET)
    assert (head.pointer.version if head else 0) == len(versions)
    assert (await list_entries(parts.objects)).get(DATASET, []) == [version for _, version, _ in versions]
    listed = await parts.versions.list_versions(DATASET) if versions else []
    assert [(item.dataset, item.version, item.rows) for item in listed] == versions[::-1]
    assert all(item.queryable for item in listed)
    assert list(parts.scratch.iterdir()) == []
    again = await parts.start()
    assert (again.loaded, again.dropped) == ((), ())


@pytest.mark.parametrize("step", STEPS)
async def test_killed_at_any_step_of_a_first_publish(tmp_path: Path, step: str) -> None:
    spool = write_spool(tmp_path / "new.arrow", parcels(60))
    killed_at(step, tmp_path, str(spool), "w-new")
    moved = STEPS.index(step) >= STEPS.index("head-moved")
    await check_after_kill(tmp_path, step, [(DATASET, 1, 60)] if moved else [])
    outcome = await restarted_publish(tmp_path, spool)
    assert outcome == (True, 1)


@pytest.mark.parametrize("step", STEPS)
async def test_killed_at_any_step_of_a_later_publish(tmp_path: Path, step: str) -> None:
    await publish(Parts(tmp_path), tmp_path, 50)
    spool = write_spool(tmp_path / "new.arrow", parcels(60))
    killed_at(step, tmp_path, str(spool), "w-new")
    moved = STEPS.index(step) >= STEPS.index("head-moved")
    await check_after_kill(tmp_path, step, [(DATASET, 1, 50), (DATASET, 2, 60)][: 1 + moved])
    assert await restarted_publish(tmp_path, spool) == (True, 2)


@pytest.mark.parametrize("step", LOAD_STEPS)
async def test_killed_at_any_step_of_a_start(tmp_path: Path, step: str) -> None:
    await publish(Parts(tmp_path), tmp_path, 50, 60)
    head = tmp_path / "store" / f"{DATASET.replace('/', '+')}@2.parquet"
    head.unlink()
    killed_at(step, tmp_path)
    await check_after_kill(tmp_path, step, [(DATASET, 1, 50), (DATASET, 2, 60)])


async def restarted_publish(folder: Path, spool: Path) -> tuple[bool, int]:
    """Publish the same again with the same write id, as a client does that lost its answer."""
    parts = Parts(folder)
    await parts.start()
    outcome = await parts.publish(spool, "w-new")
    assert (await parts.versions.read_manifest(DATASET)).manifest == outcome.manifest
    return outcome.published, outcome.manifest.version
