"""What every feature store does when versions are compared with one another, with other rows, and looked up by key."""

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest
import pytest_asyncio

from guotu.model.collection import GeometryType
from guotu.model.errors import StoreFailure, UnknownVersion
from guotu.model.ports import FeatureStore
from guotu.model.schema import change_schema, difference_schema, stored_schema
from tests.support.features import drawn, parcels, removed, sample_collection, stored_rows
from tests.support.stores import apply, load, whole

pytestmark = pytest.mark.asyncio(loop_scope="module")

DATASET = "510000/tb"
COLLECTION = sample_collection()
SCHEMA = stored_schema(COLLECTION)
BASE = stored_rows(parcels(1000))
OTHERS = stored_rows(parcels(1400, seed=3))
KEYS = OTHERS["BSM"].to_pylist()
Row = dict[str, Any]


def by_key(rows: pa.Table) -> dict[str, Row]:
    """Rows by key, with all that is stored of them."""
    return {row["BSM"]: row for row in rows.to_pylist()}


def changed(rows: dict[str, Row], changes: pa.Table) -> dict[str, Row]:
    table = rows | by_key(changes)
    return {key: row for key, row in table.items() if row["_hash"] is not None}


CHANGES = pa.concat_tables([OTHERS.slice(0, 90), removed(KEYS[90:130])])
_FIRST = BASE.take(pa.array(range(0, 1000, 3)))
BACK = pa.concat_tables([_FIRST, removed(sorted(set(KEYS[40:80]) - set(_FIRST["BSM"].to_pylist())))])
"""Some rows as they were at first, and some that are taken away."""
VERSIONS = {1: by_key(BASE)}
VERSIONS[2] = changed(VERSIONS[1], CHANGES)
VERSIONS[3] = changed(VERSIONS[2], BACK)
VERSIONS[4] = by_key(OTHERS)
VERSIONS[5] = changed(VERSIONS[4], CHANGES)


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def versions(shared_features: FeatureStore) -> FeatureStore:
    """Two generations: 1, 2, 3 and 4, 5."""
    plain = parcels(1400, seed=3)
    await load(shared_features, parcels(1000))
    await apply(shared_features, CHANGES, 2)
    await apply(shared_features, BACK, 3)
    await load(shared_features, plain, 4)
    await apply(shared_features, CHANGES, 5)
    return shared_features


def side(row: Row | None) -> Row | None:
    return None if row is None else {name: value for name, value in row.items() if name[0] != "_"}


def expected_changes(before: dict[str, Row], after: dict[str, Row]) -> list[Row]:
    found = []
    for key in sorted({*before, *after}):
        old, new = before.get(key), after.get(key)
        if (old or {}).get("_hash") != (new or {}).get("_hash"):
            op = "insert" if old is None else "delete" if new is None else "update"
            found.append({"BSM": key, "op": op, "before": side(old), "after": side(new)})
    return found


@pytest.mark.parametrize("until", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("since", [1, 2, 3, 4, 5])
async def test_changes_between_versions(versions: FeatureStore, since: int, until: int) -> None:
    found = await whole(versions.changes(DATASET, since, until, COLLECTION), change_schema(COLLECTION))
    assert found.to_pylist() == expected_changes(VERSIONS[since], VERSIONS[until])


async def test_changes_between_versions_of_which_those_between_are_gone(features: FeatureStore) -> None:
    await load(features, parcels(1000))
    await apply(features, CHANGES, 2)
    await apply(features, BACK, 3)
    await features.drop(DATASET, 2)
    found = await whole(features.changes(DATASET, 1, 3, COLLECTION), change_schema(COLLECTION))
    assert found.to_pylist() == expected_changes(VERSIONS[1], VERSIONS[3])


async def test_changes_need_both_versions(versions: FeatureStore) -> None:
    for since, until, missing in ((1, 9, 9), (8, 2, 8)):
        with pytest.raises(UnknownVersion) as raised:
            await whole(versions.changes(DATASET, since, until, COLLECTION), change_schema(COLLECTION))
        assert raised.value.facts == {"dataset": DATASET, "version": missing, "retained": ""}


def numbered(rows: pa.Table) -> pa.Table:
    """The columns that are compared; the number of a row is not its place."""
    return rows.select(["BSM", "_hash"]).append_column("_row", pa.array(range(7, 7 + len(rows)), pa.int64()))


@pytest.mark.parametrize("version", [1, 2, 3, 5])
@pytest.mark.parametrize("rows", [BASE, OTHERS, CHANGES.slice(0, 90), BASE.slice(0, 0)], ids=len)
async def test_a_set_of_rows_compared_with_a_version(versions: FeatureStore, version: int, rows: pa.Table) -> None:
    given = {row["BSM"]: row for row in numbered(rows).to_pylist()}
    expected = []
    for key in sorted({*given, *VERSIONS[version]}):
        old, new = VERSIONS[version].get(key, {}), given.get(key, {})
        if old.get("_hash") != new.get("_hash"):
            expected.append((key, new.get("_row"), old.get("_hash"), old.get("geometry")))
    comparison = versions.compare(DATASET, version, COLLECTION, drawn(numbered(rows)))
    found = await whole(comparison, difference_schema(COLLECTION))
    assert [tuple(row.values()) for row in found.to_pylist()] == expected


async def test_comparing_refuses_two_rows_of_one_key(versions: FeatureStore) -> None:
    given = numbered(BASE)
    comparison = versions.compare(DATASET, 1, COLLECTION, drawn(given, given.slice(5, 1)))
    with pytest.raises(StoreFailure, match="two rows have one BSM"):
        await whole(comparison, difference_schema(COLLECTION))


async def test_what_the_compared_rows_raise_is_raised(versions: FeatureStore) -> None:
    fault = LookupError("mine")

    def rows() -> Iterator[pa.RecordBatch]:
        yield from numbered(BASE).to_batches()
        raise fault

    with pytest.raises(LookupError) as raised:
        await whole(versions.compare(DATASET, 1, COLLECTION, rows), difference_schema(COLLECTION))
    assert raised.value is fault


async def test_comparing_without_geometry(features: FeatureStore) -> None:
    plain = sample_collection(GeometryType.NONE)
    rows = stored_rows(parcels(100).drop_columns("geometry"), plain)
    await features.stage(DATASET, 1, plain, drawn(rows))
    await features.activate(DATASET, 1)
    comparison = features.compare(DATASET, 1, plain, drawn(numbered(rows.slice(1))))
    found = await whole(comparison, difference_schema(plain))
    first = rows.slice(0, 1).to_pylist()[0]
    assert found.to_pylist() == [{"BSM": first["BSM"], "_row": None, "old_hash": first["_hash"]}]


async def test_an_unknown_version_is_not_compared_with_nor_looked_into(versions: FeatureStore) -> None:
    with pytest.raises(UnknownVersion):
        await whole(versions.compare(DATASET, 6, COLLECTION, drawn(numbered(BASE))), difference_schema(COLLECTION))
    with pytest.raises(UnknownVersion):
        await whole(versions.look_up(DATASET, 6, COLLECTION, pa.array(KEYS), SCHEMA.names), SCHEMA)
    with pytest.raises(UnknownVersion):
        await whole(versions.stored(DATASET, 6, COLLECTION), SCHEMA)


@pytest.mark.parametrize("version", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("count", [0, 1, 400])
async def test_rows_are_looked_up_by_key(versions: FeatureStore, version: int, count: int) -> None:
    keys = [*KEYS[50 : 50 + count], "never there", "'; --"]
    given = pa.array(keys, pa.string())
    found = await whole(versions.look_up(DATASET, version, COLLECTION, given, SCHEMA.names), SCHEMA)
    there = sorted(set(keys) & set(VERSIONS[version]))
    assert found.to_pylist() == [VERSIONS[version][key] for key in there]


@pytest.mark.parametrize("names", [["_hash"], ["geometry", "_place", "BSM", "_hash", "_xmax"]])
async def test_only_the_columns_asked_for_are_looked_up(versions: FeatureStore, names: list[str]) -> None:
    schema = pa.schema([SCHEMA.field(name) for name in names])
    found = await whole(versions.look_up(DATASET, 5, COLLECTION, pa.array(KEYS[:90]), names), schema)
    there = sorted(set(KEYS[:90]) & set(VERSIONS[5]))
    assert found.to_pylist() == [{name: VERSIONS[5][key][name] for name in names} for key in there]
