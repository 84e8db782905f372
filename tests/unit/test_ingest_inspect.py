"""The law of the inspector: it accepts exactly the rows that satisfy the collection's schema."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guotu.model.collection import GEOMETRY, Collection, Field, FieldType
from guotu.model.errors import InvalidInput
from guotu.model.schema import arrow_schema
from node.ingest.inspect import Inspector
from node.ingest.kinds import FaultKind as K
from node.ingest.report import Fault, ImportReport
from tests.support.inspection import gazetteer_bounds
from tests.support.layers import PARCELS, TABLE, good_rows, wkb_of

TYPES = {
    FieldType.TEXT: pa.string(),
    FieldType.INTEGER: pa.int64(),
    FieldType.DECIMAL: pa.float64(),
    FieldType.DOUBLE: pa.float64(),
    FieldType.DATE: pa.date32(),
    FieldType.BOOLEAN: pa.bool_(),
}
VALUES: dict[FieldType, st.SearchStrategy[Any]] = {
    FieldType.TEXT: st.sampled_from(
        ["0101", "0199", "水田", "地" * 7, "a" * 20, "510104", "5101040010010000000", "999999", "32"]
    ),
    FieldType.INTEGER: st.sampled_from([0, 1, 2, 3, 15, 2025]),
    FieldType.DECIMAL: st.sampled_from([0.0, 1.5, 0.1203, 12.345, 99.9999, 100.0, 1e12, 1e13]),
    FieldType.DOUBLE: st.floats(allow_nan=False, allow_infinity=False),
    FieldType.DATE: st.dates(),
    FieldType.BOOLEAN: st.booleans(),
}
ROWS = st.lists(
    st.fixed_dictionaries({field.name: st.none() | VALUES[field.type] for field in TABLE.fields}), max_size=12
)
SCHEMA = pa.schema([(field.name, TYPES[field.type]) for field in TABLE.fields])


def faults_of(field: Field, value: Any, collection: Collection) -> set[K]:
    """What is wrong with one value, by the words of the schema."""
    is_key = field.name == collection.key
    if value is None:
        return {K.KEY_NULL} if is_key else set() if field.nullable else {K.NULL_VALUE}
    found = set()
    if field.type is FieldType.TEXT and len(value) > field.length:
        found.add(K.TEXT_LENGTH)
    if field.codes and str(value) not in collection.code_lists[field.codes].codes:
        found.add(K.UNKNOWN_CODE)
    if field.type is FieldType.DECIMAL:
        digits = Decimal(str(value))
        if digits != round(digits, field.decimals):
            found.add(K.DECIMAL_PLACES)
        if abs(round(digits, field.decimals)) >= 10 ** (field.width - field.decimals):
            found.add(K.DECIMAL_WIDTH)
    if field.name == collection.division_field and value[:6] != "510104":
        found.add(K.FOREIGN_DIVISION)
    return found


def expected(rows: list[dict[str, Any]]) -> dict[tuple[K, str], int]:
    counts: dict[tuple[K, str], int] = {}
    for row in rows:
        for field in TABLE.fields:
            for kind in faults_of(field, row[field.name], TABLE):
                counts[kind, field.name] = counts.get((kind, field.name), 0) + 1
    keys = [row["BSM"] for row in rows if row["BSM"] is not None]
    if len(keys) > len(set(keys)):
        counts[K.KEY_DUPLICATE, "BSM"] = len(keys) - len(set(keys))
    if not rows:
        counts[K.EMPTY_LAYER, ""] = 0
    return counts


def inspect(batches: list[pa.RecordBatch], collection: Collection = TABLE, **options: Any) -> tuple[ImportReport, list]:
    with Inspector(collection, "510104", gazetteer_bounds(), **options) as inspector:
        kept = [inspector.take(batch) for batch in batches]
        return inspector.finish(), kept


@settings(max_examples=150, deadline=None)
@given(ROWS, st.integers(1, 5))
def test_exactly_the_rows_that_satisfy_the_schema_are_accepted(rows: list[dict[str, Any]], size: int):
    whole = pa.RecordBatch.from_pylist(rows, SCHEMA)
    report, kept = inspect([whole.slice(start, size) for start in range(0, len(rows), size)])
    assert {(fault.kind, fault.field): fault.count for fault in report.faults} == expected(rows)
    assert report.rows == len(rows)
    if report.ok:
        wanted = pa.RecordBatch.from_pylist(rows, arrow_schema(TABLE))
        assert pa.Table.from_batches(kept).combine_chunks().equals(pa.Table.from_batches([wanted]))


def good_batch(count: int = 8) -> pa.RecordBatch:
    rows = good_rows(count)
    return pa.record_batch({**rows.columns, GEOMETRY: pa.array(wkb_of(rows.shapes), pa.binary())})


def test_batches_of_any_cut_give_the_same_report():
    batch = good_batch(40)
    reports = {inspect([batch.slice(at, size) for at in range(0, 40, size)], PARCELS)[0] for size in (1, 7, 40)}
    assert len(reports) == 1
    assert reports.pop().ok


def test_after_a_fault_nothing_is_handed_on():
    bad = good_batch().set_column(1, "DLBM", pa.array(["9999"] * 8))
    report, kept = inspect([good_batch(), bad, good_batch()], PARCELS)
    assert [batch is None for batch in kept] == [False, True, True]
    assert {fault.kind for fault in report.faults} == {K.UNKNOWN_CODE, K.KEY_DUPLICATE}


def test_a_fault_of_the_source_holds_back_all():
    report, kept = inspect([good_batch()], PARCELS, source_faults=[Fault(K.CRS_MISSING)])
    assert kept == [None]
    assert [fault.kind for fault in report.faults] == [K.CRS_MISSING]


def test_a_notice_of_the_source_holds_back_nothing():
    report, kept = inspect([good_batch()], PARCELS, source_faults=[Fault(K.NOTICE_WGS84)])
    assert report.ok
    assert kept[0].num_rows == 8


def test_geometries_that_the_source_could_not_place_are_not_missed():
    batch = good_batch().drop_columns([GEOMETRY])
    assert {fault.kind for fault in inspect([batch], PARCELS)[0].faults} == {K.GEOMETRY_MISSING}
    report, _ = inspect([batch], PARCELS, source_faults=[Fault(K.CRS_MISSING)])
    assert {fault.kind for fault in report.faults} == {K.CRS_MISSING}


def test_columns_that_no_field_has():
    batch = good_batch().append_column("NOTE", pa.array(["x"] * 8)).append_column("OBJECTID", pa.array(range(8)))
    report, _ = inspect([batch], PARCELS)
    assert [(fault.kind, fault.field) for fault in report.faults] == [(K.EXTRA_COLUMN, "NOTE")]
    assert [(fault.kind, fault.field) for fault in report.notices] == [(K.NOTICE_COLUMN_IGNORED, "OBJECTID")]


def test_another_schema_midway_is_an_error():
    with pytest.raises(InvalidInput, match="another schema"):
        inspect([good_batch(), good_batch().drop_columns(["PD"])], PARCELS)


def test_broken_arrow_data_is_an_error():
    texts = pa.array([b"\xff\xfe"] * 8, pa.binary())
    broken = pa.Array.from_buffers(pa.string(), 8, texts.buffers())
    with pytest.raises(InvalidInput, match="not sound"):
        inspect([good_batch().set_column(2, "DLMC", broken)], PARCELS)


def test_an_unknown_division_is_an_error():
    with pytest.raises(ValueError, match="999999"):
        Inspector(PARCELS, "999999", gazetteer_bounds())


def test_values_are_shown_short_and_once():
    batch = good_batch().set_column(2, "DLMC", pa.array(["长" * 100] * 8))
    (fault,) = inspect([batch], PARCELS)[0].faults
    assert fault.count == 8
    assert fault.values == ("长" * 59 + "…",)
    assert len(fault.keys) == 5
