"""Merging the groups of the parts is grouping the whole, to the digit, however the whole is parted."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from typing import Any

import hypothesis.strategies as st
import pyarrow as pa
import pytest
from hypothesis import given, settings

from federation.execution import groups
from federation.execution.groups import finish, lower, merge_groups
from guotu.model.errors import TooLarge
from guotu.model.grouping import grouping_schema
from guotu.model.question import Aggregate, AggregateFunction
from tests.support.federation_parts import PARCELS

COUNT, SUM, MIN, MAX, AVG = AggregateFunction
AGGREGATES = (
    Aggregate(COUNT, "", "rows"),
    Aggregate(COUNT, "TBMJ", "areas"),
    Aggregate(SUM, "TBMJ", "area"),
    Aggregate(SUM, "KD", "width"),
    Aggregate(SUM, "SJNF", "years"),
    Aggregate(MIN, "TBMJ", "least"),
    Aggregate(MAX, "TBMJ", "most"),
    Aggregate(MIN, "DLMC", "first"),
    Aggregate(MAX, "GXRQ", "latest"),
    Aggregate(MAX, "SFYX", "any"),
    Aggregate(AVG, "TBMJ", "mean"),
    Aggregate(AVG, "SJNF", "mean_year"),
)
Row = dict[str, Any]
_CENTS = st.integers(-(10**13), 10**13).map(lambda value: float(Decimal(value) / 100))
_ROW = st.fixed_dictionaries(
    {
        "DLBM": st.none() | st.sampled_from(["0101", "0102", ""]),
        "SFYX": st.none() | st.booleans(),
        "SJNF": st.none() | st.integers(-(2**62), 2**62),
        "TBMJ": st.none() | _CENTS,
        "KD": st.none() | st.integers(-(10**9), 10**9).map(lambda value: value / 1000),
        "DLMC": st.none() | st.sampled_from(["水田", "旱地", "a", ""]),
        "GXRQ": st.none() | st.dates(),
    }
)


def exact(value: Any, places: int) -> Decimal:
    return Decimal(repr(value)).quantize(Decimal(1).scaleb(-places))


def aggregate(item: Aggregate, rows: list[Row]) -> Any:
    """Compute one aggregate the plain way."""
    if item.function is COUNT and not item.field:
        return len(rows)
    values = [row[item.field] for row in rows if row[item.field] is not None]
    if item.function is COUNT:
        return len(values)
    if not values:
        return None
    if item.function in (MIN, MAX):
        key = str.encode if isinstance(values[0], str) else None
        return min(values, key=key) if item.function is MIN else max(values, key=key)
    places = {"TBMJ": 2, "KD": 9, "SJNF": 0}[item.field]
    total = sum((exact(value, places) for value in values), Decimal(0))
    return total if item.function is SUM else float(total) / len(values)


def grouped(rows: list[Row], by: tuple[str, ...], aggregates: tuple[Aggregate, ...]) -> list[Row]:
    """Group the plain way: sorted by the group columns, nulls last; without columns one row, also over nothing."""
    parts: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    if not by:
        parts[()] = []
    for row in rows:
        parts[tuple(row[name] for name in by)].append(row)
    keys = sorted(parts, key=lambda key: [(value is None, value if value is not None else 0) for value in key])
    return [
        dict(zip(by, key, strict=True)) | {item.alias: aggregate(item, parts[key]) for item in aggregates}
        for key in keys
    ]


_BY = st.sampled_from([(), ("DLBM",), ("SFYX",), ("DLBM", "SFYX"), ("SJNF", "DLBM"), ("GXRQ",)])


@settings(deadline=None)
@given(st.lists(st.lists(_ROW, max_size=8), max_size=5), _BY)
def test_merging_parts_is_grouping_the_whole(parts: list[list[Row]], by: tuple[str, ...]) -> None:
    lowered = lower(AGGREGATES)
    schema = grouping_schema(PARCELS, by, lowered)
    tables = [pa.Table.from_pylist(grouped(part, by, lowered), schema) for part in parts]
    merged = merge_groups(tables, by, lowered, schema)
    assert merged.schema == schema
    answer = finish(merged, AGGREGATES, grouping_schema(PARCELS, by, AGGREGATES))
    assert answer.schema == grouping_schema(PARCELS, by, AGGREGATES)
    expected = grouped([row for part in parts for row in part], by, AGGREGATES)
    got = answer.to_pylist()
    for row, wanted in zip(got, expected, strict=True):
        for mean in ("mean", "mean_year"):
            got_mean, wanted_mean = row.pop(mean), wanted.pop(mean)
            assert got_mean == (None if wanted_mean is None else pytest.approx(wanted_mean, rel=1e-14))
        assert row == wanted


@settings(deadline=None)
@given(st.lists(st.lists(_ROW, max_size=6), min_size=2, max_size=4), _BY, st.randoms())
def test_the_order_and_the_tree_of_the_parts_do_not_matter(
    parts: list[list[Row]], by: tuple[str, ...], chance: Any
) -> None:
    lowered = lower(AGGREGATES)
    schema = grouping_schema(PARCELS, by, lowered)
    tables = [pa.Table.from_pylist(grouped(part, by, lowered), schema) for part in parts]
    flat = merge_groups(tables, by, lowered, schema)
    shuffled = list(tables)
    chance.shuffle(shuffled)
    split = chance.randrange(len(shuffled) + 1)
    nested = [merge_groups(half, by, lowered, schema) for half in (shuffled[:split], shuffled[split:])]
    again = merge_groups(nested, by, lowered, schema)
    assert again.combine_chunks().equals(flat.combine_chunks())


def test_sums_close_to_the_digit_where_floats_do_not() -> None:
    lowered = (Aggregate(SUM, "TBMJ", "s"),)
    schema = grouping_schema(PARCELS, (), lowered)
    parts = [pa.Table.from_pylist([{"s": Decimal("0.10")}], schema)] * 10
    parts += [pa.Table.from_pylist([{"s": Decimal("99999999999999999999999999999999999.99")}], schema)]
    merged = merge_groups(parts, (), lowered, schema)
    assert merged["s"].to_pylist() == [Decimal("100000000000000000000000000000000000.99")]


def test_nothing_at_all_is_one_row_without_group_columns_and_none_with() -> None:
    lowered = lower(AGGREGATES)
    empty = merge_groups([], (), lowered, grouping_schema(PARCELS, (), lowered))
    (row,) = finish(empty, AGGREGATES, grouping_schema(PARCELS, (), AGGREGATES)).to_pylist()
    assert row == {item.alias: 0 if item.function is COUNT else None for item in AGGREGATES}
    assert merge_groups([], ("DLBM",), lowered, grouping_schema(PARCELS, ("DLBM",), lowered)).num_rows == 0


def test_too_many_groups_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups, "MAX_GROUPS", 3)
    lowered = (Aggregate(COUNT, "", "n"),)
    schema = grouping_schema(PARCELS, ("SJNF",), lowered)
    table = pa.Table.from_pylist([{"SJNF": year, "n": 1} for year in range(4)], schema)
    assert merge_groups([table.slice(1)], ("SJNF",), lowered, schema).num_rows == 3
    with pytest.raises(TooLarge):
        merge_groups([table], ("SJNF",), lowered, schema)
