"""The DuckDB store on a disk that is really full: what is told, what stays, and how it goes on."""

from __future__ import annotations

import asyncio
import re
import shutil
import tempfile
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from guotu.model.errors import DiskFull
from guotu.model.ports import Scan
from guotu.model.question import SortKey
from node.stores.duckdb.options import DuckDbOptions
from node.stores.duckdb.store import DuckDbStore
from tests.support.eventually import eventually
from tests.support.features import COLLECTION, parcels
from tests.support.small_disk import SmallDisk
from tests.support.stores import fetch, load

EVERYTHING = Scan(COLLECTION.column_names)
BEFORE = parcels(1000)
MIB = 1 << 20
MEMORY_MIB = 96
ROWS = 450_000
"""Rows that do not fit in that much memory when they are sorted."""


@pytest.fixture
def disk() -> Iterator[SmallDisk]:
    root = Path(tempfile.mkdtemp(prefix="gt-"))
    made = SmallDisk(root / "data", 400)
    yield made
    made.close()
    shutil.rmtree(root)


@asynccontextmanager
async def opened(disk: SmallDisk, memory_mib: int = 256, idle_s: float = 3600) -> AsyncIterator[DuckDbStore]:
    store = DuckDbStore(DuckDbOptions(disk.path / "store.duckdb", memory_mib, threads=2, idle_seconds=idle_s))
    await store.open()
    try:
        yield store
    finally:
        await store.close()


async def refused(work: Coroutine[Any, Any, Any], *places: str) -> None:
    """The work fails for want of room: which file and what for is told, in both languages, and what to do."""
    with pytest.raises(DiskFull) as raised:
        await work
    chinese, english = raised.value.message.split("\n")
    for words in ("磁盘已满", "腾出空间", *places):
        assert words in chinese
    for words in ("the disk is full", "Free space on the disk of the node's data directory", *places):
        assert words in english
    assert not re.search(r"/(tmp|var)/", raised.value.message), "the folders of a machine are nobody's business"


def same(one: pa.Table, other: pa.Table) -> bool:
    return one.sort_by("BSM").equals(other.sort_by("BSM"))


@pytest.mark.parametrize(("room", "rows"), [(0, 10), (MIB, 60_000), (4 * MIB, 60_000)])
async def test_no_room_to_commit(disk: SmallDisk, room: int, rows: int) -> None:
    async with opened(disk) as store:
        await load(store, BEFORE)
        held = await fetch(store, COLLECTION, EVERYTHING)
        disk.leave(room)
        for _ in range(2):
            await refused(load(store, parcels(rows, 1), version=2), "store.duckdb", "staging 510000/tb@2")
            assert same(await fetch(store, COLLECTION, EVERYTHING), held)
        disk.clear()
        await load(store, parcels(rows, 1), version=2)
        assert (await fetch(store, COLLECTION, EVERYTHING, version=2)).num_rows == rows
        assert same(await fetch(store, COLLECTION, EVERYTHING), held)


async def test_without_room_the_log_waits_until_there_is(disk: SmallDisk) -> None:
    log = disk.path / "store.duckdb.wal"
    async with opened(disk, idle_s=0.05) as store:
        await load(store, BEFORE)
        await eventually(lambda: not log.exists())
        disk.leave(MIB >> 4)
        await load(store, parcels(10, 1), version=2)
        await _idled(store, 5)
        assert log.exists()
        disk.clear()
        assert (await fetch(store, COLLECTION, EVERYTHING, version=2)).num_rows == 10
        await eventually(lambda: not log.exists())
        await load(store, parcels(20, 2), version=3)


async def test_no_room_for_the_engine_to_put_its_log_into_the_file(
    disk: SmallDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The room went after it was looked for: the engine stops, and says so until it is started again."""
    monkeypatch.setattr("node.stores.duckdb.sessions.has_room", lambda options: True)
    log = disk.path / "store.duckdb.wal"
    async with opened(disk, idle_s=0.05) as store:
        await load(store, BEFORE)
        await eventually(lambda: not log.exists())  # the store has idled, so that version 1 is in the file
        disk.leave(MIB >> 4)
        await load(store, parcels(10, 1), version=2)
        await refused(_idled(store), "store.duckdb", "须重启节点", "restart the node")
        disk.clear()
        await refused(fetch(store, COLLECTION, EVERYTHING), "store.duckdb", "须重启节点", "restart the node")
    async with opened(disk) as again:
        found = [(await fetch(again, COLLECTION, EVERYTHING, version=version)).num_rows for version in (1, 2)]
        assert found == [1000, 10]
        await load(again, parcels(20, 2), version=3)


async def _idled(store: DuckDbStore, times: int = 20) -> None:
    """Read now and then, so that the store idles in between."""
    for _ in range(times):
        await asyncio.sleep(0.2)
        await fetch(store, COLLECTION, EVERYTHING)


async def test_no_room_for_what_does_not_fit_in_memory(disk: SmallDisk) -> None:
    async with opened(disk) as store:
        await load(store, parcels(ROWS))
    sorting = Scan(COLLECTION.column_names, sort=(SortKey("TBMJ"),))
    async with opened(disk, MEMORY_MIB) as store:
        disk.leave(MIB)
        await refused(
            fetch(store, COLLECTION, sorting), "what does not fit in memory", "须重启节点", "restart the node"
        )
    disk.clear()
    async with opened(disk, MEMORY_MIB) as store:
        assert (await fetch(store, COLLECTION, sorting)).num_rows == ROWS
