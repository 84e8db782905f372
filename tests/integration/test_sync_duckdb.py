"""Publishing to and loading into the real store: layers and increments, a lost store, a filled one."""

from collections.abc import AsyncIterator
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from guotu.model.errors import StoreFailure
from guotu.model.ports import FeatureStore, Scan
from sync.load import make_readable
from tests.support.histories import write_keys
from tests.support.publish_parts import Parts
from tests.support.stores import make_store
from tests.support.sync_samples import DATASET, PARCELS, parcels, write_spool

ROWS = 3000


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[FeatureStore]:
    (tmp_path / "db").mkdir()
    made = make_store("duckdb", tmp_path / "db")
    await made.open()
    yield made
    await made.close()


def renamed(rows: pa.Table, name: str) -> pa.Table:
    return rows.set_column(1, rows.schema.field("DLMC"), pa.array([name] * rows.num_rows))


async def publish_three(parts: Parts, folder: Path) -> list[pa.Table]:
    """A layer, an increment, and the layer that is the first but for a part."""
    first = parcels(ROWS)
    changed, gone = renamed(first.slice(100, 30), "改"), first.slice(700, 20)
    new = parcels(10, seed=9, east=120.0)
    new = new.set_column(0, first.schema.field(0), pa.array([f"9{number:017d}" for number in range(10)]))
    keys = pa.concat_tables([changed, gone]).column("BSM").combine_chunks()
    second = pa.concat_tables([first.filter(pc.invert(pc.is_in(first["BSM"], keys))), changed, new])
    third = pa.concat_tables([first.slice(50), new])
    await parts.publish(write_spool(folder / "1", first), "w-1")
    deletes = write_keys(folder / "deletes", gone["BSM"].to_pylist())
    increment = write_spool(folder / "2", pa.concat_tables([changed, new]))
    outcome = await parts.publish(increment, "w-2", increment=True, deletes=deletes)
    assert (outcome.change.inserts, outcome.change.updates, outcome.change.deletes) == (10, 30, 20)
    outcome = await parts.publish(write_spool(folder / "3", third), "w-3")
    assert (outcome.change.inserts, outcome.change.updates, outcome.change.deletes) == (20, 30, 50)
    assert not outcome.manifest.base
    return [first, second, third]


async def test_layers_and_increments(tmp_path: Path, store: FeatureStore) -> None:
    parts = Parts(tmp_path, store=store)
    states = await publish_three(parts, tmp_path)
    for version, rows in enumerate(states, 1):
        stored = await parts.rows(version)
        assert stored.sort_by("BSM").equals(rows.sort_by("BSM")), version
    (tmp_path / "other").mkdir()
    other = make_store("duckdb", tmp_path / "other")
    await other.open()
    again = Parts(tmp_path, store=other)
    for version in (1, 2, 3):
        manifest = (await parts.versions.read_manifest(DATASET, version)).manifest
        assert await make_readable(again.objects, other, manifest)
        assert (await again.rows(version)).equals(await parts.rows(version))
        assert await other.state(DATASET, version) == await store.state(DATASET, version)
    await other.close()


async def test_a_base_is_due_after_increments(
    tmp_path: Path, store: FeatureStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = Parts(tmp_path, store=store)
    states = await publish_three(parts, tmp_path)
    monkeypatch.setattr("sync.bases.MOST_DELTA_SHARE", 0)
    changed = renamed(states[2].slice(40, 5), "再改")
    outcome = await parts.publish(write_spool(tmp_path / "4", changed), "w-4", increment=True)
    manifest = outcome.manifest
    assert (manifest.base, len(manifest.deltas), sum(item.rows for item in manifest.bases)) == (True, 1, ROWS - 40)
    (tmp_path / "other").mkdir()
    other = make_store("duckdb", tmp_path / "other")
    await other.open()
    await make_readable(parts.objects, other, manifest)
    assert [item.version for item in await other.versions()] == [4]
    assert (await Parts(tmp_path, store=other).rows(4, PARCELS)).equals(await parts.rows(4))
    await other.close()


async def scanned(store: FeatureStore, version: int) -> pa.Table:
    """The rows of a version as they lie, without the columns that the store keeps for itself."""
    found = [batch async for batch in store.scan(DATASET, version, PARCELS, Scan(PARCELS.column_names))]
    return pa.Table.from_batches(found)


async def test_a_base_beside_a_delta_gives_the_order_of_one_that_is_loaded_whole(
    tmp_path: Path, store: FeatureStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Publisher and follower answer alike, whether the follower came by the base or by the delta beside it."""
    parts = Parts(tmp_path, store=store)
    states = await publish_three(parts, tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr("sync.bases.MOST_DELTA_SHARE", 0)
        changed = renamed(states[2].slice(40, 5), "再改")
        base = (await parts.publish(write_spool(tmp_path / "4", changed), "w-4", increment=True)).manifest
    changed = renamed(states[2].slice(400, 5), "又改")
    last = (await parts.publish(write_spool(tmp_path / "5", changed), "w-5", increment=True)).manifest
    assert (base.base, bool(base.deltas), last.base) == (True, True, False)
    third = (await parts.versions.read_manifest(DATASET, 3)).manifest
    for name, way in (("whole", (base, last)), ("by delta", (third, base, last))):
        (tmp_path / name).mkdir()
        other = make_store("duckdb", tmp_path / name)
        await other.open()
        for manifest in way:
            await make_readable(parts.objects, other, manifest)
            assert (await scanned(other, manifest.version)).equals(await scanned(store, manifest.version)), name
        await other.close()
    inner = await parts.rows(5)
    assert not (await scanned(store, 5)).equals(inner)
    assert (await scanned(store, 4)).equals(await parts.rows(4))


async def test_a_store_of_another_format_is_made_again_from_the_objects(tmp_path: Path) -> None:
    folder = tmp_path / "db"
    folder.mkdir()
    parts = Parts(tmp_path, store=make_store("duckdb", folder))
    await parts.store.open()
    await publish_three(parts, tmp_path)
    before = await scanned(parts.store, 3)
    await parts.store.close()
    with duckdb.connect(str(folder / "store.duckdb")) as database:
        database.execute("DROP TABLE guotu_format")
    again = Parts(tmp_path, store=make_store("duckdb", folder))
    found = await again.start()
    assert (found.loaded, [item.version for item in found.records]) == ((DATASET,), [3])
    assert (await scanned(again.store, 3)).equals(before)
    await again.store.close()


async def test_two_rows_with_one_key_are_not_published(tmp_path: Path, store: FeatureStore) -> None:
    parts, rows = Parts(tmp_path, store=store), parcels(50)
    twice = pa.concat_tables([rows, renamed(rows.slice(3, 1), "重")])
    with pytest.raises(StoreFailure):
        await parts.publish(write_spool(tmp_path / "twice", twice), "w-1")
    await parts.publish(write_spool(tmp_path / "once", rows), "w-2")
    with pytest.raises(StoreFailure):
        await parts.publish(write_spool(tmp_path / "twice", twice), "w-3")
    part = pa.concat_tables([renamed(rows.slice(3, 1), "重"), renamed(rows.slice(3, 1), "又")])
    with pytest.raises(StoreFailure):
        await parts.publish(write_spool(tmp_path / "part", part), "w-4", increment=True)
    assert [item.version for item in await store.versions()] == [1]
