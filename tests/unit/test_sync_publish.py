import asyncio
import itertools
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from guotu.model.errors import InvalidInput, PublishConflict, StoreFailure
from guotu.model.ports import ObjectStore
from guotu.model.records import DatasetRecord
from sync.definition import definition_hash
from sync.definitions import definition_key
from sync.manifest import parse_manifest
from sync.pointer import Pointer, head_key, read_head, version_key
from sync.publish import STEPS
from sync.signed import manifest_key, signature_key
from sync.signing import verify
from sync.trust import fingerprint
from tests.support.publish_parts import Parts
from tests.support.sync_samples import DATASET, NODE, PARCELS, parcels, write_spool


@pytest.fixture
def spools(tmp_path: Path) -> Callable[..., Path]:
    numbers = itertools.count()

    def write(rows: pa.Table) -> Path:
        return write_spool(tmp_path / f"spool-{next(numbers)}.arrow", rows)

    return write


async def rows_of(parts: Parts, version: int) -> pa.Table:
    return (await parts.rows(version)).sort_by("BSM").combine_chunks()


async def test_first_publish(tmp_path: Path, spools: Callable[..., Path]) -> None:
    parts, rows = Parts(tmp_path), parcels(900)
    outcome = await parts.publish(spools(rows), "w-1", message="初始", source="a.gdb", notes={"repaired": 2})
    manifest = outcome.manifest
    assert outcome.published
    assert (manifest.version, manifest.parent, manifest.rows) == (1, "", 900)
    assert (manifest.message, manifest.source, manifest.notes) == ("初始", "a.gdb", {"repaired": 2})
    assert (manifest.crs, manifest.publisher, manifest.write_id) == ("EPSG:4490", "510000", "w-1")
    assert set(outcome.seconds) == {"digest", "layout", "write", "load", "commit"}
    assert (await rows_of(parts, 1)).equals(rows.sort_by("BSM").combine_chunks())
    assert list(parts.scratch.iterdir()) == []


async def test_what_is_stored(tmp_path: Path, spools: Callable[..., Path]) -> None:
    parts = Parts(tmp_path)
    outcome = await parts.publish(spools(parcels(50)), "w-1")
    name = outcome.manifest.name
    pointer = Pointer(DATASET, 1, name, "w-1").to_bytes()
    data = (await parts.objects.get(manifest_key(name)))[0]
    signature = (await parts.objects.get(signature_key(name)))[0]
    assert (await parts.objects.get(head_key(DATASET)))[0] == pointer
    assert (await parts.objects.get(version_key(DATASET, 1)))[0] == pointer
    assert parse_manifest(data) == outcome.manifest
    assert verify(parts.key.public_bytes, data, signature)
    (chunk,) = outcome.manifest.objects
    assert chunk.key == f"objects/sha256/{chunk.sha256[:2]}/{chunk.sha256}.parquet"
    path = await parts.objects.local_path(chunk.key)
    assert pq.ParquetFile(path).metadata.num_rows == chunk.rows == 50
    assert await parts.objects.keys("keys/") == [f"keys/{NODE}/{fingerprint(parts.key.public_bytes)}.pub"]
    assert await parts.objects.keys("definitions/") == [definition_key(definition_hash(PARCELS))]
    assert len(await parts.objects.keys("")) == 7


async def test_record_is_what_the_registry_is_told(tmp_path: Path, spools: Callable[..., Path]) -> None:
    outcome = await Parts(tmp_path).publish(spools(parcels(50)), "w-1")
    record, manifest = outcome.record, outcome.manifest
    assert (record.dataset, record.collection, record.node) == (DATASET, "dltb", "510000")
    assert (record.version, record.rows, record.extent) == (1, 50, manifest.extent)
    assert (record.manifest, record.digest) == (manifest.name, manifest.digest)
    assert (record.coverage_wkb.hex(), record.territory_m2) == (manifest.coverage, manifest.territory_m2)
    assert record.published_ms == manifest.published_ms


async def test_a_head_is_told_of_as_soon_as_it_can_be_read(tmp_path: Path, spools: Callable[..., Path]) -> None:
    told: list[object] = []
    parts = Parts(tmp_path, checkpoint=told.append)

    async def tell(record: DatasetRecord) -> None:
        told.append((record.version, [item.version for item in await parts.store.versions()]))

    await parts.publish(spools(parcels(50)), "w-1", tell=tell)
    assert told[-3:] == ["activated", (1, [1]), "tidied"]
    await parts.publish(spools(parcels(50)), "w-2", tell=tell)
    assert "tidied" not in told[len(STEPS) + 1 :]


async def test_versions_follow_each_other(tmp_path: Path, spools: Callable[..., Path]) -> None:
    parts = Parts(tmp_path)
    first = await parts.publish(spools(parcels(50)), "w-1")
    second = await parts.publish(spools(parcels(51)), "w-2")
    assert (second.manifest.version, second.manifest.parent) == (2, first.manifest.name)
    assert [(item.version, item.rows) for item in await parts.store.versions()] == [(1, 50), (2, 51)]


async def test_same_rows_make_no_version(tmp_path: Path, spools: Callable[..., Path]) -> None:
    parts, rows = Parts(tmp_path), parcels(50)
    first = await parts.publish(spools(rows), "w-1")
    before = await parts.objects.keys("")
    again = await parts.publish(spools(rows.take(pa.array(range(49, -1, -1)))), "w-2")
    assert not again.published
    assert again.manifest == first.manifest
    assert await parts.objects.keys("") == before


async def test_one_changed_value_makes_a_version(tmp_path: Path, spools: Callable[..., Path]) -> None:
    parts, columns = Parts(tmp_path), parcels(50).to_pydict()
    await parts.publish(spools(parcels(50)), "w-1")
    columns["TBMJ"][17] += 0.01
    schema = parcels(1).schema
    outcome = await parts.publish(spools(pa.table(columns, schema)), "w-2")
    assert (outcome.published, outcome.manifest.version) == (True, 2)


async def test_empty_layer(tmp_path: Path, spools: Callable[..., Path]) -> None:
    parts = Parts(tmp_path)
    await parts.publish(spools(parcels(50)), "w-1")
    outcome = await parts.publish(spools(parcels(0)), "w-2")
    assert (outcome.published, outcome.manifest.rows, outcome.record.extent) == (True, 0, None)
    assert (outcome.manifest.coverage, outcome.manifest.bases) == ("", ())
    assert [item.rows for item in await parts.store.versions()] == [50, 0]


async def test_asking_again_with_the_same_write_id(tmp_path: Path, spools: Callable[..., Path]) -> None:
    parts = Parts(tmp_path)
    first = await parts.publish(spools(parcels(50)), "w-1")
    again = await parts.publish(spools(parcels(50)), "w-1")
    assert (again.published, again.manifest) == (True, first.manifest)
    assert len(await parts.store.versions()) == 1


async def test_only_own_datasets(tmp_path: Path, spools: Callable[..., Path]) -> None:
    parts, spool = Parts(tmp_path), spools(parcels(5))
    for dataset in ("510100/dltb", "510000/xzq", "dltb"):
        with pytest.raises(InvalidInput, match="not this node's dataset"):
            await parts.publish(spool, "w", dataset=dataset)


async def test_progress_is_told_in_the_event_loop(tmp_path: Path, spools: Callable[..., Path]) -> None:
    told: list[tuple[str, int, int]] = []

    def listen(stage: str, rows: int, total: int) -> None:
        asyncio.get_running_loop()
        told.append((stage, rows, total))

    await Parts(tmp_path).publish(spools(parcels(2500)), "w-1", progress=listen)
    stages = [stage for stage, _ in itertools.groupby(told, key=lambda item: item[0])]
    assert stages == ["digest", "layout", "write", "load", "commit"]
    for stage in stages:
        rows = [done for name, done, _ in told if name == stage]
        assert rows == sorted(rows)
        assert (rows[0], rows[-1]) == (0, 2500)
    assert {total for _, _, total in told} == {2500}
    assert len([1 for stage, _, _ in told if stage == "digest"]) > 4


async def test_two_publishes_at_once_follow_each_other(tmp_path: Path, spools: Callable[..., Path]) -> None:
    parts = Parts(tmp_path)
    outcomes = await asyncio.gather(
        *(parts.publish(spools(parcels(50 + number)), f"w-{number}") for number in range(3))
    )
    assert sorted(item.manifest.version for item in outcomes) == [1, 2, 3]


class Faulty:
    """An object store whose conditional writes do something else first."""

    def __init__(self, store: ObjectStore, before: Callable[[str, str], Awaitable[bool | None]]) -> None:
        self._store = store
        self._before = before

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    async def put_if_absent(self, key: str, data: bytes) -> bool:
        return await self._conditional("absent", key, self._store.put_if_absent(key, data))

    async def put_if_match(self, key: str, data: bytes, etag: str | None) -> bool:
        return await self._conditional("match", key, self._store.put_if_match(key, data, etag))

    async def _conditional(self, kind: str, key: str, write: Awaitable[bool]) -> bool:
        instead = await self._before(kind, key)
        done = await write
        if instead is None:
            return done
        if instead:
            raise StoreFailure(detail="the connection broke")
        return False


@pytest.mark.parametrize("broken", [True, False])
@pytest.mark.parametrize("prefix", ["versions/", "heads/"])
async def test_a_lost_answer_is_no_failure(
    tmp_path: Path, spools: Callable[..., Path], prefix: str, broken: bool
) -> None:
    async def lose_answer(kind: str, key: str) -> bool | None:
        return broken if key.startswith(prefix) else None

    parts = Parts(tmp_path, wrap=lambda store: Faulty(store, lose_answer))
    outcome = await parts.publish(spools(parcels(50)), "w-1")
    assert outcome.published
    assert (await read_head(parts.objects, DATASET)).pointer.write_id == "w-1"
    assert len(await parts.store.versions()) == 1


async def test_a_rival_that_took_the_version_wins(tmp_path: Path, spools: Callable[..., Path]) -> None:
    parts = Parts(tmp_path)
    await parts.publish(spools(parcels(50)), "w-1")
    rival = Pointer(DATASET, 2, "0" * 64, "rival").to_bytes()
    await parts.objects.put_if_absent(version_key(DATASET, 2), rival)
    with pytest.raises(PublishConflict) as caught:
        await parts.publish(spools(parcels(51)), "w-2")
    assert caught.value.facts == {"dataset": DATASET, "version": 2}
    assert (await parts.objects.get(version_key(DATASET, 2)))[0] == rival
    await assert_only_first(parts)


@pytest.mark.parametrize("before", ["versions/", "heads/"])
async def test_a_rival_that_moved_the_head_wins(tmp_path: Path, spools: Callable[..., Path], before: str) -> None:
    """Whether it came just before our write of the head, or earlier, and gave its number back."""
    rival = Pointer(DATASET, 1, "0" * 64, "rival").to_bytes()

    async def rival_first(kind: str, key: str) -> bool | None:
        if key.startswith(before) and await inner.get(head_key(DATASET)) is None:
            await inner.put_if_match(head_key(DATASET), rival, None)
        return None

    def keep(store: ObjectStore) -> ObjectStore:
        nonlocal inner
        inner = store
        return Faulty(store, rival_first)

    inner: ObjectStore
    parts = Parts(tmp_path, wrap=keep)
    with pytest.raises(PublishConflict):
        await parts.publish(spools(parcels(51)), "w-2")
    assert (await inner.get(head_key(DATASET)))[0] == rival
    assert await inner.get(version_key(DATASET, 1)) is None
    assert (await parts.store.versions(), parts.store.staged()) == ([], [])


async def assert_only_first(parts: Parts) -> None:
    assert (await read_head(parts.objects, DATASET)).pointer.version == 1
    assert [item.version for item in await parts.store.versions()] == [1]
    assert parts.store.staged() == []
    assert list(parts.scratch.iterdir()) == []


@pytest.mark.parametrize("step", STEPS)
async def test_a_failure_at_any_step_leaves_a_whole_version(
    tmp_path: Path, spools: Callable[..., Path], step: str
) -> None:
    failing = False

    def fail(done: str) -> None:
        if failing and done == step:
            raise StoreFailure(detail="disk full")

    parts, changed = Parts(tmp_path, checkpoint=fail), spools(parcels(51))
    await parts.publish(spools(parcels(50)), "w-1")
    failing = True
    with pytest.raises(StoreFailure, match="disk full"):
        await parts.publish(changed, "w-2")
    failing = False
    if STEPS.index(step) < STEPS.index("head-moved"):
        await assert_only_first(parts)
    outcome = await parts.publish(changed, "w-2")
    assert (outcome.published, outcome.manifest.version, outcome.manifest.rows) == (True, 2, 51)
    assert [item.version for item in await parts.store.versions()] == [1, 2]


@pytest.mark.parametrize("step", STEPS)
async def test_a_cancelled_publish_leaves_a_whole_version(
    tmp_path: Path, spools: Callable[..., Path], step: str
) -> None:
    def cancel(done: str) -> None:
        if task is not None and done == step:
            task.cancel()
            asyncio.get_running_loop().call_later(0.001, task.cancel)

    task: asyncio.Task[object] | None = None
    parts = Parts(tmp_path, checkpoint=cancel)
    await parts.publish(spools(parcels(50)), "w-1")
    task = asyncio.ensure_future(parts.publish(spools(parcels(51)), "w-2"))
    with pytest.raises(asyncio.CancelledError):
        await task
    # From the moment the rows are staged the commit is begun, and a commit that is begun is ended.
    if STEPS.index(step) < STEPS.index("staged"):
        await assert_only_first(parts)
    else:
        assert (await read_head(parts.objects, DATASET)).pointer.version == 2
        assert [item.version for item in await parts.store.versions()] == [1, 2]
    assert list(parts.scratch.iterdir()) == []


async def test_giving_a_failed_version_back_is_ended_even_if_nobody_waits(
    tmp_path: Path, spools: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def no_head(key: str, data: bytes, etag: str | None) -> bool:
        raise StoreFailure(detail="the disk is gone")

    async def cancelled_drop(dataset: str, version: int) -> None:
        task.cancel()
        await asyncio.sleep(0.01)
        await drop(dataset, version)

    parts = Parts(tmp_path)
    await parts.publish(spools(parcels(50)), "w-1")
    monkeypatch.setattr(parts.objects, "put_if_match", no_head)
    drop = parts.store.drop
    monkeypatch.setattr(parts.store, "drop", cancelled_drop)
    task = asyncio.ensure_future(parts.publish(spools(parcels(51)), "w-2"))
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await parts.objects.get(version_key(DATASET, 2)) is None
    await assert_only_first(parts)


async def test_objects_are_written_before_their_files_go_even_if_nobody_waits(
    tmp_path: Path, spools: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[str] = []

    async def cancelled_put(key: str, source: Path) -> None:
        task.cancel()
        await asyncio.sleep(0.01)
        await put_file(key, source)
        written.append(key)

    parts = Parts(tmp_path)
    put_file = parts.objects.put_file
    monkeypatch.setattr(parts.objects, "put_file", cancelled_put)
    task = asyncio.ensure_future(parts.publish(spools(parcels(50)), "w-1"))
    with pytest.raises(asyncio.CancelledError):
        await task
    assert written
    assert written == await parts.objects.keys("objects/")


async def test_a_head_that_the_store_lost_is_loaded_to_the_end_even_if_nobody_waits(
    tmp_path: Path, spools: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def cancelled_activate(dataset: str, version: int, state: bytes = b"") -> None:
        task.cancel()
        await asyncio.sleep(0.01)
        await activate(dataset, version, state)

    await Parts(tmp_path).publish(spools(parcels(50)), "w-1")
    shutil.rmtree(tmp_path / "store")
    parts = Parts(tmp_path)
    activate = parts.store.activate
    monkeypatch.setattr(parts.store, "activate", cancelled_activate)
    task = asyncio.ensure_future(parts.publish(spools(parcels(51)), "w-2"))
    with pytest.raises(asyncio.CancelledError):
        await task
    await assert_only_first(parts)


async def test_a_store_that_loses_rows_is_found_out(tmp_path: Path, spools: Callable[..., Path]) -> None:
    parts = Parts(tmp_path)
    stage = parts.store.stage

    async def lossy(*words: object) -> int:
        return await stage(*words) - 1

    parts.store.stage = lossy
    with pytest.raises(StoreFailure, match="49 rows staged of 50"):
        await parts.publish(spools(parcels(50)), "w-1")
    assert await read_head(parts.objects, DATASET) is None
    assert parts.store.staged() == []
