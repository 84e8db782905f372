"""Verification and repair of rows: damaged in a store, in whole replicas and in those of an area."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from numpy.typing import NDArray

from guotu.model.errors import StoreFailure, UnknownDataset, UntrustedKey
from guotu.model.ports import Scan
from guotu.model.schema import HASH, PLACE
from node.stores.duckdb.store import DuckDbStore
from sync.load import make_readable
from sync.verify import Held, Verification, Verifier
from tests.support.publish_parts import Parts
from tests.support.stores import make_store
from tests.support.sync_samples import DATASET, PARCELS, TABLE, as_rows, write_spool
from tests.support.verify_parts import KEYS, ROWS, put, some, tamper, three_versions, verified


@pytest.fixture(params=["memory", "duckdb"])
async def parts(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Parts]:
    """Three versions: all rows, ten rows fewer, and five of them changed."""
    made = await three_versions(request.param, tmp_path)
    yield made
    await made.store.close()


async def test_what_was_published_is_sound(parts: Parts) -> None:
    told: list[tuple[str, int, int]] = []
    verifier = Verifier(parts.objects, parts.store, progress=lambda *words: told.append(words))
    found = await verifier.verify(DATASET)
    assert found.sound
    assert (found.version, found.rows, found.digest) == (3, 890, found.expected)
    assert (found.buckets, found.keys, found.damaged_objects) == ((), (), ())
    assert {stage for stage, _, _ in told} == {"objects", "rows"}
    assert told[-1] == ("rows", 890, 890)


async def test_changed_missing_and_extra_rows_are_named_and_put_right(parts: Parts) -> None:
    before = await parts.rows(3)
    old = await parts.rows(1)

    def damage(rows: pa.Table) -> pa.Table:
        renamed = put(some(rows, KEYS[20:22]), "DLMC", "篡改")
        gone = some(rows, [KEYS[30]])
        for name in gone.schema.names:
            gone = gone if name in ("BSM", "_since") else put(gone, name, None)
        new = put(some(rows, [KEYS[40]]), "BSM", "999999999999999999")
        return pa.concat_tables([renamed, gone, new])

    await tamper(parts, damage)
    found = await verified(parts)
    assert not found.sound
    assert {(item.key, item.how) for item in found.keys} == {
        (KEYS[20], "changed"), (KEYS[21], "changed"), (KEYS[30], "missing"), ("999999999999999999", "extra"),
    }  # fmt: skip
    assert (found.differing, found.repaired) == (4, 0)
    assert 1 <= len(found.buckets) <= 4
    mended = await verified(parts, repair=True)
    assert mended.sound
    assert (mended.differing, mended.repaired, mended.buckets) == (4, 4, found.buckets)
    assert (await verified(parts)).differing == 0
    assert (await parts.rows(3)).equals(before)
    assert (await parts.rows(1)).sort_by("BSM").equals(old.sort_by("BSM"))


@pytest.mark.parametrize(
    ("column", "value"),
    [(HASH, b"\1" * 32), (PLACE, 7), ("_xmin", 1.5), ("geometry", b"not WKB"), ("TBMJ", 1.25), ("GXSJ", None)],
)
async def test_each_kind_of_damage_is_seen(parts: Parts, column: str, value: object) -> None:
    try:
        await tamper(parts, lambda rows: put(some(rows, [KEYS[100]]), column, value))
    except StoreFailure:
        assert column == "geometry"  # a store may refuse what is no geometry
        return
    found = await verified(parts, repair=True)
    assert [(item.key, item.how) for item in found.keys] == [(KEYS[100], "changed")]
    assert (found.sound, found.repaired) == (True, 1)
    again = await verified(parts)
    assert (again.sound, again.buckets) == (True, ())


async def test_every_row_damaged_is_put_right_in_parts(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sync.replay._PASS_ROWS", 200)
    before = await parts.rows(3)
    await tamper(parts, lambda rows: put(rows, "DLMC", "全错"))
    found = await verified(parts, repair=True)
    assert (found.sound, found.differing, found.repaired, found.rows) == (True, 890, 890, 890)
    assert (await parts.rows(3)).equals(before)


async def test_after_a_repair_rows_are_in_order_again(parts: Parts) -> None:
    async def scanned() -> list[pa.RecordBatch]:
        return [batch async for batch in parts.store.scan(DATASET, 3, PARCELS, Scan(PARCELS.column_names))]

    before = pa.Table.from_batches(await scanned())
    await tamper(parts, lambda rows: put(some(rows, KEYS[20:22]), "DLMC", "篡改"))
    assert (await verified(parts, repair=True)).repaired == 2
    assert pa.Table.from_batches(await scanned()).equals(before)
    if isinstance(parts.store, DuckDbStore):
        assert not await parts.store.tidy(DATASET)


async def test_a_change_after_the_repair_finds_its_rows(parts: Parts, tmp_path: Path) -> None:
    await tamper(parts, lambda rows: put(some(rows, KEYS[20:22]), "DLMC", "篡改"))
    assert (await verified(parts, repair=True)).sound
    outcome = await parts.publish(write_spool(tmp_path / "4.arrow", ROWS), "attempt-4")
    assert outcome.change is not None
    assert (outcome.change.inserts, outcome.change.updates) == (10, 5)
    assert (await verified(parts)).sound


async def test_lost_sums_are_told_and_rows_are_found_without_them(parts: Parts) -> None:
    await parts.store.drop(DATASET, 3)
    manifest = (await parts.versions.read_manifest(DATASET)).manifest
    await make_readable(parts.objects, parts.store, manifest)
    assert (await verified(parts)).sound
    store = parts.store
    state = await store.state(DATASET, 3)

    async def lost(dataset: str, version: int) -> bytes:
        return state[:100]

    store.state = lost  # type: ignore[method-assign]
    found = await verified(parts)
    assert (found.sound, found.digest == found.expected) == (False, True)
    assert found.damaged_objects == (f"state of {DATASET}@3",)
    await tamper(parts, lambda rows: put(some(rows, KEYS[60:62]), "DLMC", "篡改"))
    found = await verified(parts, repair=True)
    assert (found.differing, found.repaired, found.digest == found.expected) == (2, 2, True)
    assert 1 <= len(found.buckets) <= 2


def western(rows: pa.RecordBatch) -> NDArray[np.bool_]:
    """Hold the rows that lie west of Chengdu's centre."""
    return np.asarray(pc.fill_null(pc.less(rows.column("_xmax"), 104.0), False))


async def test_a_replica_of_an_area_is_judged_by_what_it_holds(parts: Parts) -> None:
    manifest = (await parts.versions.read_manifest(DATASET)).manifest
    for version in (1, 2, 3):
        await parts.store.drop(DATASET, version)
    await make_readable(parts.objects, parts.store, manifest, keep=western)
    held = Held(western)
    found = await verified(parts, held=held)
    assert found.sound
    assert 300 < found.rows < 600
    assert found.expected != manifest.digest
    inside = (await parts.rows(3))["BSM"].to_pylist()[:3]
    await tamper(parts, lambda rows: put(some(rows, inside), "DLMC", "篡改"))
    mended = await verified(parts, held=held, repair=True)
    assert (mended.sound, mended.repaired) == (True, 3)
    assert {item.key for item in mended.keys} == set(inside)


async def test_a_dataset_without_geometry(parts: Parts, tmp_path: Path) -> None:
    rows = as_rows(TABLE, {"DM": list(range(500)), "MC": [f"村{number}" for number in range(500)]})
    await parts.publish(write_spool(tmp_path / "t.arrow", rows), "attempt-t", dataset="510000/qsdm", collection=TABLE)
    found = await Verifier(parts.objects, parts.store).verify("510000/qsdm")
    assert (found.sound, found.rows) == (True, 500)


async def test_what_cannot_be_verified(parts: Parts, tmp_path: Path) -> None:
    with pytest.raises(UnknownDataset):
        await Verifier(parts.objects, parts.store).verify("510000/nothing")
    for key in await parts.objects.keys("keys/"):
        await parts.objects.delete(key)
    with pytest.raises(UntrustedKey):
        await verified(parts)


async def test_readers_go_on_while_rows_are_verified(parts: Parts) -> None:
    async def read() -> int:
        return int((await parts.rows(3)).num_rows)

    found, *counts = await asyncio.gather(verified(parts), *(read() for _ in range(3)))
    assert isinstance(found, Verification)
    assert found.sound
    assert counts == [890] * 3


async def test_values_changed_by_sql_in_a_stopped_store(tmp_path: Path) -> None:
    folder = tmp_path / "node"
    folder.mkdir()
    store = make_store("duckdb", tmp_path / "duckdb")
    parts = Parts(folder, store=store)
    await parts.start()
    await parts.publish(write_spool(folder / "1.arrow", ROWS), "attempt-1")
    await parts.publish(write_spool(folder / "2.arrow", ROWS.slice(100)), "attempt-2")
    before = await parts.rows(2)
    await store.close()
    keys = before["BSM"].to_pylist()[5:8]
    with duckdb.connect(str(tmp_path / "duckdb" / "store.duckdb")) as base:
        ((table,),) = base.execute("SELECT current_table FROM guotu_generations").fetchall()
        base.execute(f'UPDATE "{table}" SET "TBMJ" = "TBMJ" + 1 WHERE "BSM" IN (?, ?)', keys[:2])
        base.execute(f'DELETE FROM "{table}" WHERE "BSM" = ?', keys[2:])
    again = Parts(folder, store=make_store("duckdb", tmp_path / "duckdb"))
    await again.start()
    found = await verified(again)
    assert {(item.key, item.how) for item in found.keys} == {
        (keys[0], "changed"), (keys[1], "changed"), (keys[2], "missing"),
    }  # fmt: skip
    assert found.digest != found.expected
    mended = await verified(again, repair=True)
    assert (mended.sound, mended.repaired) == (True, 3)
    assert (await again.rows(2)).equals(before)
    assert (await again.rows(1)).num_rows == 900
    await again.store.close()
