from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guotu.model.collection import Field, FieldType
from guotu.model.schema import arrow_type
from node.ingest.cast import FieldCaster
from node.ingest.kinds import FaultKind as K
from node.ingest.report import Fault
from node.ingest.tally import Notes, RowNames, Tally
from tests.support.layers import PARCELS

INTEGER = Field("F", "", FieldType.INTEGER)
AREA = Field("F", "", FieldType.DECIMAL, width=15, decimals=2)
RATE = Field("F", "", FieldType.DECIMAL, width=6, decimals=4)
DOUBLE = Field("F", "", FieldType.DOUBLE)
DAY = Field("F", "", FieldType.DATE)
TRUTH = Field("F", "", FieldType.BOOLEAN)
TEXT = Field("F", "", FieldType.TEXT, length=10)
CHINA = timezone(timedelta(hours=8))


def cast(field: Field, column: pa.Array) -> tuple[list, list[Fault]]:
    tally = Tally()
    values = FieldCaster(field, PARCELS).cast(column, Notes(tally, RowNames(None, 0)))
    assert values.type == arrow_type(field)
    assert len(values) == len(column)
    return values.to_pylist(), tally.findings()


def kinds(findings: list[Fault]) -> list[K]:
    return [fault.kind for fault in findings]


@pytest.mark.parametrize(
    ("field", "given_", "wanted"),
    [
        (INTEGER, pa.array([1, None], pa.int16()), [1, None]),
        (INTEGER, pa.array([1.0, np.nan, None]), [1, None, None]),
        (INTEGER, pa.array(["12", " 12 ", "+3", "-4", "12.0", "1e3", None]), [12, 12, 3, -4, 12, 1000, None]),
        (INTEGER, pa.array(["123456789012345678"]), [123456789012345678]),
        (INTEGER, pa.array([7], pa.decimal128(5, 0)), [7]),
        (INTEGER, pa.nulls(2), [None, None]),
        (AREA, pa.array([1000.1, 0.1 + 0.2, 1234.5600000001, None]), [1000.1, 0.3, 1234.56, None]),
        (AREA, pa.array([5, None], pa.int64()), [5.0, None]),
        (AREA, pa.array([Decimal("12.34")], pa.decimal128(10, 2)), [12.34]),
        (AREA, pa.array(["12.34", ".5", "+1"]), [12.34, 0.5, 1.0]),
        (AREA, pa.array([9999999999999.99, -9999999999999.99]), [9999999999999.99, -9999999999999.99]),
        (RATE, pa.array([0.1203], pa.float32()), [0.1203]),
        (RATE, pa.array([0.120300002396]), [0.1203]),
        (DOUBLE, pa.array(["1.5e-3", "2"]), [0.0015, 2.0]),
        (DOUBLE, pa.array([np.nan, 1.25]), [None, 1.25]),
        (DAY, pa.array(["2025-01-31T10:00:00Z", "2025/01/31 12:30:00+08"]), [date(2025, 1, 31)] * 2),
        (DAY, pa.array([20250131, None], pa.int32()), [date(2025, 1, 31), None]),
        (DAY, pa.array([20250131.0, np.nan, None]), [date(2025, 1, 31), None, None]),
        (DAY, pa.array([datetime(2025, 1, 31, 23, 59)], pa.timestamp("us")), [date(2025, 1, 31)]),
        (DAY, pa.array([datetime(2025, 1, 30, 16, tzinfo=UTC)], pa.timestamp("ms", "UTC")), [date(2025, 1, 31)]),
        (DAY, pa.array([datetime(2025, 1, 31, tzinfo=CHINA)], pa.timestamp("ms", "+08:00")), [date(2025, 1, 31)]),
        (DAY, pa.array([date(1949, 10, 1)], pa.date64()), [date(1949, 10, 1)]),
        (TRUTH, pa.array([True, None]), [True, None]),
        (TRUTH, pa.array([1, 0, None], pa.int8()), [True, False, None]),
        (TRUTH, pa.array(["是", "否", "T", "false", " 1 "]), [True, False, True, False, True]),
        (TEXT, pa.array([101, None], pa.int32()), ["101", None]),
        (TEXT, pa.array([101.0, np.nan]), ["101", None]),
        (TEXT, pa.array(["水田", "a"]).dictionary_encode(), ["水田", "a"]),
        (TEXT, pa.array(["水田"], pa.large_string()), ["水田"]),
    ],
)  # fmt: skip
def test_what_a_field_takes(field: Field, given_: pa.Array, wanted: list):
    assert cast(field, given_) == (wanted, [])


@pytest.mark.parametrize(
    ("field", "given_", "kind"),
    [
        (INTEGER, pa.array([1.5]), K.FRACTION),
        (INTEGER, pa.array(["1.5"]), K.FRACTION),
        (INTEGER, pa.array(["一"]), K.WRONG_TYPE),
        (INTEGER, pa.array([np.inf]), K.WRONG_TYPE),
        (INTEGER, pa.array([2.0**60]), K.WRONG_TYPE),
        (INTEGER, pa.array([2**63 + 1], pa.uint64()), K.WRONG_TYPE),
        (INTEGER, pa.array([True]), K.WRONG_TYPE),
        (INTEGER, pa.array(["12345678901234567890"]), K.WRONG_TYPE),
        (AREA, pa.array([0.125]), K.DECIMAL_PLACES),
        (AREA, pa.array([1234567.891], pa.float32()), K.DECIMAL_PLACES),
        (AREA, pa.array([1e13]), K.DECIMAL_WIDTH),
        (RATE, pa.array([100.0]), K.DECIMAL_WIDTH),
        (DOUBLE, pa.array(["1,000"]), K.WRONG_TYPE),
        (DOUBLE, pa.array([date(2025, 1, 1)]), K.WRONG_TYPE),
        (DAY, pa.array(["2025-02-29"]), K.WRONG_TYPE),
        (DAY, pa.array(["2025-13-01"]), K.WRONG_TYPE),
        (DAY, pa.array(["2025-00-01"]), K.WRONG_TYPE),
        (DAY, pa.array(["250131"]), K.WRONG_TYPE),
        (DAY, pa.array([20250431]), K.WRONG_TYPE),
        (DAY, pa.array([20250131.5]), K.WRONG_TYPE),
        (DAY, pa.array([True]), K.WRONG_TYPE),
        (TRUTH, pa.array([2]), K.WRONG_TYPE),
        (TRUTH, pa.array(["maybe"]), K.WRONG_TYPE),
        (TEXT, pa.array([1.5]), K.WRONG_TYPE),
        (TEXT, pa.array([date(2025, 1, 1)]), K.WRONG_TYPE),
        (TEXT, pa.array(["地" * 11]), K.TEXT_LENGTH),
        (TEXT, pa.array([[1, 2]]), K.WRONG_TYPE),
    ],
)
def test_what_a_field_does_not_take(field: Field, given_: pa.Array, kind: K):
    _, (fault,) = cast(field, given_)
    assert (fault.kind, fault.field, fault.count, fault.keys) == (kind, "F", 1, ("#1",))


def test_length_counts_characters():
    assert cast(TEXT, pa.array(["地" * 10, "𠮷" * 10]))[1] == []


def test_blank_text_is_null_of_every_type():
    for field in (TEXT, INTEGER, AREA, DAY, TRUTH):
        values, (notice,) = cast(field, pa.array(["", " \t", "　"]))
        assert values == [None] * 3
        assert (notice.kind, notice.count) == (K.NOTICE_BLANK_AS_NULL, 3)


@settings(deadline=None)
@given(st.decimals(-(10**11), 10**11, places=2))
def test_every_declared_decimal_is_kept(value: Decimal):
    for column in (pa.array([float(value)]), pa.array([str(value)]), pa.array([value], pa.decimal128(20, 2))):
        assert cast(AREA, column) == ([float(value)], [])


@settings(deadline=None)
@given(st.decimals(-(10**9), 10**9, places=3).filter(lambda value: value % Decimal("0.01")))
def test_one_decimal_more_is_told(value: Decimal):
    assert kinds(cast(AREA, pa.array([float(value)]))[1]) == [K.DECIMAL_PLACES]


@settings(deadline=None)
@given(st.integers(0, 9999).map(lambda units: units / 10000))
def test_single_precision_tells_four_decimals(value: float):
    single = np.float32(value)
    assert cast(RATE, pa.array([single], pa.float32())) == ([value], [])
    assert cast(RATE, pa.array([float(single)])) == ([value], [])


@settings(deadline=None)
@given(st.dates(date(1900, 1, 1), date(2100, 12, 31)))
def test_every_day_is_read_in_every_spelling(day: date):
    written = ("%Y-%m-%d", "%Y%m%d", "%Y/%m/%d", "%Y.%m.%d", "%Y年%m月%d日", " %Y-%m-%d 00:00:00 ")
    spellings = [*map(day.strftime, written), f"{day.year}/{day.month}/{day.day}"]
    assert cast(DAY, pa.array(spellings)) == ([day] * 7, [])


@settings(deadline=None)
@given(st.text(st.sampled_from("0123456789-/.年月日T: "), max_size=12))
def test_no_other_text_is_a_day(text: str):
    values, findings = cast(DAY, pa.array([text]))
    assert (values == [None]) == bool(findings)
