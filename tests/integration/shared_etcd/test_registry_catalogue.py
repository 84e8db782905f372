"""The catalogue in a real etcd."""

from __future__ import annotations

from dataclasses import replace

import pytest

from guotu.model.errors import Conflict
from guotu.wire.records import collection_to_bytes
from registry.catalogue import (
    ChangeKind,
    DirectoryCatalogue,
    apply_catalogue,
    national_catalogue_path,
    parse_catalogue,
    read_catalogue,
)
from registry.directory import EtcdDirectory
from registry.etcd import Etcd
from registry.etcd_values import Put
from registry.keys import collection_key
from tests.support.eventually import eventually

NATIONAL = parse_catalogue(national_catalogue_path())


async def test_a_catalogue_is_applied_once(client: Etcd) -> None:
    changes = await apply_catalogue(client, NATIONAL)
    assert [change.collection for change in changes] == [item.id for item in NATIONAL.collections]
    assert {change.kind for change in changes} == {ChangeKind.ADDED}
    assert (await read_catalogue(client)).collections == NATIONAL.collections
    assert await apply_catalogue(client, NATIONAL) == []


async def test_only_what_differs_is_written(client: Etcd) -> None:
    await apply_catalogue(client, NATIONAL)
    before = (await read_catalogue(client)).revisions
    first = replace(NATIONAL.collections[0], title="新名称")
    (change,) = await apply_catalogue(client, replace(NATIONAL, collections=(first, *NATIONAL.collections[1:])))
    assert (change.collection, change.subject, change.breaking) == (first.id, "title", False)
    after = (await read_catalogue(client)).revisions
    assert [name for name in after if after[name] != before[name]] == [first.id]


async def test_collections_are_removed_only_on_demand(client: Etcd) -> None:
    await apply_catalogue(client, NATIONAL)
    less = replace(NATIONAL, collections=NATIONAL.collections[1:])
    assert await apply_catalogue(client, less) == []
    assert len((await read_catalogue(client)).collections) == len(NATIONAL.collections)
    (change,) = await apply_catalogue(client, less, prune=True)
    assert (change.kind, change.breaking) == (ChangeKind.REMOVED, True)
    assert (await read_catalogue(client)).collections == NATIONAL.collections[1:]


async def test_pruning_leaves_local_collections_alone(client: Etcd) -> None:
    local = replace(NATIONAL.collections[0], id="510000.own")
    await client.transact([], [Put(collection_key(local.id), collection_to_bytes(local))])
    await apply_catalogue(client, NATIONAL, prune=True)
    assert local in (await read_catalogue(client)).collections


async def test_somebody_else_s_change_is_not_lost(client: Etcd) -> None:
    await apply_catalogue(client, NATIONAL)
    seen = await read_catalogue(client)
    theirs = replace(NATIONAL.collections[0], title="他人所改")
    await client.transact([], [Put(collection_key(theirs.id), collection_to_bytes(theirs))])
    ours = replace(NATIONAL.collections[0], title="我之所改")
    with pytest.raises(Conflict):
        await apply_catalogue(client, replace(NATIONAL, collections=(ours,)), seen=seen)
    assert theirs in (await read_catalogue(client)).collections


async def test_an_unsound_record_is_replaced(client: Etcd) -> None:
    await client.transact([], [Put(collection_key(NATIONAL.collections[0].id), b"{}")])
    await apply_catalogue(client, NATIONAL)
    assert (await read_catalogue(client)).collections == NATIONAL.collections


async def test_a_large_catalogue_takes_several_transactions(client: Etcd) -> None:
    many = tuple(replace(NATIONAL.collections[0], id=f"c{number:03d}") for number in range(333))
    assert len(await apply_catalogue(client, replace(NATIONAL, collections=many))) == 333
    assert len((await read_catalogue(client)).collections) == 333


async def test_nodes_see_the_catalogue_through_the_directory(client: Etcd) -> None:
    directory = EtcdDirectory(client, None)
    await directory.start()
    catalogue = DirectoryCatalogue(directory)
    assert (catalogue.get("dltb"), list(catalogue.all())) == (None, [])
    await apply_catalogue(client, NATIONAL)
    await eventually(lambda: len(catalogue.all()) == len(NATIONAL.collections))
    assert tuple(catalogue.all()) == NATIONAL.collections
    assert catalogue.get("dltb") is catalogue.get("dltb")
    await client.transact([], [Put(collection_key("dltb"), b"\xff")])
    renamed = replace(NATIONAL.collections[0], title="新名称")
    await client.transact([], [Put(collection_key(renamed.id), collection_to_bytes(renamed))])
    await eventually(lambda: catalogue.get(renamed.id) == renamed)
    await directory.close()
