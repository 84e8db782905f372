"""The desk of tables for others: heads followed, failures shown and tried again, nothing without PostGIS."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio

from guotu.model.errors import (
    Conflict,
    GuotuError,
    InvalidQuestion,
    NotFound,
    StoreFailure,
    UnknownDataset,
    UnknownVersion,
)
from node.materials.desk import MaterialDesk
from node.stores.material import Brought, Material, Progress, Release, TableName
from tests.support.eventually import eventually
from tests.support.features import COLLECTION

DATASET = "510000/tb"
NAME = TableName("gis", "tb")


class HeldClock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def now_ms(self) -> int:
        return int(self.seconds * 1000)

    def monotonic(self) -> float:
        return self.seconds


class Heads:
    """One dataset's head."""

    def __init__(self) -> None:
        self.version = 1
        self.readable = 1

    async def release(self, dataset: str) -> Release:
        if not self.version:
            raise UnknownDataset(dataset=dataset)
        return Release(dataset, self.version, f"{self.version:064x}", "", 0, COLLECTION)

    async def newest_readable(self) -> dict[str, int]:
        return {DATASET: self.readable}


class Tables:
    """Tables in memory."""

    def __init__(self) -> None:
        self.held: dict[str, Material] = {}
        self.error: GuotuError | Exception | None = None
        self.tries = 0

    async def listed(self) -> Sequence[Material]:
        return list(self.held.values())

    async def make(self, name: TableName, release: Release, check: bool, progress: Progress) -> Brought:
        progress("load", 5, 10)
        self.held[release.dataset] = Material(name, release.dataset, release.version, release.manifest, 10, 1)
        return Brought(self.held[release.dataset], True, 10)

    async def bring(self, release: Release, progress: Progress) -> Brought:
        self.tries += 1
        if self.error is not None:
            raise self.error
        before = self.held[release.dataset]
        self.held[release.dataset] = replace(before, version=release.version, manifest=release.manifest)
        return Brought(self.held[release.dataset])

    async def drop(self, dataset: str) -> None:
        del self.held[dataset]

    async def close(self) -> None:
        """Nothing to close."""


class Bench:
    def __init__(self) -> None:
        self.heads, self.tables, self.clock, self.changed = Heads(), Tables(), HeldClock(), asyncio.Event()
        self.desk = MaterialDesk(self.heads, self.tables, self.clock, self.changed)  # type: ignore[arg-type]

    async def comes(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(60):
            while not condition():
                self.changed.set()
                await asyncio.sleep(0)

    @property
    def status(self) -> Any:
        return self.desk.status()[0]


@pytest_asyncio.fixture
async def bench() -> AsyncIterator[Bench]:
    made = Bench()
    await made.desk.start()
    yield made
    await made.desk.close()


def quiet(stage: str, done: int, total: int) -> None:
    """Hear nothing of progress."""


async def test_heads_are_followed(bench: Bench) -> None:
    done = await bench.desk.materialize(DATASET, "gis.tb", False, quiet)
    assert (done.created, done.inserted, done.status.state, done.status.version) == (True, 10, "current", 1)
    bench.heads.version = 3
    await bench.comes(lambda: bench.status.version == 3)
    assert (bench.status.state, bench.status.lag_versions, bench.status.lag_ms) == ("current", 0, 0)


async def test_a_head_that_moves_after_its_version_came_into_sight_is_soon_followed(bench: Bench) -> None:
    await bench.desk.materialize(DATASET, "gis.tb", False, quiet)
    bench.heads.readable = 2
    bench.changed.set()
    await asyncio.sleep(0.05)
    bench.heads.version = 2
    await eventually(lambda: bench.status.version == 2)


@pytest.mark.parametrize(
    ("error", "state", "waits"),
    [
        (StoreFailure(detail="断 lost"), "waiting", [1, 2, 4]),
        (Conflict(detail="视图 view v"), "stuck", [60, 60, 60]),
        (ZeroDivisionError("oops"), "waiting", [1, 2, 4]),
    ],
)
async def test_what_fails_is_shown_and_tried_again(
    bench: Bench, error: Exception, state: str, waits: list[int]
) -> None:
    await bench.desk.materialize(DATASET, "gis.tb", False, quiet)
    bench.heads.version, bench.tables.error = 2, error
    for wait in waits:
        tries = bench.tables.tries
        await bench.comes(lambda: bench.tables.tries > tries and bench.status.next_try_ms > 0)  # noqa: B023
        status = bench.status
        assert (status.state, status.version, status.head) == (state, 1, 2)
        assert status.next_try_ms == bench.clock.now_ms() + wait * 1000
        assert str(error).splitlines()[0] in status.last_error
        assert status.lag_ms > 0
        assert bench.tables.tries == tries + 1
        bench.clock.seconds += wait
    bench.tables.error = None
    await bench.comes(lambda: bench.status.version == 2)
    assert (bench.status.last_error, bench.status.next_try_ms, bench.status.lag_ms) == ("", 0, 0)


async def test_a_new_head_is_tried_at_once(bench: Bench) -> None:
    await bench.desk.materialize(DATASET, "gis.tb", False, quiet)
    bench.heads.version, bench.tables.error = 2, Conflict(detail="x")
    await bench.comes(lambda: bench.status.state == "stuck")
    bench.heads.version, bench.tables.error = 3, None
    await bench.comes(lambda: bench.status.version == 3)


async def test_a_version_that_the_store_does_not_have_yet_is_looked_for_again(bench: Bench) -> None:
    await bench.desk.materialize(DATASET, "gis.tb", False, quiet)
    bench.heads.version, bench.tables.error = 2, UnknownVersion(dataset=DATASET, version=2)
    tries = bench.tables.tries
    await bench.comes(lambda: bench.tables.tries > tries + 5)
    assert (bench.status.state, bench.status.next_try_ms, "2" in bench.status.last_error) == ("waiting", 0, True)
    bench.tables.error = None
    await bench.comes(lambda: bench.status.version == 2)


async def test_a_dataset_that_is_gone_and_comes_back(bench: Bench) -> None:
    await bench.desk.materialize(DATASET, "gis.tb", False, quiet)
    bench.heads.version = 0
    await bench.comes(lambda: bench.status.state == "absent")
    assert (bench.status.version, bench.status.head, bench.status.lag_versions) == (1, 0, 0)
    bench.heads.version = 4
    await bench.comes(lambda: bench.status.version == 4)


async def test_a_table_is_dropped_by_either_name(bench: Bench) -> None:
    for subject in (DATASET, "gis.tb"):
        await bench.desk.materialize(DATASET, "gis.tb", False, quiet)
        assert (await bench.desk.dematerialize(subject)).table == "gis.tb"
        assert (bench.desk.status(), bench.tables.held) == ([], {})
    with pytest.raises(NotFound, match=r"gis\.tb"):
        await bench.desk.dematerialize("gis.tb")


async def test_a_store_that_others_cannot_read_is_told_with_the_remedy() -> None:
    desk = MaterialDesk(Heads(), None, HeldClock(), asyncio.Event())  # type: ignore[arg-type]
    await desk.start()
    for work in (desk.materialize(DATASET, "gis.tb", False, quiet), desk.dematerialize("gis.tb")):
        with pytest.raises(InvalidQuestion, match='PostGIS: store = "postgresql://'):
            await work
    assert desk.status() == []
    await desk.close()


@pytest.mark.parametrize(
    ("dataset", "into", "parts"),
    [("dltb", "gis.tb", "dataset"), (DATASET, "tb", "--into"), ("dltb", "guotu.tb", "dataset, --into")],
)
async def test_what_cannot_be_meant_is_refused_all_at_once(bench: Bench, dataset: str, into: str, parts: str) -> None:
    with pytest.raises(InvalidQuestion) as refused:
        await bench.desk.materialize(dataset, into, False, quiet)
    assert refused.value.facts["part"] == parts
