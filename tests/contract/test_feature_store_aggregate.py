"""What every feature store does with aggregations: groups, division levels, exact sums."""

from collections import defaultdict
from datetime import date
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
import pytest_asyncio

from guotu.model.errors import InvalidQuestion, TooLarge, UnknownField
from guotu.model.expression import Compare, Comparison
from guotu.model.grouping import grouping_schema
from guotu.model.ports import FeatureStore, Grouping
from guotu.model.question import Aggregate, AggregateFunction
from tests.support.features import parcels, removed, sample_collection, stored_rows
from tests.support.stores import apply, group, load

pytestmark = pytest.mark.asyncio(loop_scope="module")

DATASET = "510000/tb"
COLLECTION = sample_collection()
TABLE = parcels(5000)
COUNT, SUM, MIN, MAX, AVG = (AggregateFunction(name) for name in ("count", "sum", "min", "max", "avg"))
ROWS = Aggregate(COUNT, "", "rows")
EVERY = (
    ROWS,
    Aggregate(COUNT, "DLBM", "count_DLBM"),
    Aggregate(SUM, "TBMJ", "sum_TBMJ"),
    Aggregate(SUM, "GDDB", "sum_GDDB"),
    Aggregate(SUM, "KCXS", "sum_KCXS"),
    Aggregate(MIN, "TBMJ", "min_TBMJ"),
    Aggregate(MAX, "TBMJ", "max_TBMJ"),
    Aggregate(MIN, "GDDB", "min_GDDB"),
    Aggregate(MAX, "KCXS", "max_KCXS"),
    Aggregate(MIN, "DLBM", "min_DLBM"),
    Aggregate(MAX, "DLBM", "max_DLBM"),
    Aggregate(MAX, "DCRQ", "max_DCRQ"),
    Aggregate(MIN, "SFYX", "min_SFYX"),
)


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def loaded(shared_features: FeatureStore) -> FeatureStore:
    await load(shared_features, TABLE)
    return shared_features


def level(code: str | None, digits: int) -> str | None:
    return None if code is None else code[:digits].ljust(6, "0")


def group_value(row: dict[str, Any], name: str) -> Any:
    digits = {"province": 2, "prefecture": 4, "county": 6}.get(name)
    return row[name] if digits is None else level(row["ZLDWDM"], digits)


def reduce(rows: list[dict[str, Any]], item: Aggregate) -> Any:
    """Evaluate an aggregate as the port defines it."""
    if not item.field:
        return len(rows)
    values = [row[item.field] for row in rows if row[item.field] is not None]
    if item.function is COUNT:
        return len(values)
    if item.function is SUM:
        return sum((Decimal(repr(value)) for value in values), Decimal(0)) if values else None
    return (min if item.function is MIN else max)(values, default=None)


def expected(names: tuple[str, ...], items: tuple[Aggregate, ...]) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    groups = defaultdict(list)
    for row in TABLE.to_pylist():
        groups[tuple(group_value(row, name) for name in names)].append(row)
    return {key: tuple(reduce(rows, item) for item in items) for key, rows in groups.items()}


def as_groups(table: pa.Table, keys: int) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    rows = list(zip(*(column.to_pylist() for column in table.columns), strict=True))
    found = {row[:keys]: row[keys:] for row in rows}
    assert len(found) == len(rows)
    return found


@pytest.mark.parametrize(
    "names",
    [
        ("DLBM",),
        ("county",),
        ("prefecture",),
        ("province",),
        ("DLBM", "county"),
        ("province", "SFYX", "DLBM"),
        ("GDDB",),
        ("DCRQ",),
        ("TBMJ",),
        ("SFYX",),
        ("ZLDWDM",),
    ],
)
async def test_groups(loaded: FeatureStore, names: tuple[str, ...]) -> None:
    found = await group(loaded, COLLECTION, Grouping(names, EVERY))
    assert found.schema.equals(grouping_schema(COLLECTION, names, EVERY), check_metadata=True)
    assert as_groups(found, len(names)) == expected(names, EVERY)


async def test_without_group_columns_there_is_one_row(loaded: FeatureStore) -> None:
    found = await group(loaded, COLLECTION, Grouping((), EVERY))
    assert found.schema.equals(grouping_schema(COLLECTION, (), EVERY), check_metadata=True)
    assert as_groups(found, 0) == expected((), EVERY)


async def test_nothing_to_aggregate_is_a_count_of_none_and_a_sum_of_null(loaded: FeatureStore) -> None:
    nothing = Compare("BSM", Comparison.EQ, "nix")
    found = await group(loaded, COLLECTION, Grouping((), EVERY, nothing))
    assert found.to_pylist() == [dict.fromkeys(found.column_names) | {"rows": 0, "count_DLBM": 0}]
    assert (await group(loaded, COLLECTION, Grouping(("DLBM",), EVERY, nothing))).num_rows == 0


async def test_a_filter_selects_the_rows(loaded: FeatureStore) -> None:
    found = await group(loaded, COLLECTION, Grouping((), (ROWS,), Compare("DLBM", Comparison.EQ, "0101")))
    assert found["rows"].to_pylist() == [TABLE["DLBM"].to_pylist().count("0101")]


async def test_sums_are_exact_and_do_not_depend_on_the_order(features: FeatureStore) -> None:
    count = 20_000
    sample = parcels(count)
    tenths = pa.array([0.1] * (count - 2) + [9999999999999.99, -9999999999999.99])
    for name in ("TBMJ", "KCXS"):
        sample = sample.set_column(sample.column_names.index(name), sample.schema.field(name), tenths)
    items = (Aggregate(SUM, "TBMJ", "decimal"), Aggregate(SUM, "KCXS", "double"))
    odd = pa.array(range(1, count, 2))
    await load(features, sample, 1)
    await load(features, sample.take(pa.array(range(0, count, 2))), 2)
    await apply(features, stored_rows(sample.take(odd)), 3)
    await apply(features, removed(sample["BSM"].to_pylist()), 4)
    for version in (1, 3):
        found = await group(features, COLLECTION, Grouping((), items), version=version)
        assert found.to_pylist() == [{"decimal": Decimal("1999.80"), "double": Decimal("1999.800000000")}]


async def test_a_sum_of_integers_goes_beyond_64_bits(features: FeatureStore) -> None:
    large = pa.array([2**62] * 10)
    table = parcels(10).set_column(5, parcels(0).schema.field("GDDB"), large)
    await load(features, table)
    found = await group(features, COLLECTION, Grouping((), (Aggregate(SUM, "GDDB", "sum"),)))
    assert found.to_pylist() == [{"sum": Decimal(10 * 2**62)}]


async def test_more_groups_than_allowed_are_too_large(loaded: FeatureStore) -> None:
    allowed = len(expected(("DLBM",), (ROWS,)))
    assert (await group(loaded, COLLECTION, Grouping(("DLBM",), (ROWS,), max_groups=allowed))).num_rows == allowed
    with pytest.raises(TooLarge) as raised:
        await group(loaded, COLLECTION, Grouping(("DLBM",), (ROWS,), max_groups=allowed - 1))
    assert raised.value.facts["limit"] == allowed - 1


async def test_an_aggregate_may_have_the_name_of_a_column(loaded: FeatureStore) -> None:
    items = (Aggregate(MAX, "DCRQ", "DLBM"), Aggregate(COUNT, "", 'a"b'))
    found = await loaded.aggregate(DATASET, 1, COLLECTION, Grouping(("DLBM",), items))
    assert found.column_names == ["DLBM", "DLBM", 'a"b']
    assert isinstance(found.column(1)[0].as_py(), date)


@pytest.mark.parametrize(
    ("grouping", "error"),
    [
        (Grouping(("NIX",), (ROWS,)), UnknownField),
        (Grouping((), (Aggregate(SUM, "NIX", "s"),)), UnknownField),
        (Grouping((), (Aggregate(SUM, "DLBM", "s"),)), InvalidQuestion),
        (Grouping((), (Aggregate(AVG, "TBMJ", "s"),)), InvalidQuestion),
        (Grouping(("geometry",), (ROWS,)), UnknownField),
    ],
)
async def test_what_does_not_suit_the_collection_is_refused(
    loaded: FeatureStore, grouping: Grouping, error: type[Exception]
) -> None:
    with pytest.raises(error):
        await group(loaded, COLLECTION, grouping)
