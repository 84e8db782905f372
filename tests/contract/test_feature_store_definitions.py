"""What every feature store does when a version is read with a newer definition of its collection."""

from dataclasses import replace
from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc
import pytest
import pytest_asyncio

from guotu.model.collection import Collection, Field, FieldType, GeometryType
from guotu.model.errors import StoreFailure
from guotu.model.expression import And, Compare, Comparison, IsNull, Spatial, SpatialRelation
from guotu.model.ports import FeatureStore, Grouping, Scan
from guotu.model.question import Aggregate, AggregateFunction, SortKey
from guotu.model.schema import arrow_schema, change_schema, stored_schema
from tests.support.features import FIELDS, drawn, parcels, removed, sample_collection, stored_rows
from tests.support.stores import apply, fetch, group, load, whole

pytestmark = pytest.mark.asyncio(loop_scope="module")

DATASET = "510000/tb"
OLD = sample_collection()
TABLE = parcels(2000)
REMOVED = TABLE["BSM"].to_pylist()[::10]


def newer() -> Collection:
    """DLBM is renamed, TBMJ wider, GDDB a DOUBLE, KCXS gone, and BZ new."""
    fields = {field.name: field for field in FIELDS}
    fields["DLBM"] = replace(fields["DLBM"], name="DLDM", renamed_from="DLBM")
    fields["TBMJ"] = replace(fields["TBMJ"], width=18, decimals=4)
    fields["GDDB"] = replace(fields["GDDB"], type=FieldType.DOUBLE)
    del fields["KCXS"]
    fields["BZ"] = Field("BZ", "备注", FieldType.TEXT, length=50)
    return replace(OLD, fields=tuple(fields.values()))


NEW = newer()


def as_new(table: pa.Table) -> pa.Table:
    columns = {name: table[name] for name in table.column_names}
    columns |= {
        "DLDM": table["DLBM"],
        "GDDB": table["GDDB"].cast(pa.float64()),
        "BZ": pa.nulls(len(table), pa.string()),
    }
    schema = arrow_schema(NEW)
    return pa.table([columns[name] for name in schema.names], schema)


ROWS = {1: as_new(TABLE), 2: as_new(TABLE.filter(pc.invert(pc.is_in(TABLE["BSM"], pa.array(REMOVED)))))}


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def versions(shared_features: FeatureStore) -> FeatureStore:
    await load(shared_features, TABLE)
    await apply(shared_features, removed(REMOVED), 2)
    return shared_features


@pytest.mark.parametrize("version", [1, 2])
async def test_columns_are_renamed_cast_or_null(versions: FeatureStore, version: int) -> None:
    found = await fetch(versions, NEW, Scan(NEW.column_names), version=version)
    assert found.schema.equals(arrow_schema(NEW), check_metadata=True)
    assert found.to_pylist() == ROWS[version].to_pylist()


@pytest.mark.parametrize("version", [1, 2])
async def test_filters_and_sorting(versions: FeatureStore, version: int) -> None:
    rows = ROWS[version].to_pylist()
    large = Compare("TBMJ", Comparison.GT, 1234.56789)
    code = Compare("DLDM", Comparison.EQ, "0101")
    for filter, chosen in (
        (large, [row for row in rows if row["TBMJ"] is not None and row["TBMJ"] > 1234.56789]),
        (And((code, IsNull("BZ"))), [row for row in rows if row["DLDM"] == "0101"]),
        (Compare("GDDB", Comparison.LT, 0.5), [row for row in rows if row["GDDB"] is not None and row["GDDB"] < 0.5]),
        (Compare("BZ", Comparison.EQ, "x"), []),
    ):
        found = await fetch(versions, NEW, Scan(("BSM", "BZ"), filter), version=version)
        assert found["BSM"].to_pylist() == [row["BSM"] for row in chosen]
    found = await fetch(versions, NEW, Scan(("BSM",), sort=(SortKey("BZ"),), limit=5), version=version)
    assert found["BSM"].to_pylist() == sorted(row["BSM"] for row in rows)[:5]


@pytest.mark.parametrize("version", [1, 2])
async def test_aggregates(versions: FeatureStore, version: int) -> None:
    items = (Aggregate(AggregateFunction.SUM, "TBMJ", "area"), Aggregate(AggregateFunction.COUNT, "BZ", "notes"))
    found = await group(versions, NEW, Grouping(("DLDM",), items), version=version)
    assert found.schema.field("area").type == pa.decimal128(38, 4)
    rows = ROWS[version].to_pylist()
    for row in found.to_pylist():
        areas = [item["TBMJ"] for item in rows if item["DLDM"] == row["DLDM"] and item["TBMJ"] is not None]
        assert row["area"] == sum((Decimal(repr(area)) for area in areas), Decimal(0))
        assert row["notes"] == 0


async def test_changes_and_stored_rows(versions: FeatureStore) -> None:
    found = await whole(versions.changes(DATASET, 1, 2, NEW), change_schema(NEW))
    gone = [row for row in ROWS[1].sort_by("BSM").to_pylist() if row["BSM"] in set(REMOVED)]
    assert [row["before"] for row in found.to_pylist()] == gone
    stored = await whole(versions.stored(DATASET, 2, NEW), stored_schema(NEW))
    assert stored.select(ROWS[2].column_names).to_pylist() == ROWS[2].to_pylist()


async def test_a_geometry_that_was_not_there_is_null(features: FeatureStore) -> None:
    plain, table = sample_collection(GeometryType.NONE), parcels(20).drop_columns("geometry").sort_by("BSM")
    await load(features, table, collection=plain)
    found = await fetch(features, OLD, Scan(OLD.column_names))
    assert found.drop_columns("geometry").equals(table)
    assert found["geometry"].null_count == 20
    window = Spatial(SpatialRelation.INTERSECTS, TABLE["geometry"][-1].as_py())
    assert (await fetch(features, OLD, Scan(("BSM",), window))).num_rows == 0


async def test_versions_of_two_definitions_are_compared(features: FeatureStore) -> None:
    await load(features, TABLE)
    await load(features, as_new(TABLE), 2, NEW)
    found = await whole(features.changes(DATASET, 1, 2, NEW), change_schema(NEW))
    assert found["op"].unique().to_pylist() == ["update"]
    assert found.num_rows == 2000
    assert found["before"].to_pylist() == found["after"].to_pylist()


async def test_a_change_with_another_definition_than_the_version_before_is_refused(features: FeatureStore) -> None:
    await load(features, TABLE)
    with pytest.raises(StoreFailure, match="other columns"):
        await features.stage_change(DATASET, 2, NEW, drawn(stored_rows(as_new(TABLE.slice(0, 5)), NEW)))
