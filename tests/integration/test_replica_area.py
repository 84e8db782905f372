"""Replicas that are limited to an area, over real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import shapely

from sync.replica.subscription import Subscription
from sync.stages import to_the_end
from tests.support.eventually import eventually
from tests.support.replica_mesh import Mesh, box, inside, keys_of, open_mesh
from tests.support.replica_parts import Follower, edited, same_rows, without
from tests.support.stores import make_store
from tests.support.sync_samples import DATASET, parcels


@pytest.fixture
async def mesh(tmp_path: Path) -> AsyncIterator[Mesh]:
    async with open_mesh(tmp_path) as made:
        yield made


async def test_an_area_holds_what_intersects_it_and_features_cross_its_edge(mesh: Mesh, tmp_path: Path) -> None:
    rows, area = parcels(4000), box(103.7, 30.3, 103.8, 30.5)
    await mesh.publish(rows)
    async with Follower(tmp_path / "here", mesh.board) as here:
        await here.replicator.subscribe(Subscription("dltb", area=area))
        status = await here.reaches(1)
        within = inside(rows, area)
        assert (status.area_name, status.rows) == ("西部", len(within))
        assert 0 < len(within) < 1000
        assert same_rows(await here.rows(), within)
        touching = [item for item in mesh.author.head.bases if area.needs(item)]
        assert 0 < len(touching) < len(mesh.author.head.bases)
        assert here.fetched == sum(item.size_bytes for item in touching)
        assert not here.advertised[DATASET].whole
        assert here.held == {}
        leaving, entering = keys_of(within)[0], keys_of(without(rows, keys_of(within)))[0]
        far, near = (shapely.to_wkb(shapely.box(x, 30.4, x + 0.001, 30.401)) for x in (104.2, 103.75))
        moved = edited(edited(rows, [leaving], geometry=far), [entering], geometry=near)
        await mesh.publish(moved)
        await here.reaches(2)
        assert same_rows(await here.rows(), inside(moved, area))
        assert leaving not in keys_of(await here.rows())
        assert entering in keys_of(await here.rows())


async def test_a_larger_area_fetches_only_what_is_missing_and_a_smaller_one_nothing(mesh: Mesh, tmp_path: Path) -> None:
    small, large = box(103.7, 30.3, 103.8, 30.5), box(103.7, 30.3, 104.0, 30.6)
    rows = parcels(4000)
    await mesh.publish(rows)
    rows = edited(rows, keys_of(rows)[:50], DLMC="旱地")
    await mesh.publish(rows)
    bases = mesh.author.chain[0].manifest.bases
    async with Follower(tmp_path / "here", mesh.board) as here:
        await here.replicator.subscribe(Subscription("dltb", area=small))
        await here.reaches(2)
        first = here.fetched
        await here.replicator.subscribe(Subscription("dltb", area=large))
        await eventually(lambda: (here.status() or pytest.fail("gone")).rows == len(inside(rows, large)))
        await here.reaches(2)
        assert same_rows(await here.rows(), inside(rows, large))
        new = [item for item in bases if large.needs(item) and not small.needs(item)]
        assert here.fetched - first == sum(item.size_bytes for item in new) > 0
        before = here.fetched
        await here.replicator.subscribe(Subscription("dltb", area=small))
        await eventually(lambda: (here.status() or pytest.fail("gone")).rows == len(inside(rows, small)))
        await here.reaches(2)
        assert same_rows(await here.rows(), inside(rows, small))
        await here.replicator.subscribe(Subscription("dltb"))
        await eventually(lambda: DATASET in here.held)
        await here.reaches(2)
        assert same_rows(await here.rows(), rows)
        missing = [item for item in bases if not large.needs(item)]
        assert here.fetched - before == sum(item.size_bytes for item in missing)


async def test_the_embedded_store_is_kept_up_to_date(mesh: Mesh, tmp_path: Path) -> None:
    rows, area = parcels(2000), box(103.7, 30.3, 103.9, 30.6)
    await mesh.publish(rows)
    store = make_store("duckdb", tmp_path)
    async with Follower(tmp_path / "here", mesh.board, store=store) as here:
        await here.replicator.subscribe(Subscription("dltb"))
        await here.reaches(1)
        rows = without(edited(rows, keys_of(rows)[:20], DLMC="水田"), keys_of(rows)[20:30])
        await mesh.publish(rows)
        await here.reaches(2)
        assert same_rows(await here.rows(), rows)
    await store.close()
    store = make_store("duckdb", tmp_path)
    async with Follower(tmp_path / "here", mesh.board, store=store) as here:
        assert (await here.reaches(2)).rows == len(rows)
        await here.replicator.subscribe(Subscription("dltb", area=area))
        await eventually(lambda: not here.held)
        await here.reaches(2)
        assert same_rows(await here.rows(), inside(rows, area))
        rows = edited(rows, keys_of(rows)[30:60], geometry=shapely.to_wkb(shapely.box(103.8, 30.4, 103.801, 30.401)))
        await mesh.publish(rows)
        await here.reaches(3)
        assert same_rows(await here.rows(), inside(rows, area))
        await here.replicator.unsubscribe("dltb")
        assert await here.store.versions() == []
    await store.close()


async def test_work_begins_once_the_work_before_has_ended_however_often_it_is_changed(
    mesh: Mesh, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    busy, most = 0, 0
    begun, changed = asyncio.Event(), asyncio.Event()

    async def held(*words: Any) -> int:
        nonlocal busy, most
        busy, most = busy + 1, max(most, busy + 1)
        begun.set()
        try:
            await to_the_end(changed.wait())  # a store does not leave off at once either
            return await stage(*words)
        finally:
            busy -= 1

    await mesh.publish(parcels(300))
    here = Follower(tmp_path / "here", mesh.board)
    stage = here.store.stage
    monkeypatch.setattr(here.store, "stage", held)
    async with here:
        await here.replicator.subscribe(Subscription("dltb"))
        await begun.wait()
        for west in (103.0, 103.1, 103.2):
            await here.replicator.subscribe(Subscription("dltb", area=box(west, 30.0, 105.0, 31.0)))
        changed.set()
        await here.reaches(1)
    assert most == 1
