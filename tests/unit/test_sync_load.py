from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from guotu.model.errors import CorruptObject, StoreFailure
from sync.datafile import describe_file
from sync.delta import OLD
from sync.load import LOAD_STEPS, make_readable
from sync.manifest import DELTA, Manifest
from sync.proof import digest_of_state
from tests.support.histories import Layer, publish_layer, rows_of
from tests.support.memory_store import MemoryStore
from tests.support.publish_parts import Parts
from tests.support.sync_samples import DATASET, PARCELS

Rewrite = Callable[[pa.Table], pa.Table]
FIRST: Layer = {f"k{number:02d}": ("水田", number) for number in range(40)}


def layer(version: int) -> Layer:
    return {**FIRST, "k00": (f"第{version}版", version), f"n{version}": ("新", 50 + version)}


@pytest.fixture
async def parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Parts:
    """Versions 1 to 4; the third is a base too."""
    made = Parts(tmp_path)
    for number in range(1, 5):
        monkeypatch.setattr("sync.bases.MOST_DELTA_SHARE", 0.1 if number == 3 else 99)
        await publish_layer(made, tmp_path, layer(number), f"w-{number}")
    return made


async def manifest_of(parts: Parts, version: int) -> Manifest:
    return (await parts.versions.read_manifest(DATASET, version)).manifest


async def store_with(parts: Parts, *versions: int) -> MemoryStore:
    """A store that can read some versions."""
    store = MemoryStore()
    for version in versions:
        await make_readable(parts.objects, store, await manifest_of(parts, version))
    return store


async def readable(store: MemoryStore) -> list[int]:
    return [item.version for item in await store.versions()]


async def damage(parts: Parts, key: str, change: Callable[[Path], None]) -> None:
    path = await parts.objects.local_path(key)
    assert path is not None
    change(path)


@pytest.mark.parametrize(
    ("held", "wanted", "loaded"),
    [((), 1, [1]), ((), 2, [1, 2]), ((), 3, [3]), ((), 4, [3, 4]), ((1,), 2, [1, 2]), ((1, 2), 3, [1, 2, 3]),
     ((1,), 4, [1, 3, 4]), ((4,), 4, [3, 4]), ((4,), 2, [1, 2, 3, 4])],
)  # fmt: skip
async def test_the_way_to_a_version(parts: Parts, held: tuple[int, ...], wanted: int, loaded: list[int]) -> None:
    store = await store_with(parts, *held)
    before = await readable(store)
    done = await make_readable(parts.objects, store, await manifest_of(parts, wanted))
    assert done == (wanted not in before)
    assert await readable(store) == loaded
    rows = pa.Table.from_batches([batch async for batch in store.stored(DATASET, wanted, PARCELS)])
    expected = rows_of(layer(wanted)).sort_by("BSM")
    assert rows.select(expected.column_names).sort_by("BSM").to_pylist() == expected.to_pylist()
    state = await store.state(DATASET, wanted)
    assert digest_of_state(state).hex == (await manifest_of(parts, wanted)).digest
    assert state == await parts.store.state(DATASET, wanted)


async def test_without_its_base_objects_a_base_is_reached_by_deltas(parts: Parts) -> None:
    third = await manifest_of(parts, 3)
    await damage(parts, third.bases[0].key, Path.unlink)
    store = MemoryStore()
    await make_readable(parts.objects, store, third)
    assert await readable(store) == [1, 2, 3]


async def test_without_its_delta_a_base_is_loaded_whole(parts: Parts) -> None:
    third, store = await manifest_of(parts, 3), await store_with(parts, 1, 2)
    await damage(parts, third.deltas[0].key, Path.unlink)
    await make_readable(parts.objects, store, third)
    assert await readable(store) == [1, 2, 3]


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize(
    ("change", "text"),
    [(Path.unlink, "missing"), (lambda path: path.write_bytes(path.read_bytes()[:-1] + b"x"), "another hash")],
)
async def test_a_damaged_object_is_told(parts: Parts, version: int, change: Callable[[Path], None], text: str) -> None:
    item = (await manifest_of(parts, version)).objects[0]
    await damage(parts, item.key, change)
    store = MemoryStore()
    with pytest.raises(CorruptObject, match=text) as caught:
        await make_readable(parts.objects, store, await manifest_of(parts, 2))
    assert caught.value.facts["object"] == item.key
    assert (await readable(store), store.staged()) == ([1] if version == 2 and text != "missing" else [], [])


async def rewritten(
    parts: Parts, manifest: Manifest, tmp_path: Path, change: Callable[[pa.Table], pa.Table]
) -> Manifest:
    """Return a manifest whose first object has other rows, well hashed."""
    item = manifest.objects[0]
    old = await parts.objects.local_path(item.key)
    pq.write_table(change(pq.ParquetFile(old).read()), tmp_path / "other")
    file = describe_file(tmp_path / "other", item.rows, item.extent)
    await parts.objects.put_file(file.key, file.path)
    return replace(manifest, objects=(file.reference(item.kind), *manifest.objects[1:]))


def renamed(rows: pa.Table) -> pa.Table:
    at = rows.column_names.index("DLMC")
    return rows.set_column(at, rows.schema.field(at), pa.array(["别"] * rows.num_rows))


def other_old(rows: pa.Table) -> pa.Table:
    at = rows.column_names.index(OLD)
    return rows.set_column(at, rows.schema.field(at), pa.array([b"12345678"] * rows.num_rows, pa.binary(8)))


@pytest.mark.parametrize(
    ("version", "change", "text"),
    [(1, renamed, "its rows have the digest"), (2, renamed, "its rows have the digest"),
     (2, other_old, "replaces other rows"), (2, lambda rows: rows.drop_columns("DLMC"), "not a delta of dltb"),
     (1, lambda rows: rows.drop_columns("DLMC"), "not a chunk of dltb"),
     (1, lambda rows: rows.slice(1), "its rows have the digest")],
)  # fmt: skip
async def test_other_rows_are_not_let_in(
    parts: Parts, tmp_path: Path, version: int, change: Rewrite, text: str
) -> None:
    store = await store_with(parts, *range(1, version))
    wrong = await rewritten(parts, await manifest_of(parts, version), tmp_path, change)
    with pytest.raises(CorruptObject, match=text):
        await make_readable(parts.objects, store, wrong)
    assert (await readable(store), store.staged()) == (list(range(1, version)), [])


async def test_what_is_no_parquet_is_told(parts: Parts, tmp_path: Path) -> None:
    manifest = await manifest_of(parts, 1)
    (tmp_path / "text").write_bytes(b"no parquet at all")
    file = describe_file(tmp_path / "text", manifest.rows, None)
    await parts.objects.put_file(file.key, file.path)
    with pytest.raises(CorruptObject, match="not a chunk"):
        await make_readable(parts.objects, MemoryStore(), replace(manifest, objects=(file.reference("base"),)))


@pytest.mark.parametrize("step", LOAD_STEPS)
async def test_a_failure_at_any_step_leaves_what_was_there(parts: Parts, step: str) -> None:
    def fail(done: str) -> None:
        if done == step:
            raise StoreFailure(detail="disk full")

    store, manifest = await store_with(parts, 1), await manifest_of(parts, 2)
    with pytest.raises(StoreFailure, match="disk full"):
        await make_readable(parts.objects, store, manifest, checkpoint=fail)
    assert (await readable(store), store.staged()) == ([1, 2] if step == LOAD_STEPS[-1] else [1], [])
    await make_readable(parts.objects, store, manifest)
    assert await readable(store) == [1, 2]


async def test_steps_and_progress(parts: Parts) -> None:
    told: list[tuple[str, int, int]] = []
    steps: list[str] = []
    await make_readable(
        parts.objects, MemoryStore(), await manifest_of(parts, 2), checkpoint=steps.append,
        progress=lambda *words: told.append(words),
    )  # fmt: skip
    assert steps == [*LOAD_STEPS, *LOAD_STEPS]
    assert {stage for stage, _, _ in told} == {"load"}
    assert ("load", 41, 41) in told
    assert told[-1][1] == told[-1][2] == (await manifest_of(parts, 2)).deltas[0].rows


async def test_a_part_is_kept_over_deltas(parts: Parts) -> None:
    def keep(rows: pa.RecordBatch) -> np.ndarray:
        return rows["_xmin"].to_numpy(zero_copy_only=False) < 105

    store = MemoryStore()
    for version in (1, 2):
        await make_readable(parts.objects, store, await manifest_of(parts, version), keep=keep)
        rows = [row["BSM"] async for batch in store.stored(DATASET, version, PARCELS) for row in batch.to_pylist()]
        expected = [key for key, (_, at) in layer(version).items() if at % 20 < 5]
        assert sorted(rows) == sorted(expected)


async def test_objects_that_are_not_needed_are_not_asked_for(parts: Parts) -> None:
    first = await manifest_of(parts, 1)
    await damage(parts, first.objects[0].key, Path.unlink)
    store = MemoryStore()
    await make_readable(
        parts.objects, store, await manifest_of(parts, 2), keep=lambda rows: np.ones(rows.num_rows, bool),
        needs=lambda item: item.kind == DELTA,
    )  # fmt: skip
    assert [item.rows for item in await store.versions()] == [0, 2]
