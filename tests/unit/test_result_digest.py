"""The result digest: of the rows in their order, whatever their batches; as docs/reference/digests.md defines it."""

from __future__ import annotations

import struct
from dataclasses import replace
from datetime import date
from decimal import Decimal
from hashlib import sha256
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guotu.model.answer import Segment
from guotu.model.digest import SegmentDigest, result_digest

SCHEMA = pa.schema(
    [
        ("text", pa.string()),
        ("bytes", pa.binary()),
        ("int", pa.int64()),
        ("float", pa.float64()),
        ("day", pa.date32()),
        ("flag", pa.bool_()),
        ("sum", pa.decimal128(38, 2)),
    ]
)
Row = dict[str, Any]
_ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "text": st.none() | st.text(st.characters(exclude_categories=("Cs",)), max_size=4),
            "bytes": st.none() | st.binary(max_size=4),
            "int": st.none() | st.integers(-(2**63), 2**63 - 1),
            "float": st.none() | st.floats(allow_nan=False) | st.just(-0.0),
            "day": st.none() | st.dates(date(1900, 1, 1), date(2100, 1, 1)),
            "flag": st.none() | st.booleans(),
            "sum": st.none() | st.integers(-(10**37), 10**37).map(lambda value: Decimal(value).scaleb(-2)),
        }
    ),
    max_size=12,
)
ROWS: list[Row] = [
    {
        "text": "水田",
        "bytes": b"\1\2",
        "int": -5,
        "float": 1234.56,
        "day": date(2025, 12, 31),
        "flag": True,
        "sum": Decimal("-12345678901234567890.12"),
    },
    dict.fromkeys(SCHEMA.names),
    {
        "text": "",
        "bytes": b"",
        "int": 0,
        "float": 0.0,
        "day": date(1970, 1, 1),
        "flag": False,
        "sum": Decimal("0.00"),
    },
]


def digest(table: pa.Table | pa.RecordBatch, sizes: list[int] | None = None) -> bytes:
    """Digest a table, in batches of the given sizes if any."""
    whole = SegmentDigest(table.schema)
    start = 0
    for size in sizes or []:
        for batch in _batches(table.slice(start, size)):
            whole.update(batch)
        start += size
    for batch in _batches(table.slice(start)):
        whole.update(batch)
    assert whole.rows == table.num_rows
    return whole.digest()


def _batches(table: pa.Table | pa.RecordBatch) -> list[pa.RecordBatch]:
    return [table] if isinstance(table, pa.RecordBatch) else table.to_batches()


def by_the_document(schema: pa.Schema, rows: list[Row]) -> bytes:
    """Compute a segment digest value by value, from the text of the reference."""
    columns = []
    for column in schema:
        validity, lengths, values = sha256(), sha256(), sha256()
        validity.update(column.name.encode() + b"\0" + str(column.type).encode())
        for row in rows:
            value = row[column.name]
            validity.update(b"\0" if value is None else b"\1")
            if column.type in (pa.string(), pa.binary()):
                data = b"" if value is None else value.encode() if isinstance(value, str) else value
                lengths.update(struct.pack("<i", len(data)))
                values.update(data)
            else:
                values.update(_plain(column.type, value))
        columns.append(sha256(validity.digest() + lengths.digest() + values.digest()).digest())
    return sha256(b"".join(columns)).digest()


def _plain(kind: pa.DataType, value: Any) -> bytes:
    if kind == pa.float64():
        return struct.pack("<d", 0.0 if value in (None, 0.0) else value)
    if kind == pa.int64():
        return struct.pack("<q", value or 0)
    if kind == pa.date32():
        return struct.pack("<i", 0 if value is None else (value - date(1970, 1, 1)).days)
    if kind == pa.bool_():
        return bytes([bool(value)])
    unscaled = 0 if value is None else int(value.scaleb(kind.scale))
    return unscaled.to_bytes(16, "little", signed=True)


def table_of(rows: list[Row], schema: pa.Schema = SCHEMA) -> pa.Table:
    return pa.Table.from_pylist(rows, schema)


@settings(deadline=None)
@given(_ROWS)
def test_it_is_what_the_document_says(rows: list[Row]) -> None:
    assert digest(table_of(rows)) == by_the_document(SCHEMA, rows)


def test_names_of_types_are_those_of_the_document() -> None:
    assert [str(column.type) for column in SCHEMA] == [
        "string", "binary", "int64", "double", "date32[day]", "bool", "decimal128(38, 2)",
    ]  # fmt: skip


@settings(deadline=None)
@given(_ROWS, st.lists(st.integers(0, 5), max_size=6))
def test_batches_do_not_matter(rows: list[Row], sizes: list[int]) -> None:
    assert digest(table_of(rows), sizes) == digest(table_of(rows))


@settings(deadline=None)
@given(_ROWS, st.integers(0, 5), st.integers(0, 5))
def test_slices_are_what_they_show(rows: list[Row], skipped: int, cut: int) -> None:
    shown = rows[skipped : max(len(rows) - cut, skipped)]
    batch = pa.RecordBatch.from_pylist(rows, SCHEMA).slice(skipped, len(shown))
    assert digest(batch) == by_the_document(SCHEMA, shown)


@settings(deadline=None)
@given(_ROWS)
def test_a_journey_over_the_wire_does_not_matter(rows: list[Row]) -> None:
    batch = pa.RecordBatch.from_pylist(rows, SCHEMA)
    again = pa.ipc.read_record_batch(batch.serialize(), SCHEMA)
    assert digest(again) == digest(batch)


def test_what_lies_under_a_null_does_not_matter() -> None:
    under = [
        pa.array([7, 8], pa.int64()),
        pa.array([7.0, 8.0]),
        pa.array(["a", "bcd"]),
        pa.array([Decimal("1.00"), Decimal("2.00")], pa.decimal128(38, 2)),
        pa.array([True, True]),
    ]
    for full in under:
        # A bitmap with only the first bit set: the second value is there, and null.
        masked = pa.Array.from_buffers(full.type, 2, [pa.py_buffer(b"\1"), *full.buffers()[1:]])
        clean = pa.array([full[0].as_py(), None], full.type)
        assert masked.equals(clean)
        assert digest(pa.record_batch({"x": masked})) == digest(pa.record_batch({"x": clean}))


def test_empty_arrays_without_buffers_are_empty() -> None:
    """As other implementations of Arrow write them."""
    bare = pa.Array.from_buffers(pa.string(), 0, [None, pa.py_buffer(b""), pa.py_buffer(b"")])
    assert digest(pa.record_batch({"x": bare})) == digest(pa.record_batch({"x": pa.array([], pa.string())}))


def test_zeros_are_one_and_nulls_another() -> None:
    negative, positive, null = ([{"float": value}] for value in (-0.0, 0.0, None))
    schema = pa.schema([SCHEMA.field("float")])
    assert digest(table_of(negative, schema)) == digest(table_of(positive, schema))
    assert digest(table_of(negative, schema)) != digest(table_of(null, schema))


CHANGES: list[tuple[str, Any]] = [
    ("text", "水"), ("text", None), ("text", "水田 "), ("bytes", b"\1\3"), ("bytes", b""), ("bytes", None),
    ("int", -6), ("int", None), ("float", 1234.5600000000002), ("float", None), ("day", date(2025, 12, 30)),
    ("day", None), ("flag", False), ("flag", None), ("sum", Decimal("-12345678901234567890.13")), ("sum", None),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value"), CHANGES)
def test_any_change_of_a_value_shows(name: str, value: Any) -> None:
    changed = [ROWS[0] | {name: value}, *ROWS[1:]]
    assert digest(table_of(changed)) != digest(table_of(ROWS))


def test_nulls_are_not_empty_or_zero() -> None:
    for name in SCHEMA.names:
        zeroed = [ROWS[0], ROWS[1] | {name: ROWS[2][name]}, ROWS[2]]
        assert digest(table_of(zeroed)) != digest(table_of(ROWS)), name


def test_text_does_not_run_from_one_row_into_the_next() -> None:
    schema = pa.schema([SCHEMA.field("text")])
    forms = [["ab", "c"], ["a", "bc"], ["abc", ""], ["", "abc"], ["abc", None], ["abc"]]
    digests = {digest(table_of([{"text": text} for text in form], schema)) for form in forms}
    assert len(digests) == len(forms)


def test_the_order_of_rows_and_columns_shows() -> None:
    base = digest(table_of(ROWS))
    assert digest(table_of([ROWS[1], ROWS[0], ROWS[2]])) != base
    assert digest(table_of(ROWS[:2])) != base
    assert digest(table_of([*ROWS, ROWS[1]])) != base
    assert digest(table_of(ROWS).select(SCHEMA.names[::-1])) != base
    assert digest(table_of(ROWS).select(SCHEMA.names[:-1])) != base


def test_names_and_types_show() -> None:
    table = pa.table({"a": pa.array([1, 0], pa.int64())})
    others = [
        table.rename_columns(["b"]),
        table.cast(pa.schema([("a", pa.float64())])),
        pa.table({"a": pa.array([1, 0], pa.int32()).cast(pa.date32())}),
        pa.table({"a": pa.array([True, False])}),
        pa.table({"a": pa.array([Decimal(1), Decimal(0)], pa.decimal128(38, 2))}),
        pa.table({"a": pa.array([Decimal(1), Decimal(0)], pa.decimal128(38, 0))}),
        pa.table({"a": ["1", "0"]}),
        pa.table({"a": [b"1", b"0"]}),
    ]
    assert len({digest(one) for one in (table, *others)}) == len(others) + 1


# -------------------------------------------------------------------------------------------------- whole answers

ONE = Segment("510100/dltb", 3, 2, b"\1" * 32)
OTHER = Segment("510200/dltb", 4, 5, b"\2" * 32)


def test_the_result_is_over_segments_in_order_as_the_document_says() -> None:
    text = b"510100/dltb@3:2\0" + b"\1" * 32 + b"510200/dltb@4:5\0" + b"\2" * 32
    assert result_digest([ONE, OTHER]) == sha256(text).digest()
    assert result_digest([]) == sha256().digest()


@pytest.mark.parametrize(
    "changed",
    [
        [OTHER, ONE],
        [ONE],
        [ONE, OTHER, OTHER],
        [replace(ONE, dataset="510100/dltbx"), OTHER],
        [replace(ONE, dataset=""), OTHER],
        [replace(ONE, version=4), OTHER],
        [replace(ONE, rows=3), OTHER],
        [replace(ONE, digest=b"\3" * 32), OTHER],
    ],
)
def test_any_change_of_a_segment_shows(changed: list[Segment]) -> None:
    assert result_digest(changed) != result_digest([ONE, OTHER])


def test_who_has_no_rows_does_not_show() -> None:
    empty = Segment("510300/dltb", 9, 0, digest(table_of([])))
    assert result_digest([empty, ONE, empty, OTHER]) == result_digest([ONE, OTHER])
