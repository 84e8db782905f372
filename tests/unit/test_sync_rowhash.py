import datetime
import hashlib
import struct

import numpy as np
import pyarrow as pa
import pytest
import shapely

from sync.rowhash import encode, row_hashes
from sync.setdigest import SetDigest
from tests.support.sync_samples import PARCELS, TABLE, as_rows, parcels


def batch_of(rows: pa.Table) -> pa.RecordBatch:
    return rows.combine_chunks().to_batches()[0]


def plain_hash(row: dict[str, object]) -> bytes:
    """The definition of docs/reference/digests.md, one value at a time."""
    encoded = b""
    for item in PARCELS.fields:
        encoded += plain_value(item.type.value, row[item.name])
    shape = shapely.normalize(shapely.from_wkb(row["geometry"]))
    wkb = shapely.to_wkb(shape, byte_order=1, flavor="iso")
    return hashlib.sha256(encoded + b"\1" + struct.pack("<I", len(wkb)) + wkb).digest()


def plain_value(kind: str, value: object) -> bytes:
    flag = b"\0" if value is None else b"\1"
    if kind == "text":
        data = (value or "").encode()
        return flag + struct.pack("<I", len(data)) + data
    if kind == "date":
        return flag + struct.pack("<i", 0 if value is None else (value - datetime.date(1970, 1, 1)).days)
    return flag + struct.pack({"integer": "<q", "boolean": "<?"}.get(kind, "<d"), value or 0)


def test_hash_is_the_definition() -> None:
    rows = parcels(300)
    expected = [plain_hash(row) for row in rows.to_pylist()]
    assert row_hashes(batch_of(rows), PARCELS).to_pylist() == expected


def golden_row() -> pa.RecordBatch:
    """The example of docs/reference/digests.md."""
    shape = shapely.from_wkt("POLYGON ((104 30, 104.5 30, 104.5 30.5, 104 30.5, 104 30))")
    columns = {
        "BSM": ["510104000000000001"],
        "DLMC": ["水田"],
        "TBMJ": [1234.56],
        "GDPDJB": [2],
        "GXSJ": [datetime.date(2025, 12, 31)],
        "YXSJ": [True],
        "KD": [None],
        "geometry": [shapely.to_wkb(shape)],
    }
    return batch_of(as_rows(PARCELS, columns))


def test_golden_row_and_set() -> None:
    hashes = row_hashes(golden_row(), PARCELS)
    digest = SetDigest()
    assert digest.hex == "e5a00aa9991ac8a5ee3109844d84a55583bd20572ad3ffcd42792f3c36b183ad"
    digest.add(golden_row()["BSM"], hashes)
    assert hashes[0].as_py().hex() == "fd00e1604ba5dc3fc94e2acaabb8f8d955f499f265901474d307475c1735a8c3"
    assert digest.hex == "f70091f155b6142c22a3da34143245ab636abaf91e71c1b78732d1c27e03e558"
    assert np.flatnonzero(digest.buckets).tolist() == [124]
    assert digest.buckets[124] == 0xA2CBDF6456D5D07C


def test_slices_hash_as_the_whole() -> None:
    batch = batch_of(parcels(50))
    whole = row_hashes(batch, PARCELS).to_pylist()
    assert row_hashes(batch.slice(13, 20), PARCELS).to_pylist() == whole[13:33]
    assert row_hashes(batch.slice(0, 0), PARCELS).to_pylist() == []


def hash_of_shape(shape: shapely.Geometry | bytes | None) -> bytes:
    wkb = shape if isinstance(shape, bytes) or shape is None else shapely.to_wkb(shape)
    row = parcels(1).to_pydict()
    return row_hashes(batch_of(as_rows(PARCELS, {**row, "geometry": [wkb]})), PARCELS)[0].as_py()


def test_same_shape_hashes_the_same_however_it_is_written() -> None:
    shape = shapely.from_wkt("POLYGON ((0 0, 1 0, 1 1, 0 1, 0 0), (.2 .2, .2 .4, .4 .4, .2 .2))")
    turned = shapely.from_wkt("POLYGON ((1 1, 1 -0, -0 -0, 0 1, 1 1), (.2 .2, .4 .4, .2 .4, .2 .2))")
    ewkb = shapely.to_wkb(shapely.set_srid(shape, 4490), include_srid=True, byte_order=0)
    assert hash_of_shape(shape) == hash_of_shape(turned) == hash_of_shape(ewkb)


def test_other_shapes_hash_otherwise() -> None:
    flat = shapely.from_wkt("POLYGON ((0 0, 1 0, 1 1, 0 0))")
    shapes = [
        flat,
        shapely.from_wkt("POLYGON ((0 0, 1 0, 1 1.0000000000000002, 0 0))"),
        shapely.from_wkt("MULTIPOLYGON (((0 0, 1 0, 1 1, 0 0)))"),
        shapely.from_wkt("POLYGON Z ((0 0 0, 1 0 0, 1 1 0, 0 0 0))"),
        shapely.from_wkt("POLYGON EMPTY"),
        None,
    ]
    assert len({hash_of_shape(shape) for shape in shapes}) == len(shapes)


def test_negative_zero_and_nan_are_folded_in_mixed_dimensions() -> None:
    shapes = ["POINT (-0.0 1)", "POINT Z (0 -0.0 -0.0)", "POINT EMPTY"]
    plain = ["POINT (0 1)", "POINT Z (0 0 0)", "POINT EMPTY"]
    hashes = []
    for texts in (shapes, plain):
        rows = parcels(3).to_pydict()
        rows["geometry"] = list(shapely.to_wkb(shapely.from_wkt(texts)))
        hashes.append(row_hashes(batch_of(as_rows(PARCELS, rows)), PARCELS).to_pylist())
    assert hashes[0] == hashes[1]


@pytest.mark.parametrize(
    ("one", "other"),
    [(0.0, -0.0), (float("nan"), struct.unpack("<d", b"\1\0\0\0\0\0\xf8\xff")[0])],
)
def test_numbers_are_folded(one: float, other: float) -> None:
    encoded = encode([pa.array(np.array([one, other]))], 2).to_pylist()
    assert encoded[0] == encoded[1]


def test_null_differs_from_zero_nan_and_empty() -> None:
    numbers = encode([pa.array([None, 0.0, float("nan")], pa.float64())], 3).to_pylist()
    texts = encode([pa.array([None, ""])], 2).to_pylist()
    assert len(set(numbers)) == 3
    assert len(set(texts)) == 2


def test_values_do_not_run_into_each_other() -> None:
    encoded = encode([pa.array(["ab", "a", ""]), pa.array(["c", "bc", "abc"])], 3).to_pylist()
    assert len(set(encoded)) == 3


def test_a_collection_without_geometry() -> None:
    rows = as_rows(TABLE, {"DM": [1, 2], "MC": ["甲", None]})
    expected = [
        hashlib.sha256(plain_value("integer", dm) + plain_value("text", mc)).digest()
        for dm, mc in ((1, "甲"), (2, None))
    ]
    assert row_hashes(batch_of(rows), TABLE).to_pylist() == expected


def test_a_type_outside_the_schema_is_refused() -> None:
    with pytest.raises(TypeError, match="int8"):
        encode([pa.array([1], pa.int8())], 1)
