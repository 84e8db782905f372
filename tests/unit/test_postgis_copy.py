"""The binary COPY codec against bytes made by hand, and against itself."""

import struct
from datetime import date

import pyarrow as pa
import pytest

from node.stores.postgis.copying.decoder import BrokenCopy, Decoder
from node.stores.postgis.copying.encoder import DoesNotFit, encoded
from node.stores.postgis.copying.wire import HEADER, TRAILER

SCHEMA = pa.schema(
    [
        ("text", pa.string()),
        ("whole", pa.int64()),
        ("double", pa.float64()),
        ("day", pa.date32()),
        ("flag", pa.bool_()),
        ("bytes", pa.binary()),
    ]
)
KINDS = ("text", "bigint", "double precision", "date", "boolean", "bytea")
ROWS = [
    ("水田", -7, 0.1, date(2000, 1, 2), True, b"\x00\x06\x00\x00"),
    (None, None, None, None, None, None),
    ("", 2**63 - 1, float("inf"), date(1949, 10, 1), False, b""),
]


def by_hand(row: tuple[object, ...]) -> bytes:
    """One row as the documentation of COPY has it."""

    def field(value: bytes | None) -> bytes:
        return struct.pack(">i", -1) if value is None else struct.pack(">i", len(value)) + value

    text, whole, double, day, flag, data = row
    return struct.pack(">h", 6) + b"".join(
        [
            field(None if text is None else str(text).encode()),
            field(None if whole is None else struct.pack(">q", whole)),
            field(None if double is None else struct.pack(">d", double)),
            field(struct.pack(">i", (day - date(2000, 1, 1)).days) if isinstance(day, date) else None),
            field(None if flag is None else struct.pack(">?", flag)),
            field(data if isinstance(data, bytes) else None),
        ]
    )


def table() -> pa.RecordBatch:
    columns = [
        pa.array(list(values), field.type) for values, field in zip(zip(*ROWS, strict=True), SCHEMA, strict=True)
    ]
    return pa.RecordBatch.from_arrays(columns, schema=SCHEMA)


STREAM = HEADER + b"".join(map(by_hand, ROWS)) + TRAILER


def test_rows_are_encoded_as_the_documentation_has_them() -> None:
    assert HEADER + b"".join(encoded(table(), KINDS)) + TRAILER == STREAM


@pytest.mark.parametrize("step", [1, 2, 3, 7, 19, 64, len(STREAM)])
def test_rows_come_back_however_the_stream_is_cut(step: int) -> None:
    decoder = Decoder(SCHEMA)
    batches = [decoder.decode(STREAM[start : start + step]) for start in range(0, len(STREAM), step)]
    decoder.finish()
    assert pa.Table.from_batches(batches).to_pylist() == table().to_pylist()


def test_a_slice_of_a_batch_is_encoded_alone() -> None:
    assert b"".join(encoded(table().slice(2), KINDS)) == by_hand(ROWS[2])
    assert list(encoded(table().slice(3), KINDS)) == []


@pytest.mark.parametrize(
    "data",
    [
        b"",
        HEADER,
        STREAM[:-1],
        STREAM[:-2],
        STREAM[:40],
        STREAM[:-20] + TRAILER,
        b"x" * len(STREAM),
        HEADER + b"\x00\x05" + STREAM[21:],
    ],
)
def test_a_stream_that_breaks_off_or_is_of_other_columns_is_noticed(data: bytes) -> None:
    def decode() -> None:
        decoder = Decoder(SCHEMA)
        decoder.decode(data)
        decoder.finish()

    with pytest.raises(BrokenCopy):
        decode()


def numeric(value: float | None, kind: str) -> tuple[int, ...]:
    """The words of one numeric: groups, weight, sign, decimals, then the groups."""
    (data,) = encoded(pa.record_batch({"n": pa.array([value], pa.float64())}), (kind,))
    (length,) = struct.unpack(">i", data[2:6])
    return struct.unpack(f">{(len(data) - 6) // 2}h", data[6:]) if length >= 0 else ()


@pytest.mark.parametrize(
    ("value", "kind", "words"),
    [
        (12.34, "numeric(15,2)", (5, 3, 0, 2, 0, 0, 0, 12, 3400)),
        (-1.5, "numeric(15,2)", (5, 3, 0x4000, 2, 0, 0, 0, 1, 5000)),
        (9999999999999.99, "numeric(15,2)", (5, 3, 0, 2, 9, 9999, 9999, 9999, 9900)),
        (0.125, "numeric(3,2)", (2, 0, 0, 2, 0, 1300)),
        (-0.004, "numeric(3,2)", (2, 0, 0, 2, 0, 0)),
        (0.123456, "numeric(6,6)", (2, -1, 0, 6, 1234, 5600)),
        (12345678.0, "numeric(8,0)", (2, 1, 0, 0, 1234, 5678)),
        (2.0**100, "numeric(38,0)", (10, 9, 0, 0, 0, 0, 126, 7650, 6002, 2822, 9401, 4967, 320, 5376)),
        (None, "numeric(15,2)", ()),
    ],
)
def test_numerics(value: float | None, kind: str, words: tuple[int, ...]) -> None:
    assert numeric(value, kind) == words


@pytest.mark.parametrize("value", [10.0, -10.0, 9.996, float("nan"), float("inf")])
def test_a_number_that_its_column_cannot_hold_is_refused(value: float) -> None:
    with pytest.raises(DoesNotFit, match="n"):
        numeric(value, "numeric(3,2)")
