"""What every feature store does with versions that changes lead to: applying, dropping, tidying, mending."""

import asyncio
from collections.abc import Iterator
from contextlib import aclosing

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from guotu.model.collection import GeometryType
from guotu.model.errors import StoreFailure, UnknownVersion
from guotu.model.expression import Compare, Comparison
from guotu.model.ports import FeatureStore, Grouping, Scan, StoredVersion
from guotu.model.question import Aggregate, AggregateFunction, SortKey
from guotu.model.schema import effect_schema, stored_schema
from tests.support.features import applied, drawn, parcels, removed, sample_collection, stored_rows
from tests.support.scan_order import in_scan_order
from tests.support.stores import apply, fetch, group, load, whole
from tests.support.three_versions import (
    BASE,
    CHANGES,
    KEYS,
    ONE,
    OTHERS,
    THREE,
    THREE_CHANGES,
    TWO,
    stored,
    three_versions,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

DATASET = "510000/tb"
COLLECTION = sample_collection()


async def test_a_change_makes_the_next_version_and_leaves_the_one_before(features: FeatureStore) -> None:
    await load(features, BASE)
    assert await features.stage_change(DATASET, 2, COLLECTION, drawn(CHANGES)) == TWO.num_rows
    assert [item.version for item in await features.versions()] == [1]
    assert (await stored(features, 1)).equals(ONE)
    await features.activate(DATASET, 2, b"two")
    assert await features.versions() == [StoredVersion(DATASET, 1, 1000), StoredVersion(DATASET, 2, TWO.num_rows)]
    assert (await stored(features, 1)).equals(ONE)
    assert (await stored(features, 2)).equals(TWO)
    assert await features.state(DATASET, 2) == b"two"


async def test_a_chain_of_changes(features: FeatureStore) -> None:
    await three_versions(features)
    for version, rows in ((1, ONE), (2, TWO), (3, THREE)):
        assert (await stored(features, version)).equals(rows)


async def test_every_version_answers_in_its_order_and_with_filters(features: FeatureStore) -> None:
    await three_versions(features)
    names, filter = ("BSM", "TBMJ", "geometry"), Compare("GDDB", Comparison.GE, 5)
    total = Grouping((), (Aggregate(AggregateFunction.COUNT, "", "rows"),), filter)
    late = THREE_CHANGES["BSM"].to_pylist()  # version 2 is a base of its own, since it changes so many rows
    for version, rows in ((1, ONE), (2, TWO), (3, in_scan_order(THREE, late))):
        expected = rows.filter(pc.fill_null(pc.greater_equal(rows["GDDB"], 5), False)).select(names)
        found = await fetch(features, COLLECTION, Scan(names, filter), version=version)
        assert found.to_pylist() == expected.to_pylist()
        limited = await fetch(features, COLLECTION, Scan(names, filter, limit=7), version=version)
        assert limited.to_pylist() == expected.to_pylist()[:7]
        last = await fetch(features, COLLECTION, Scan(("BSM",), sort=(SortKey("BSM", True),), limit=3), version=version)
        assert last["BSM"].to_pylist() == sorted(rows["BSM"].to_pylist())[:-4:-1]
        assert (await group(features, COLLECTION, total, version=version))["rows"].to_pylist() == [len(expected)]


async def test_a_change_needs_the_version_before(features: FeatureStore) -> None:
    await load(features, BASE)
    with pytest.raises(UnknownVersion) as raised:
        await features.stage_change(DATASET, 3, COLLECTION, drawn(CHANGES))
    assert raised.value.facts == {"dataset": DATASET, "version": 2, "retained": ""}
    await features.stage(DATASET, 2, COLLECTION, drawn(ONE))
    await features.stage(DATASET, 3, COLLECTION, drawn(ONE))
    with pytest.raises(UnknownVersion):
        await features.stage_change(DATASET, 3, COLLECTION, drawn(CHANGES))
    await features.activate(DATASET, 3)
    assert (await stored(features, 3)).equals(ONE)


async def test_a_change_of_nothing_and_one_that_removes_all(features: FeatureStore) -> None:
    await load(features, BASE)
    assert await features.stage_change(DATASET, 2, COLLECTION, lambda: iter(())) == 1000
    await features.activate(DATASET, 2)
    assert await apply(features, removed(ONE["BSM"].to_pylist()), 3) == 0
    assert await apply(features, ONE, 4) == 1000
    assert [item.rows for item in await features.versions()] == [1000, 1000, 0, 1000]
    assert (await stored(features, 3)).num_rows == 0
    for version in (1, 2, 4):
        assert (await stored(features, version)).equals(ONE)


async def test_a_collection_without_geometry(features: FeatureStore) -> None:
    plain = sample_collection(GeometryType.NONE)
    rows = stored_rows(BASE.drop_columns("geometry"), plain)
    await features.stage(DATASET, 1, plain, drawn(rows.slice(0, 900)))
    await features.activate(DATASET, 1)
    await apply(features, pa.concat_tables([rows.slice(900), removed([rows["BSM"][0].as_py()], plain)]), 2, plain)
    assert (await whole(features.stored(DATASET, 2, plain), stored_schema(plain))).equals(rows.slice(1))


async def test_what_a_staged_change_would_do(features: FeatureStore) -> None:
    await load(features, BASE)
    changes = pa.concat_tables([CHANGES, removed(["never there"])])
    await features.stage_change(DATASET, 2, COLLECTION, drawn(changes))
    old = dict(zip(ONE["BSM"].to_pylist(), ONE["_hash"].to_pylist(), strict=True))
    rows = changes.select(["BSM", "_hash"]).to_pylist()
    expected = [(row["BSM"], old.get(row["BSM"]), row["_hash"]) for row in rows]
    found = await whole(features.staged_change(DATASET, 2, COLLECTION), effect_schema(COLLECTION))
    assert [tuple(row.values()) for row in found.to_pylist()] == sorted(expected)
    await features.stage(DATASET, 4, COLLECTION, drawn(ONE))
    for version in (1, 3, 4):
        with pytest.raises(UnknownVersion):
            await whole(features.staged_change(DATASET, version, COLLECTION), effect_schema(COLLECTION))


async def test_staging_a_change_again_replaces_what_was_staged(features: FeatureStore) -> None:
    await load(features, BASE)
    await features.stage_change(DATASET, 2, COLLECTION, drawn(OTHERS.slice(500, 100)))
    await apply(features, CHANGES, 2)
    assert (await stored(features, 2)).equals(TWO)
    await features.stage(DATASET, 3, COLLECTION, drawn(ONE))
    await apply(features, THREE_CHANGES, 3)
    assert (await stored(features, 3)).equals(THREE)


async def test_two_changes_of_one_key_are_refused_and_leave_nothing(features: FeatureStore) -> None:
    await load(features, BASE)
    await features.stage_change(DATASET, 2, COLLECTION, drawn(CHANGES))
    with pytest.raises(StoreFailure, match="two rows have one BSM"):
        await features.stage_change(DATASET, 2, COLLECTION, drawn(CHANGES, removed(KEYS[:1])))
    with pytest.raises(UnknownVersion):
        await features.activate(DATASET, 2)
    assert (await stored(features, 1)).equals(ONE)


async def test_what_the_changes_raise_is_raised_and_leaves_nothing(features: FeatureStore) -> None:
    await load(features, BASE)
    fault = ValueError("wrong")

    def changes() -> Iterator[pa.RecordBatch]:
        yield from CHANGES.to_batches()
        raise fault

    with pytest.raises(ValueError, match="wrong") as raised:
        await features.stage_change(DATASET, 2, COLLECTION, changes)
    assert raised.value is fault
    with pytest.raises(UnknownVersion):
        await features.activate(DATASET, 2)


async def test_dropping_the_newest_leaves_the_one_before_as_it_was(features: FeatureStore) -> None:
    await three_versions(features)
    await features.drop(DATASET, 3)
    assert (await stored(features, 1)).equals(ONE)
    assert (await stored(features, 2)).equals(TWO)
    await apply(features, THREE_CHANGES, 3)
    assert (await stored(features, 3)).equals(THREE)
    await features.drop(DATASET, 2)
    await features.drop(DATASET, 3)
    assert (await stored(features, 1)).equals(ONE)
    assert await features.versions() == [StoredVersion(DATASET, 1, 1000)]


@pytest.mark.parametrize("dropped", [(1,), (2,), (1, 2), (2, 1)])
async def test_dropping_older_versions_leaves_the_others_as_they_were(
    features: FeatureStore, dropped: tuple[int, ...]
) -> None:
    await three_versions(features)
    for version in dropped:
        await features.drop(DATASET, version)
        with pytest.raises(UnknownVersion):
            await stored(features, version)
    for version, rows in ((1, ONE), (2, TWO), (3, THREE)):
        if version not in dropped:
            assert (await stored(features, version)).equals(rows)


async def test_dropping_all_leaves_nothing(features: FeatureStore) -> None:
    await three_versions(features)
    for version in (2, 3, 1):
        await features.drop(DATASET, version)
    assert await features.versions() == []
    await three_versions(features)
    assert (await stored(features, 3)).equals(THREE)


async def test_a_staged_change_goes_with_the_version_that_it_changes(features: FeatureStore) -> None:
    await three_versions(features)
    await features.stage_change(DATASET, 4, COLLECTION, drawn(CHANGES))
    await features.drop(DATASET, 3)
    await load(features, BASE, 3)
    with pytest.raises(UnknownVersion):
        await features.activate(DATASET, 4)


async def test_a_version_in_the_middle_can_come_back(features: FeatureStore) -> None:
    await three_versions(features)
    await features.drop(DATASET, 2)
    await apply(features, CHANGES, 2)
    for version, rows in ((1, ONE), (2, TWO), (3, THREE)):
        assert (await stored(features, version)).equals(rows)
    await features.drop(DATASET, 2)
    for version, rows in ((1, ONE), (3, THREE)):
        assert (await stored(features, version)).equals(rows)


async def test_the_newest_can_be_replaced_by_another_change(features: FeatureStore) -> None:
    await three_versions(features)
    other = applied(TWO, OTHERS.slice(900))
    assert await features.stage_change(DATASET, 3, COLLECTION, drawn(OTHERS.slice(900))) == other.num_rows
    assert (await stored(features, 3)).equals(THREE)
    await features.activate(DATASET, 3)
    assert (await stored(features, 3)).equals(other)
    assert (await stored(features, 2)).equals(TWO)


async def test_a_new_base_and_changes_go_on_beside_each_other(features: FeatureStore) -> None:
    await three_versions(features)
    await features.stage(DATASET, 3, COLLECTION, drawn(THREE))
    await features.activate(DATASET, 3)
    await apply(features, CHANGES, 4)
    expected = {1: ONE, 2: TWO, 3: THREE, 4: applied(THREE, CHANGES)}
    for version, rows in expected.items():
        assert (await stored(features, version)).equals(rows)
    await features.drop(DATASET, 2)
    await features.drop(DATASET, 3)
    for version in (1, 4):
        assert (await stored(features, version)).equals(expected[version])


async def test_tidying_changes_no_answer(features: FeatureStore) -> None:
    await three_versions(features)
    assert await features.tidy(DATASET)
    assert not await features.tidy(DATASET)
    assert not await features.tidy("110000/tb")
    for version, rows in ((1, ONE), (2, TWO), (3, THREE)):
        assert (await stored(features, version)).equals(rows)
    await features.drop(DATASET, 3)
    assert (await stored(features, 2)).equals(TWO)


async def test_readers_go_on_while_versions_come_and_go(features: FeatureStore) -> None:
    """What a reader gets is one version whole, whatever happens while it reads."""
    rows = stored_rows(parcels(60_000))
    await features.stage(DATASET, 1, COLLECTION, drawn(rows, rows=20_000))
    await features.activate(DATASET, 1)
    change = stored_rows(parcels(4000, seed=8))
    async with aclosing(features.stored(DATASET, 1, COLLECTION)) as before:  # type: ignore[type-var]
        found = [await anext(before)]
        await apply(features, change, 2)
        async with aclosing(features.stored(DATASET, 2, COLLECTION)) as after:  # type: ignore[type-var]
            later = [await anext(after)]
            assert await features.tidy(DATASET)
            await features.drop(DATASET, 1)
            await features.drop(DATASET, 2)
            found += [batch async for batch in before]
            later += [batch async for batch in after]
    assert pa.Table.from_batches(found).equals(rows)
    assert pa.Table.from_batches(later).equals(applied(rows, change))


async def test_scans_that_race_with_changes_see_their_version(features: FeatureStore) -> None:
    await load(features, BASE)
    expected = {1: ONE}

    async def read(version: int) -> None:
        for _ in range(6):
            assert (await stored(features, version)).equals(expected[version])

    readers = [asyncio.create_task(read(1))]
    for version in range(2, 12):
        change = OTHERS.slice(version * 100, 60)
        expected[version] = applied(expected[version - 1], change)
        await apply(features, change, version)
        readers.append(asyncio.create_task(read(version)))
        await features.tidy(DATASET)
    await asyncio.gather(*readers)
