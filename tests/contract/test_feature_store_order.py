"""In which order every feature store gives the rows of a version: that of its base, however it was reached."""

import pyarrow as pa
import pytest

from guotu.model.ports import FeatureStore, Scan
from guotu.model.rebase import is_own_base
from tests.support.features import applied, drawn, parcels, removed, sample_collection, stored_rows
from tests.support.scan_order import in_scan_order
from tests.support.stores import apply, fetch, load
from tests.support.three_versions import OTHERS, stored

pytestmark = pytest.mark.asyncio(loop_scope="module")

DATASET = "510000/tb"
COLLECTION = sample_collection()
BASE = parcels(1000)
KEYS = OTHERS["BSM"].to_pylist()
CHANGES = {
    number: pa.concat_tables([OTHERS.slice(number * 10, 12), removed(KEYS[500 + number : 503 + number])])
    for number in range(2, 6)
}
"""Small changes, each of which touches rows of the one before it."""
ROWS = {1: stored_rows(BASE)}
for _number, _change in CHANGES.items():
    ROWS[_number] = applied(ROWS[_number - 1], _change)


def recent(version: int, base: int) -> list[str]:
    """Keys that changes after a base brought, as of a version."""
    return [key for number in range(base + 1, version + 1) for key in CHANGES[number]["BSM"].to_pylist()]


async def scanned(store: FeatureStore, version: int) -> list[str]:
    found = (await fetch(store, COLLECTION, Scan(("BSM",)), version=version))["BSM"].to_pylist()
    assert found[:40] == (await fetch(store, COLLECTION, Scan(("BSM",), limit=40), version=version))["BSM"].to_pylist()
    return [str(key) for key in found]


def expected(version: int, base: int) -> list[str]:
    keys = in_scan_order(ROWS[version], recent(version, base))["BSM"].to_pylist()
    assert base == version or keys != ROWS[version]["BSM"].to_pylist()
    return [str(key) for key in keys]


async def chain(store: FeatureStore, first: int, *rebased: int, tidy: bool = False, last: int = 5) -> None:
    """Load a version whole and make the others of it by changes; some of them are bases of their own."""
    await store.stage(DATASET, first, COLLECTION, drawn(ROWS[first]))
    await store.activate(DATASET, first)
    for version in range(first + 1, last + 1):
        await store.stage_change(DATASET, version, COLLECTION, drawn(CHANGES[version]), rebase=version in rebased)
        await store.activate(DATASET, version)
        if tidy:
            await store.tidy(DATASET)


async def check(store: FeatureStore, bases: dict[int, int]) -> None:
    for version, base in bases.items():
        assert await scanned(store, version) == expected(version, base)
        assert (await stored(store, version)).equals(ROWS[version])


@pytest.mark.parametrize("tidy", [False, True])
async def test_what_changes_brought_comes_after_the_base(features: FeatureStore, tidy: bool) -> None:
    await chain(features, 1, tidy=tidy, last=4)
    await check(features, {1: 1, 2: 1, 3: 1, 4: 1})


@pytest.mark.parametrize("tidy", [False, True])
async def test_a_version_that_is_its_own_base_begins_anew(features: FeatureStore, tidy: bool) -> None:
    await chain(features, 1, 3, tidy=tidy)
    await check(features, {1: 1, 2: 1, 3: 3, 4: 3, 5: 3})
    await features.tidy(DATASET)
    await check(features, {1: 1, 2: 1, 3: 3, 4: 3, 5: 3})


@pytest.mark.parametrize("first", [1, 2, 3])
@pytest.mark.parametrize("tidy", [False, True])
async def test_a_version_has_one_order_however_it_was_reached(features: FeatureStore, first: int, tidy: bool) -> None:
    """Whole at version 3, or by changes past it, which is a base as well."""
    await chain(features, first, 3, tidy=tidy)
    await check(features, {3: 3, 4: 3, 5: 3})


async def test_changes_that_become_many_make_a_base_of_their_own(features: FeatureStore) -> None:
    """Fifteen changes a version: the fourth comes to sixty since the base, of less than a thousand rows."""
    await chain(features, 1)
    assert not is_own_base(45, ROWS[4].num_rows)
    assert is_own_base(60, ROWS[5].num_rows)
    await check(features, {4: 1, 5: 5})
    await features.tidy(DATASET)
    await check(features, {1: 1, 2: 1, 3: 1, 4: 1, 5: 5})


async def test_one_change_of_many_rows_is_a_base(features: FeatureStore) -> None:
    await load(features, BASE)
    await apply(features, OTHERS.slice(0, 60), 2)
    keys = applied(ROWS[1], OTHERS.slice(0, 60))["BSM"].to_pylist()
    assert await scanned(features, 2) == keys


@pytest.mark.parametrize("dropped", [(5,), (5, 4), (5, 4, 3)])
@pytest.mark.parametrize("tidied", [False, True])
async def test_what_is_left_after_rolling_back_keeps_its_order(
    features: FeatureStore, dropped: tuple[int, ...], tidied: bool
) -> None:
    await chain(features, 1, 3)
    if tidied:
        assert await features.tidy(DATASET)
    bases = {1: 1, 2: 1, 3: 3, 4: 3, 5: 3}
    for version in dropped:
        await features.drop(DATASET, version)
        bases.pop(version)
        await check(features, bases)
    for version in reversed(dropped):
        await features.stage_change(DATASET, version, COLLECTION, drawn(CHANGES[version]), rebase=version == 3)
        await features.activate(DATASET, version)
    await check(features, {1: 1, 2: 1, 3: 3, 4: 3, 5: 3})
    await features.tidy(DATASET)
    await check(features, {1: 1, 2: 1, 3: 3, 4: 3, 5: 3})


async def test_dropping_older_versions_leaves_the_order_alone(features: FeatureStore) -> None:
    await chain(features, 1, 3)
    for version in (3, 1, 4):
        await features.drop(DATASET, version)
        await features.tidy(DATASET)
    await check(features, {2: 1, 5: 3})


async def test_a_branch_goes_on_in_the_order_of_its_base(features: FeatureStore) -> None:
    """Version 3 again, of version 2, which is no longer the newest."""
    await chain(features, 1, last=4)
    await features.drop(DATASET, 3)
    await apply(features, CHANGES[3], 3)
    await check(features, {1: 1, 2: 1, 3: 1, 4: 1})


async def test_mended_rows_lie_where_the_version_in_which_they_came_to_be_has_them(features: FeatureStore) -> None:
    await chain(features, 1, 3)
    rows = ROWS[5].take(pa.array(range(0, 900, 7)))
    late = set(recent(5, 3))
    since = [5 if key in late else 1 for key in rows["BSM"].to_pylist()]
    mended = rows.append_column("_since", pa.array(since, pa.int64()))
    await features.mend(DATASET, 5, COLLECTION, drawn(mended))
    assert await scanned(features, 5) == expected(5, 3)
    assert await features.tidy(DATASET)
    assert await scanned(features, 5) == expected(5, 3)


async def test_tidying_is_done_where_there_is_something_to_do(features: FeatureStore) -> None:
    await chain(features, 1, last=2)
    assert not await features.tidy(DATASET)
    await apply(features, CHANGES[3], 3)
    assert await features.tidy(DATASET)
    assert not await features.tidy(DATASET)
    await features.stage_change(DATASET, 4, COLLECTION, drawn(CHANGES[4]), rebase=True)
    await features.activate(DATASET, 4)
    assert await features.tidy(DATASET)
    assert not await features.tidy(DATASET)
