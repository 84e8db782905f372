"""What every feature store does with versions; see guotu.model.ports.FeatureStore."""

import asyncio
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pytest

from guotu.model.collection import GeometryType
from guotu.model.errors import StoreFailure, UnknownVersion
from guotu.model.ports import FeatureStore, Grouping, Scan, StoredVersion
from guotu.model.schema import arrow_schema
from tests.support.features import parcels, sample_collection, write_chunks
from tests.support.stores import fetch, make_store

pytestmark = pytest.mark.asyncio(loop_scope="module")

ROOT = Path(__file__).parents[2]
DATASET = "510000/tb"
COLLECTION = sample_collection()
EVERYTHING = Scan(COLLECTION.column_names)


async def load(store: FeatureStore, folder: Path, table: pa.Table, version: int = 1) -> None:
    await store.stage(DATASET, version, COLLECTION, write_chunks(folder / f"v{version}", table, 40))
    await store.activate(DATASET, version)


async def test_a_staged_version_is_out_of_sight_until_activated(features: FeatureStore, tmp_path: Path) -> None:
    chunks = write_chunks(tmp_path, parcels(100), 40)
    assert await features.stage(DATASET, 1, COLLECTION, chunks) == 100
    assert await features.versions() == []
    with pytest.raises(UnknownVersion) as raised:
        await fetch(features, COLLECTION, EVERYTHING)
    assert raised.value.facts == {"dataset": DATASET, "version": 1}
    with pytest.raises(UnknownVersion):
        await features.aggregate(DATASET, 1, COLLECTION, Grouping((), ()))
    await features.activate(DATASET, 1)
    await features.activate(DATASET, 1)
    assert await features.versions() == [StoredVersion(DATASET, 1, 100)]
    assert (await fetch(features, COLLECTION, EVERYTHING)).num_rows == 100


async def test_rows_come_back_as_they_were_in_the_order_of_the_chunks(features: FeatureStore, tmp_path: Path) -> None:
    table = parcels(1000)
    await load(features, tmp_path, table)
    found = await fetch(features, COLLECTION, EVERYTHING)
    assert found.schema.equals(arrow_schema(COLLECTION), check_metadata=True)
    assert found.equals(table)
    assert (await fetch(features, COLLECTION, EVERYTHING)).equals(found)


async def test_the_order_of_chunks_is_the_order_given_not_that_of_their_names(
    features: FeatureStore, tmp_path: Path
) -> None:
    table = parcels(100)
    chunks = write_chunks(tmp_path, table, 40)
    await features.stage(DATASET, 1, COLLECTION, [chunks[2], chunks[0], chunks[1]])
    await features.activate(DATASET, 1)
    expected = pa.concat_tables([table.slice(80), table.slice(0, 40), table.slice(40, 40)])
    assert (await fetch(features, COLLECTION, EVERYTHING)).equals(expected)


async def test_versions_are_listed_in_order_and_do_not_mix(features: FeatureStore, tmp_path: Path) -> None:
    for version in (10, 9, 1):
        await load(features, tmp_path, parcels(10 + version, seed=version), version)
    await features.stage("110000/tb", 3, COLLECTION, write_chunks(tmp_path / "b", parcels(5), 5))
    await features.activate("110000/tb", 3)
    listed = [(item.dataset, item.version, item.rows) for item in await features.versions()]
    assert listed == [("110000/tb", 3, 5), (DATASET, 1, 11), (DATASET, 9, 19), (DATASET, 10, 20)]
    assert (await fetch(features, COLLECTION, EVERYTHING, version=9)).equals(parcels(19, seed=9))


async def test_staging_again_replaces_what_was_staged(features: FeatureStore, tmp_path: Path) -> None:
    await features.stage(DATASET, 1, COLLECTION, write_chunks(tmp_path / "a", parcels(10), 10))
    await load(features, tmp_path, parcels(20, seed=2))
    assert (await fetch(features, COLLECTION, EVERYTHING)).equals(parcels(20, seed=2))


async def test_staging_a_readable_version_again_leaves_it_readable_until_activated(
    features: FeatureStore, tmp_path: Path
) -> None:
    await load(features, tmp_path, parcels(10))
    await features.stage(DATASET, 1, COLLECTION, write_chunks(tmp_path / "again", parcels(20), 10))
    assert (await fetch(features, COLLECTION, EVERYTHING)).num_rows == 10
    await features.activate(DATASET, 1)
    assert (await fetch(features, COLLECTION, EVERYTHING)).num_rows == 20
    assert len(await features.versions()) == 1


async def test_what_was_never_staged_cannot_be_activated(features: FeatureStore) -> None:
    with pytest.raises(UnknownVersion):
        await features.activate(DATASET, 1)


async def test_drop_removes_staged_and_active_versions_and_nothing_else(features: FeatureStore, tmp_path: Path) -> None:
    await load(features, tmp_path, parcels(10), 1)
    await load(features, tmp_path, parcels(10), 2)
    await features.stage(DATASET, 3, COLLECTION, write_chunks(tmp_path / "c", parcels(10), 10))
    for version in (1, 3, 7):
        await features.drop(DATASET, version)
    assert [item.version for item in await features.versions()] == [2]
    with pytest.raises(UnknownVersion):
        await features.activate(DATASET, 3)
    with pytest.raises(UnknownVersion):
        await fetch(features, COLLECTION, EVERYTHING)


async def test_a_scan_that_has_begun_survives_the_drop_of_its_version(features: FeatureStore, tmp_path: Path) -> None:
    table = parcels(60_000)
    await features.stage(DATASET, 1, COLLECTION, write_chunks(tmp_path / "a", table, 20_000))
    await features.activate(DATASET, 1)
    rows = features.scan(DATASET, 1, COLLECTION, EVERYTHING)
    found = [await anext(rows)]
    await features.drop(DATASET, 1)
    await load(features, tmp_path, parcels(500, seed=5), 2)
    found += [batch async for batch in rows]
    assert pa.Table.from_batches(found).equals(table)


async def test_an_empty_version_answers(features: FeatureStore, tmp_path: Path) -> None:
    assert await features.stage(DATASET, 1, COLLECTION, []) == 0
    assert await features.stage(DATASET, 2, COLLECTION, write_chunks(tmp_path, parcels(0), 10)) == 0
    for version in (1, 2):
        await features.activate(DATASET, version)
        assert (await fetch(features, COLLECTION, EVERYTHING, version=version)).num_rows == 0


async def test_a_collection_without_geometry(features: FeatureStore, tmp_path: Path) -> None:
    plain, table = sample_collection(GeometryType.NONE), parcels(100).drop_columns("geometry")
    await features.stage(DATASET, 1, plain, write_chunks(tmp_path, table, 40))
    await features.activate(DATASET, 1)
    assert (await fetch(features, plain, Scan(plain.column_names))).equals(table)


async def test_a_chunk_that_is_no_parquet_leaves_nothing(features: FeatureStore, tmp_path: Path) -> None:
    await load(features, tmp_path, parcels(10))
    good, bad = write_chunks(tmp_path / "a", parcels(10), 10)[0], tmp_path / "bad.parquet"
    bad.write_bytes(good.read_bytes()[:1000])
    for chunks in ([good, bad], [good, tmp_path / "missing.parquet"]):
        with pytest.raises(StoreFailure, match="staging 510000/tb@2"):
            await features.stage(DATASET, 2, COLLECTION, chunks)
        with pytest.raises(UnknownVersion):
            await features.activate(DATASET, 2)
    assert [item.version for item in await features.versions()] == [1]


async def test_versions_outlive_the_process_and_staged_ones_do_not(kind: str, tmp_path: Path) -> None:
    store = make_store(kind, tmp_path / "store")
    await store.open()
    await load(store, tmp_path, parcels(50), 1)
    await store.stage(DATASET, 2, COLLECTION, write_chunks(tmp_path / "b", parcels(10), 10))
    await store.close()
    again = make_store(kind, tmp_path / "store")
    await again.open()
    try:
        assert [item.version for item in await again.versions()] == [1]
        with pytest.raises(UnknownVersion):
            await again.activate(DATASET, 2)
        assert (await fetch(again, COLLECTION, EVERYTHING)).equals(parcels(50))
    finally:
        await again.close()


async def kill_while_staging(kind: str, folder: Path, chunk: Path, moment: str) -> None:
    """Stage version 2 in a process of its own and kill it."""
    repeats = "3" if moment == "when staged" else "30"
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.support.stores", kind, str(folder), str(chunk), repeats),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert child.stdout
    assert await child.stdout.readline() == b"staging\n"
    if moment == "when staged":
        assert await child.stdout.readline() == b"staged\n"
    elif moment == "in the middle":
        await asyncio.sleep(0.4)
    child.kill()
    assert await child.stdout.read() == b""
    assert await child.wait() == -signal.SIGKILL


@pytest.mark.parametrize("moment", ["at once", "in the middle", "when staged"])
async def test_a_process_killed_while_staging_leaves_the_old_versions_whole(
    kind: str, tmp_path: Path, moment: str
) -> None:
    store = make_store(kind, tmp_path / "store")
    await store.open()
    await load(store, tmp_path, parcels(50), 1)
    await store.close()
    (chunk,) = write_chunks(tmp_path / "big", parcels(20_000), 20_000)
    await kill_while_staging(kind, tmp_path / "store", chunk, moment)
    await store.open()
    try:
        assert [item.version for item in await store.versions()] == [1]
        with pytest.raises(UnknownVersion):
            await store.activate(DATASET, 2)
        assert (await fetch(store, COLLECTION, EVERYTHING)).equals(parcels(50))
        await load(store, tmp_path, parcels(30), 2)
        assert (await fetch(store, COLLECTION, EVERYTHING, version=2)).equals(parcels(30))
    finally:
        await store.close()


async def test_staging_that_is_cancelled_leaves_nothing(features: FeatureStore, tmp_path: Path) -> None:
    (chunk,) = write_chunks(tmp_path / "big", parcels(20_000), 20_000)
    staging = asyncio.create_task(features.stage(DATASET, 1, COLLECTION, [chunk] * 30))
    await asyncio.sleep(0.3)
    assert not staging.done()
    staging.cancel()
    started = time.monotonic()
    with pytest.raises(asyncio.CancelledError):
        await staging
    assert time.monotonic() - started < 3
    with pytest.raises(UnknownVersion):
        await features.activate(DATASET, 1)
    await load(features, tmp_path, parcels(30), 1)
    assert (await fetch(features, COLLECTION, EVERYTHING)).equals(parcels(30))
