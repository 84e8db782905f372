"""What every feature store counts by class: each value once, in the class that its exact value is in."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pyarrow as pa
import pytest
import pytest_asyncio

from guotu.model.bins import edges_of
from guotu.model.collection import FieldType
from guotu.model.expression import Compare, Comparison
from guotu.model.grouping import require_field
from guotu.model.ports import FeatureStore, Grouping
from guotu.model.question import Aggregate, AggregateFunction, Bins
from tests.support.features import parcels, sample_collection
from tests.support.scripted_peers import bin_of
from tests.support.stores import load

pytestmark = pytest.mark.asyncio(loop_scope="module")

COLLECTION = sample_collection()
TABLE = parcels(2000, seed=11)
COUNT = (Aggregate(AggregateFunction.COUNT, "", "count"),)
FIELDS = {
    FieldType.INTEGER: ("-3", "0", "1.5", "9"),
    FieldType.DECIMAL: ("0.005", "1000", "5000.01", "5000.015", "99999999999999999999"),
    FieldType.DOUBLE: ("0", "0.1", "0.25", "1e0"),
    FieldType.DATE: ("2019-06-01", "2020-01-01", "2023-12-31"),
}
CASES = [(item.name, edges) for item in COLLECTION.fields if item.type in FIELDS for edges in [FIELDS[item.type]]]


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def loaded(shared_features: FeatureStore) -> FeatureStore:
    await load(shared_features, TABLE)
    return shared_features


async def counted(store: FeatureStore, bins: Bins, wanted: Any = None) -> dict[int | None, int]:
    groups = await store.aggregate("510000/tb", 1, COLLECTION, Grouping((), COUNT, wanted, bins=bins))
    assert groups.schema.names == ["bin", "count"]
    assert groups.schema.field("bin").type == pa.int64()
    return dict(zip(groups["bin"].to_pylist(), groups["count"].to_pylist(), strict=True))


@pytest.mark.parametrize(("name", "edges"), CASES)
async def test_every_value_is_in_its_class(loaded: FeatureStore, name: str, edges: tuple[str, ...]) -> None:
    bins, values = Bins(name, 0, edges), TABLE[name].to_pylist()
    expected = Counter(bin_of(value, edges_of(bins, require_field(COLLECTION, name))) for value in values)
    assert await counted(loaded, bins) == expected


async def test_edges_that_are_values_begin_their_class_and_the_last_one_ends_it(loaded: FeatureStore) -> None:
    present = sorted({value for value in TABLE["TBMJ"].to_pylist() if value is not None})
    edges = tuple(repr(present[place]) for place in (10, 11, 500, 501, 700))
    bins = Bins("TBMJ", 0, edges)
    exact = edges_of(bins, require_field(COLLECTION, "TBMJ"))
    found = await counted(loaded, bins, Compare("DLBM", Comparison.EQ, "0101"))
    rows = [row["TBMJ"] for row in TABLE.to_pylist() if row["DLBM"] == "0101"]
    assert found == Counter(bin_of(value, exact) for value in rows)


async def test_a_thousand_classes(loaded: FeatureStore) -> None:
    bins = Bins("TBMJ", 0, tuple(str(step * 10) for step in range(1025)))
    exact = edges_of(bins, require_field(COLLECTION, "TBMJ"))
    assert await counted(loaded, bins) == Counter(bin_of(value, exact) for value in TABLE["TBMJ"].to_pylist())
