"""A publish that failed after its last write: the node comes to the head as soon as its store can."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from guotu.model.errors import CorruptObject, GuotuError, StoreFailure
from guotu.model.records import DatasetRecord
from node import unfinished
from node.unfinished import Unfinished
from tests.support.eventually import eventually
from tests.support.publish_parts import Parts
from tests.support.sync_samples import DATASET, parcels, write_spool


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unfinished, "_FIRST_S", 0.01)


@asynccontextmanager
async def tended(restore: Callable[[str], Awaitable[None]]) -> AsyncIterator[Unfinished]:
    made = Unfinished(restore)
    task = asyncio.create_task(made.tend())
    yield made
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_the_head_is_answered_from_once_the_store_is_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts, down, told = Parts(tmp_path), True, []
    activate = parts.store.activate

    async def failing(dataset: str, version: int, state: bytes = b"") -> None:
        if down:
            raise StoreFailure(detail="no connection to the database")
        await activate(dataset, version, state)

    async def tell(record: DatasetRecord) -> None:
        told.append(record.version)

    await parts.publish(write_spool(tmp_path / "one.arrow", parcels(50)), "w-1")
    monkeypatch.setattr(parts.store, "activate", failing)
    with pytest.raises(StoreFailure):
        await parts.publish(write_spool(tmp_path / "two.arrow", parcels(60)), "w-2", tell=tell)
    tries = 0

    async def restore(dataset: str) -> None:
        nonlocal tries
        tries += 1
        await parts.publisher.restore(dataset, tell)

    async with tended(restore) as made:
        made.note(DATASET)
        await eventually(lambda: tries > 2)
        assert told == []
        down = False
        await eventually(lambda: told == [2])
    assert (await parts.rows(2)).num_rows == 60


async def test_what_never_had_a_head_is_let_be(tmp_path: Path) -> None:
    parts = Parts(tmp_path)

    async def tell(record: DatasetRecord) -> None:
        raise AssertionError(record)

    await parts.publisher.restore(DATASET, tell)


@pytest.mark.parametrize(
    ("failure", "again"), [(StoreFailure(detail="away"), True), (CorruptObject(object="o", detail="damaged"), False)]
)
async def test_what_cannot_come_right_by_itself_is_not_tried_again(failure: GuotuError, again: bool) -> None:
    tried: list[str] = []

    async def restore(dataset: str) -> None:
        tried.append(dataset)
        if dataset == "510000/a" and tried.count(dataset) < 3:
            raise failure

    async with tended(restore) as made:
        made.note("510000/a")
        await eventually(lambda: tried.count("510000/a") == (3 if again else 1))
        made.note("510000/b")
        await eventually(lambda: "510000/b" in tried)
    assert tried == ["510000/a"] * (3 if again else 1) + ["510000/b"]
