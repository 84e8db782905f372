"""A process that is killed while it stages or activates leaves every version whole, and nothing staged."""

import asyncio
import random
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pyarrow as pa
import pytest

from guotu.model.errors import UnknownVersion
from guotu.model.ports import FeatureStore
from guotu.model.schema import stored_schema
from tests.support.features import applied, drawn, parcels, removed, sample_collection, stored_rows
from tests.support.stores import apply, changes_of_child, load, make_store, whole

pytestmark = pytest.mark.asyncio(loop_scope="module")

ROOT = Path(__file__).parents[2]
DATASET = "510000/tb"
COLLECTION = sample_collection()
SCHEMA = stored_schema(COLLECTION)
BASE = parcels(500)
MANY = 4_000
MOMENTS = random.Random(7)


@asynccontextmanager
async def opened(kind: str, folder: Path) -> AsyncIterator[FeatureStore]:
    store = make_store(kind, folder)
    await store.open()
    yield store
    await store.close()


async def stored(store: FeatureStore, version: int) -> pa.Table:
    return await whole(store.stored(DATASET, version, COLLECTION), SCHEMA)


@asynccontextmanager
async def busy(kind: str, folder: Path, step: str) -> AsyncIterator[asyncio.StreamReader]:
    """A process of its own that does a step; it is killed at the end."""
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.support.stores", kind, str(folder), step, str(MANY)),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert child.stdout
    yield child.stdout
    child.kill()
    assert await child.wait() == -signal.SIGKILL


@pytest.mark.parametrize("step", ["stage", "change"])
@pytest.mark.parametrize(("after", "seconds"), [("begun", 0.0), ("begun", 0.03), ("done", 0.0)])
async def test_killed_while_staging(kind: str, tmp_path: Path, step: str, after: str, seconds: float) -> None:
    async with opened(kind, tmp_path) as store:
        await load(store, BASE, state=b"one")
    async with busy(kind, tmp_path, step) as said:
        while await said.readline() != f"{after}\n".encode():
            pass
        await asyncio.sleep(seconds)
    async with opened(kind, tmp_path) as store:
        assert [(item.version, item.rows) for item in await store.versions()] == [(1, 500)]
        with pytest.raises(UnknownVersion):
            await store.activate(DATASET, 2)
        assert (await stored(store, 1)).equals(stored_rows(BASE))
        assert await store.state(DATASET, 1) == b"one"
        await apply(store, removed(BASE["BSM"].to_pylist()[:7]), 2)
        assert (await stored(store, 2)).num_rows == 493


@pytest.mark.parametrize("staged", [1, 2, 5])
async def test_killed_while_activating(kind: str, tmp_path: Path, staged: int) -> None:
    """Killed at random around the activation of a change: each version is there whole, or not at all."""
    async with opened(kind, tmp_path) as store:
        await load(store, BASE)
    async with busy(kind, tmp_path, "activate") as said:
        for _ in range(staged + 1):
            assert await said.readline()
        await asyncio.sleep(MOMENTS.uniform(0, 0.1))
    async with opened(kind, tmp_path) as store:
        versions = [item.version for item in await store.versions()]
        assert versions == list(range(1, versions[-1] + 1))
        assert versions[-1] >= staged
        rows = stored_rows(BASE)
        for version in versions:
            rows = rows if version == 1 else applied(rows, changes_of_child(version, MANY))
            assert (await stored(store, version)).equals(rows)
        with pytest.raises(UnknownVersion):
            await store.activate(DATASET, versions[-1] + 1)
        change = removed(BASE["BSM"].to_pylist()[:7])
        await store.stage_change(DATASET, versions[-1] + 1, COLLECTION, drawn(change))
