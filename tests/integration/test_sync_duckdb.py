"""Publishing to and loading into the real store: layers and increments, a lost store, a filled one."""

from collections.abc import AsyncIterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from guotu.model.errors import StoreFailure
from guotu.model.ports import FeatureStore
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
