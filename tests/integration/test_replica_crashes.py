"""Replicating nodes that are killed at each durable step, over real sockets."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sync.datafile import file_sha256
from tests.support.replica_mesh import Mesh, keys_of, open_mesh
from tests.support.replica_parts import HERE, Follower, edited, same_rows
from tests.support.sync_samples import DATASET, parcels


@pytest.fixture
async def mesh(tmp_path: Path) -> AsyncIterator[Mesh]:
    async with open_mesh(tmp_path) as made:
        yield made


STEPS = (
    "subscribed", "replica-noted", "blocks-fetched", "object-stored", "manifest-kept", "version-entered",
    "objects-checked", "version-proven", "version-activated", "head-moved",
)  # fmt: skip


@pytest.mark.parametrize("step", STEPS)
async def test_killed_at_any_step_it_goes_on_where_it_was(mesh: Mesh, tmp_path: Path, step: str) -> None:
    rows = parcels(600)
    await mesh.publish(rows)
    rows = edited(rows, keys_of(rows)[:9], DLMC="旱地")
    await mesh.publish(rows)
    head, folder = mesh.author.chain[-1], tmp_path / "here"
    told = [mesh.author.key.public_bytes.hex(), mesh.peer.address, "2", head.name, step]
    command = [sys.executable, "-m", "tests.support.replica_parts", "follow", str(folder), *told]
    killed = await _run(command)
    assert killed == -9, f"{step} was never reached"
    kept = {path.stem: path.stat().st_size for path in (folder / "objects" / "objects").rglob("*.parquet")}
    # What was cut off in the middle of a write is fetched again.
    whole = [path for path in (folder / "partial").glob("*") if file_sha256(path) == path.name]
    kept |= {path.name: path.stat().st_size for path in whole}
    async with Follower(folder, mesh.board) as here:
        if step == "subscribed":
            assert [item.subject for item in here.replicator.subscriptions()] == ["dltb"]
        await here.reaches(2)
        assert same_rows(await here.rows(), rows)
        total = sum(item.size_bytes for signed in mesh.author.chain for item in signed.manifest.objects)
        assert here.fetched == total - sum(kept.values())
        assert here.advertised[DATASET].node == HERE


async def _run(command: list[str]) -> int:
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.DEVNULL)
    return await process.wait()
