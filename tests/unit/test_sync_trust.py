from dataclasses import replace
from pathlib import Path

import pytest

from guotu.model.definition import collection_to_json
from guotu.model.errors import CorruptObject, UntrustedKey, VersionRefused
from sync.definition import definition_hash
from sync.definitions import definition_key, get_definition, put_definition
from sync.objects.local import LocalObjectStore
from sync.signed import sign_manifest
from sync.signing import NodeKey
from sync.trust import check_signature, fingerprint, trust, trusted_keys
from tests.support.histories import publish_layer
from tests.support.publish_parts import Parts
from tests.support.sync_samples import DATASET, NODE, PARCELS, TABLE


async def test_several_keys_of_a_node(tmp_path: Path) -> None:
    objects = LocalObjectStore(tmp_path)
    assert await trusted_keys(objects, NODE) == []
    keys = sorted([bytes([number]) * 32 for number in range(3)], key=fingerprint)
    for key in [*keys, keys[0]]:
        await trust(objects, NODE, key)
    await trust(objects, f"{NODE}-a", bytes(32))
    assert await trusted_keys(objects, NODE) == keys


@pytest.mark.parametrize(("node", "key"), [("nobody", bytes(32)), ("../510000", bytes(32)), (NODE, bytes(31))])
async def test_what_is_no_node_or_no_key(tmp_path: Path, node: str, key: bytes) -> None:
    with pytest.raises(ValueError, match="not a node"):
        await trust(LocalObjectStore(tmp_path), node, key)


async def test_a_damaged_key_is_told(tmp_path: Path) -> None:
    objects = LocalObjectStore(tmp_path)
    await trust(objects, NODE, bytes(32))
    path = await objects.local_path(f"keys/{NODE}/{fingerprint(bytes(32))}.pub")
    path.write_bytes(bytes([1] * 32))
    with pytest.raises(CorruptObject, match="another hash"):
        await trusted_keys(objects, NODE)


async def test_only_the_owner_signs_its_versions(tmp_path: Path) -> None:
    parts = Parts(tmp_path)
    await publish_layer(parts, tmp_path, {"a": (None, 1)}, "w-1")
    signed = await parts.versions.read_manifest(DATASET)
    assert await check_signature(parts.objects, signed) == parts.key.public_bytes
    other = NodeKey.create(tmp_path / "other.pem")
    with pytest.raises(VersionRefused, match="not by a known key"):
        await check_signature(parts.objects, sign_manifest(signed.manifest, other))
    await trust(parts.objects, "110000", other.public_bytes)
    with pytest.raises(VersionRefused, match="published by 110000, not the owner"):
        await check_signature(parts.objects, sign_manifest(replace(signed.manifest, publisher="110000"), other))
    foreign = replace(signed.manifest, publisher="330000", dataset="330000/dltb")
    with pytest.raises(UntrustedKey) as caught:
        await check_signature(parts.objects, sign_manifest(foreign, other))
    assert caught.value.facts["node"] == "330000"


async def test_definitions_come_back(tmp_path: Path) -> None:
    objects = LocalObjectStore(tmp_path)
    for collection in (PARCELS, TABLE):
        digest = await put_definition(objects, collection)
        assert digest == definition_hash(collection)
        assert await get_definition(objects, digest) == collection
    retitled = replace(PARCELS, title="图斑")
    assert await get_definition(objects, await put_definition(objects, retitled)) == PARCELS


@pytest.mark.parametrize("data", [b"no json", b"{}", collection_to_json(TABLE)])
async def test_what_is_not_that_definition_is_told(tmp_path: Path, data: bytes) -> None:
    objects, digest = LocalObjectStore(tmp_path), definition_hash(PARCELS)
    with pytest.raises(CorruptObject, match="missing"):
        await get_definition(objects, digest)
    await objects.put_if_absent(definition_key(digest), data)
    with pytest.raises(CorruptObject) as caught:
        await get_definition(objects, digest)
    assert caught.value.facts["object"] == definition_key(digest)
