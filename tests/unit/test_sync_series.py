"""Versions under another definition: what fits follows in the series, what breaks needs a new one."""

from dataclasses import replace
from pathlib import Path

import pytest

from guotu.model.collection import Collection, Field, FieldType
from guotu.model.errors import IncompatibleSchema
from guotu.model.records import Change
from sync.definition import definition_hash
from sync.definitions import get_definition
from sync.pointer import read_head
from tests.support.publish_parts import Parts
from tests.support.sync_samples import DATASET, PARCELS, as_rows, parcels, write_spool

WIDER = replace(PARCELS, fields=(replace(PARCELS.fields[0], length=19), *PARCELS.fields[1:]))
ADDED = replace(PARCELS, fields=(*PARCELS.fields, Field("BZ", "备注", FieldType.TEXT, length=200)))
NARROWER = replace(PARCELS, fields=PARCELS.fields[:-1])


async def begin(folder: Path) -> Parts:
    parts = Parts(folder)
    await parts.publish(write_spool(folder / "first", parcels(50)), "w-1")
    return parts


def spool_of(folder: Path, collection: Collection, count: int = 50) -> Path:
    columns = parcels(count).to_pydict() | {"BZ": [None] * count}
    return write_spool(folder / f"{collection.id}-{count}", as_rows(collection, columns))


async def check_restart(folder: Path, version: int, collection: Collection) -> None:
    """The head can be loaded again from what was published."""
    rows = await (await restarted(folder)).rows(version, collection)
    for path in (folder / "store").iterdir():
        path.unlink()
    assert (await (await restarted(folder)).rows(version, collection)).equals(rows)


async def restarted(folder: Path) -> Parts:
    parts = Parts(folder)
    assert (await parts.start()).failed == {}
    return parts


async def test_a_wider_field_is_a_base_in_the_same_series(tmp_path: Path) -> None:
    parts = await begin(tmp_path)
    outcome = await parts.publish(spool_of(tmp_path, WIDER), "w-2", collection=WIDER)
    manifest = outcome.manifest
    assert (manifest.version, manifest.series, manifest.base, manifest.deltas) == (2, 1, True, ())
    assert outcome.change == manifest.change == Change()
    assert outcome.size_bytes == sum(item.size_bytes for item in manifest.objects)
    await check_restart(tmp_path, 2, WIDER)


async def test_a_field_more_changes_all_rows(tmp_path: Path) -> None:
    parts = await begin(tmp_path)
    outcome = await parts.publish(spool_of(tmp_path, ADDED, 51), "w-2", collection=ADDED)
    change = outcome.change
    assert (change.inserts + change.updates, outcome.manifest.rows, outcome.manifest.deltas) == (51, 51, ())
    first, second = [(await parts.versions.read_manifest(DATASET, version)).manifest for version in (1, 2)]
    assert await get_definition(parts.objects, first.definition) == PARCELS
    assert await get_definition(parts.objects, second.definition) == ADDED
    await check_restart(tmp_path, 2, ADDED)
    after = await parts.publish(spool_of(tmp_path, ADDED, 50), "w-3", collection=ADDED)
    assert (after.manifest.series, len(after.manifest.deltas)) == (1, 1)


async def test_what_breaks_is_refused_and_told(tmp_path: Path) -> None:
    parts = await begin(tmp_path)
    before = await parts.objects.keys("")
    with pytest.raises(IncompatibleSchema, match="KD") as caught:
        await parts.publish(spool_of(tmp_path, NARROWER), "w-2", collection=NARROWER)
    assert caught.value.facts["dataset"] == DATASET
    assert await parts.objects.keys("") == before
    assert (await read_head(parts.objects, DATASET)).pointer.version == 1


async def test_a_new_series(tmp_path: Path) -> None:
    parts = await begin(tmp_path)
    outcome = await parts.publish(spool_of(tmp_path, NARROWER), "w-2", collection=NARROWER, new_series=True)
    manifest = outcome.manifest
    assert (manifest.version, manifest.series, manifest.base, manifest.change) == (2, 2, True, None)
    assert manifest.definition == definition_hash(NARROWER)
    assert (outcome.change, manifest.deltas) == (None, ())
    old, new = await parts.rows(1), await parts.rows(2, NARROWER)
    assert new.equals(old.drop_columns("KD"))
    await check_restart(tmp_path, 2, NARROWER)
    third = await parts.publish(spool_of(tmp_path, NARROWER, 49), "w-3", collection=NARROWER)
    assert (third.manifest.series, len(third.manifest.deltas)) == (2, 1)


async def test_the_same_rows_begin_no_series(tmp_path: Path) -> None:
    parts = await begin(tmp_path)
    outcome = await parts.publish(write_spool(tmp_path / "again", parcels(50)), "w-2", new_series=True)
    assert (outcome.published, outcome.manifest.version) == (False, 1)
