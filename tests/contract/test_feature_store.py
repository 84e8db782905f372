"""What every feature store does with whole versions; see guotu.model.ports.FeatureStore."""

import asyncio
import itertools
import threading
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from guotu.model.collection import GeometryType
from guotu.model.errors import StoreFailure, UnknownVersion
from guotu.model.ports import FeatureStore, Grouping, Scan, StoredVersion
from guotu.model.schema import arrow_schema, stored_schema
from tests.support.eventually import eventually
from tests.support.features import drawn, parcels, sample_collection, stored_rows
from tests.support.stores import fetch, load, make_store, whole

pytestmark = pytest.mark.asyncio(loop_scope="module")

DATASET = "510000/tb"
COLLECTION = sample_collection()
EVERYTHING = Scan(COLLECTION.column_names)


async def test_a_staged_version_is_out_of_sight_until_activated(features: FeatureStore) -> None:
    assert await features.stage(DATASET, 1, COLLECTION, drawn(stored_rows(parcels(100)), rows=40)) == 100
    assert await features.versions() == []
    with pytest.raises(UnknownVersion) as raised:
        await fetch(features, COLLECTION, EVERYTHING)
    assert raised.value.facts == {"dataset": DATASET, "version": 1, "retained": ""}
    with pytest.raises(UnknownVersion):
        await features.aggregate(DATASET, 1, COLLECTION, Grouping((), ()))
    with pytest.raises(UnknownVersion):
        await features.state(DATASET, 1)
    await features.activate(DATASET, 1)
    assert await features.versions() == [StoredVersion(DATASET, 1, 100)]
    assert (await fetch(features, COLLECTION, EVERYTHING)).num_rows == 100


async def test_the_state_is_kept_with_the_version(features: FeatureStore) -> None:
    state = bytes(range(256)) * 256
    await load(features, parcels(10), state=state)
    await features.activate(DATASET, 1, b"something else")
    assert await features.state(DATASET, 1) == state
    await load(features, parcels(10, seed=2), 2)
    assert await features.state(DATASET, 2) == b""
    await features.drop(DATASET, 1)
    with pytest.raises(UnknownVersion):
        await features.state(DATASET, 1)


async def test_rows_come_back_as_they_were_in_curve_order(features: FeatureStore) -> None:
    table = parcels(1000)
    await load(features, table)
    found = await fetch(features, COLLECTION, EVERYTHING)
    assert found.schema.equals(arrow_schema(COLLECTION), check_metadata=True)
    assert found.equals(table)
    assert (await fetch(features, COLLECTION, EVERYTHING)).equals(found)


async def test_stored_rows_come_back_as_they_were_handed_in(features: FeatureStore) -> None:
    rows = stored_rows(parcels(3000))
    await features.stage(DATASET, 1, COLLECTION, drawn(rows))
    await features.activate(DATASET, 1)
    assert (await whole(features.stored(DATASET, 1, COLLECTION), stored_schema(COLLECTION))).equals(rows)


@pytest.mark.parametrize("start", [0, 700, 1400])
async def test_rows_handed_in_out_of_order_come_back_in_order(features: FeatureStore, start: int) -> None:
    rows = stored_rows(parcels(2000))
    # two rows of one batch, or the last of one and the first of the next, change places
    swapped = pa.concat_tables(
        [rows.slice(0, start), rows.slice(start + 1, 699), rows.slice(start, 1), rows.slice(start + 700)]
    )
    await features.stage(DATASET, 1, COLLECTION, drawn(swapped))
    await features.activate(DATASET, 1)
    assert (await whole(features.stored(DATASET, 1, COLLECTION), stored_schema(COLLECTION))).equals(rows)


async def test_versions_are_listed_in_order_and_do_not_mix(features: FeatureStore) -> None:
    for version in (10, 9, 1):
        await load(features, parcels(10 + version, seed=version), version)
    await load(features, parcels(5), 3, dataset="110000/tb")
    listed = [(item.dataset, item.version, item.rows) for item in await features.versions()]
    assert listed == [("110000/tb", 3, 5), (DATASET, 1, 11), (DATASET, 9, 19), (DATASET, 10, 20)]
    assert (await fetch(features, COLLECTION, EVERYTHING, version=9)).equals(parcels(19, seed=9))


async def test_staging_again_replaces_what_was_staged(features: FeatureStore) -> None:
    await features.stage(DATASET, 1, COLLECTION, drawn(stored_rows(parcels(10))))
    await load(features, parcels(20, seed=2))
    assert (await fetch(features, COLLECTION, EVERYTHING)).equals(parcels(20, seed=2))


async def test_staging_a_readable_version_again_leaves_it_readable_until_activated(features: FeatureStore) -> None:
    await load(features, parcels(10), state=b"before")
    await features.stage(DATASET, 1, COLLECTION, drawn(stored_rows(parcels(20))))
    assert (await fetch(features, COLLECTION, EVERYTHING)).num_rows == 10
    await features.activate(DATASET, 1, b"after")
    assert (await fetch(features, COLLECTION, EVERYTHING)).num_rows == 20
    assert await features.state(DATASET, 1) == b"after"
    assert len(await features.versions()) == 1


async def test_what_was_never_staged_cannot_be_activated(features: FeatureStore) -> None:
    with pytest.raises(UnknownVersion):
        await features.activate(DATASET, 1)


async def test_drop_removes_staged_and_active_versions_and_nothing_else(features: FeatureStore) -> None:
    await load(features, parcels(10), 1)
    await load(features, parcels(10), 2)
    await features.stage(DATASET, 3, COLLECTION, drawn(stored_rows(parcels(10))))
    for version in (1, 3, 7):
        await features.drop(DATASET, version)
    assert [item.version for item in await features.versions()] == [2]
    with pytest.raises(UnknownVersion):
        await features.activate(DATASET, 3)
    with pytest.raises(UnknownVersion):
        await fetch(features, COLLECTION, EVERYTHING)


async def test_a_scan_that_has_begun_survives_the_drop_of_its_version(features: FeatureStore) -> None:
    table = parcels(60_000)
    await load(features, table)
    rows = features.scan(DATASET, 1, COLLECTION, EVERYTHING)
    found = [await anext(rows)]
    await features.drop(DATASET, 1)
    await load(features, parcels(500, seed=5), 2)
    found += [batch async for batch in rows]
    assert pa.Table.from_batches(found).equals(table)


async def test_an_empty_version_answers(features: FeatureStore) -> None:
    for version, rows in ((1, lambda: iter(())), (2, drawn(stored_rows(parcels(0))))):
        assert await features.stage(DATASET, version, COLLECTION, rows) == 0
        await features.activate(DATASET, version)
        assert (await fetch(features, COLLECTION, EVERYTHING, version=version)).num_rows == 0


async def test_a_collection_without_geometry(features: FeatureStore) -> None:
    plain, table = sample_collection(GeometryType.NONE), parcels(100).drop_columns("geometry").sort_by("BSM")
    await load(features, table, collection=plain)
    assert (await fetch(features, plain, Scan(plain.column_names))).equals(table)
    found = await whole(features.stored(DATASET, 1, plain), stored_schema(plain))
    assert found.equals(stored_rows(table, plain))


class Bad(Exception):
    """Raised by rows on their way in."""


@pytest.mark.parametrize("fault", [Bad("wrong"), OSError(28, "No space left"), StoreFailure(detail="mine"), Bad()])
async def test_what_the_rows_raise_is_raised_and_leaves_nothing(features: FeatureStore, fault: Exception) -> None:
    await load(features, parcels(10))
    await features.stage(DATASET, 2, COLLECTION, drawn(stored_rows(parcels(10))))

    def rows() -> Iterator[pa.RecordBatch]:
        yield from stored_rows(parcels(5000)).to_batches(max_chunksize=1000)
        raise fault

    with pytest.raises(type(fault)) as raised:
        await features.stage(DATASET, 2, COLLECTION, rows)
    assert raised.value is fault
    with pytest.raises(UnknownVersion):
        await features.activate(DATASET, 2)
    assert [item.version for item in await features.versions()] == [1]
    await load(features, parcels(20), 2)


async def test_rows_are_drawn_in_another_thread_while_others_go_on(features: FeatureStore) -> None:
    await load(features, parcels(10))
    threads, go_on = set(), threading.Event()

    def rows() -> Iterator[pa.RecordBatch]:
        threads.add(threading.get_ident())
        assert go_on.wait(120)
        yield from stored_rows(parcels(50)).to_batches()

    staging = asyncio.create_task(features.stage(DATASET, 2, COLLECTION, rows))
    await eventually(lambda: bool(threads))
    assert (await fetch(features, COLLECTION, EVERYTHING)).num_rows == 10
    go_on.set()
    assert await staging == 50
    assert threads.isdisjoint({threading.get_ident()})


async def test_two_rows_of_one_key_are_refused(features: FeatureStore) -> None:
    rows = stored_rows(parcels(3000))
    with pytest.raises(StoreFailure, match="two rows have one BSM"):
        await features.stage(DATASET, 1, COLLECTION, drawn(rows, rows.slice(1234, 1)))
    with pytest.raises(UnknownVersion):
        await features.activate(DATASET, 1)


@pytest.mark.parametrize("name", ["BSM", "_hash"])
async def test_a_row_without_a_key_or_a_hash_is_refused(features: FeatureStore, name: str) -> None:
    rows = stored_rows(parcels(10))
    place, field = rows.schema.get_field_index(name), rows.schema.field(name)
    with pytest.raises(StoreFailure, match="staging 510000/tb@1"):
        await features.stage(DATASET, 1, COLLECTION, drawn(rows.set_column(place, field, pa.nulls(10, field.type))))


async def test_versions_outlive_the_process_and_staged_ones_do_not(kind: str, tmp_path: Path) -> None:
    store = make_store(kind, tmp_path / "store")
    await store.open()
    await load(store, parcels(50), 1, state=b"kept")
    await store.stage(DATASET, 2, COLLECTION, drawn(stored_rows(parcels(10))))
    await store.close()
    again = make_store(kind, tmp_path / "store")
    await again.open()
    try:
        assert [item.version for item in await again.versions()] == [1]
        with pytest.raises(UnknownVersion):
            await again.activate(DATASET, 2)
        assert (await fetch(again, COLLECTION, EVERYTHING)).equals(parcels(50))
        assert await again.state(DATASET, 1) == b"kept"
    finally:
        await again.close()


async def test_staging_that_is_cancelled_leaves_nothing(features: FeatureStore) -> None:
    rows, drawn_often = stored_rows(parcels(2000)), threading.Event()

    def endless() -> Iterator[pa.RecordBatch]:
        for number in itertools.count():
            yield from rows.to_batches()
            if number == 20:
                drawn_often.set()

    staging = asyncio.create_task(features.stage(DATASET, 1, COLLECTION, endless))
    await eventually(drawn_often.is_set)
    assert not staging.done()
    staging.cancel()
    with pytest.raises(asyncio.CancelledError):
        await staging
    with pytest.raises(UnknownVersion):
        await features.activate(DATASET, 1)
    await load(features, parcels(30), 1)
    assert (await fetch(features, COLLECTION, EVERYTHING)).equals(parcels(30))
