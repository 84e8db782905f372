"""Laws of receipts: whatever the rows, a form that keeps them proves them, and proves no others."""

from __future__ import annotations

import datetime
import tempfile
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import shapely
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from federation.notary import Notary
from guotu.model.answer import Batch, Frame
from guotu.model.crs import geometry_field
from node.cli.receipt_rows import proven_rows
from node.cli.saved_receipt import read_receipt
from sync.signing import NodeKey
from tests.support.signed_answers import ALL_FORMS, FixedClock, member_frames, saved, signed

CHECKS = settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
GROUP_FORMS = ("csv", "parquet", "json")
DATASETS = ("510100/landcover", "510700/landcover")
TEXTS = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=8)
COORDINATES = st.floats(-1e7, 1e7).map(lambda number: number + 0.0)  # -0.0 is not kept by WKT
PLACES = st.tuples(COORDINATES, COORDINATES)
RINGS = st.lists(PLACES, min_size=3, max_size=5).map(lambda ring: [*ring, ring[0]])
POLYGONS = st.lists(RINGS, min_size=1, max_size=3).map(lambda rings: shapely.Polygon(rings[0], rings[1:]))
SHAPES = st.one_of(
    PLACES.map(shapely.Point),
    st.lists(PLACES, min_size=2, max_size=4).map(shapely.LineString),
    POLYGONS,
    st.lists(POLYGONS, min_size=1, max_size=3).map(shapely.MultiPolygon),
    st.lists(PLACES, min_size=1, max_size=3).map(shapely.MultiPoint),
)
SOLIDS = st.tuples(COORDINATES, COORDINATES, COORDINATES).map(shapely.Point)
VALUES: dict[pa.DataType, st.SearchStrategy[Any]] = {
    pa.string(): st.none() | TEXTS | st.sampled_from(["", "NULL", "2020-01-01", "0101", 'a"b,\r\n\\', "\ufeff", "1e5"]),
    pa.int64(): st.none() | st.integers(-(2**63), 2**63 - 1),
    pa.float64(): st.none() | st.floats(allow_nan=False, allow_infinity=False),
    pa.date32(): st.none() | st.dates(datetime.date(1, 1, 1), datetime.date(9999, 12, 31)),
    pa.bool_(): st.none() | st.booleans(),
}
DECIMAL = pa.decimal128(38, 4)
GROUP_VALUES = VALUES | {
    DECIMAL: st.none() | st.integers(-(10**38) + 1, 10**38 - 1).map(lambda units: Decimal(f"{units}e-4"))
}
NAMES = st.sampled_from(["fid", "geom", "名称", "a b", 'q"u,o', "id", "count", "type", "properties"])


def shaped(values: list[shapely.Geometry]) -> pa.Array:
    return pa.array(shapely.to_wkb(np.array(values, dtype=object), byte_order=1, flavor="iso"), pa.binary())


@st.composite
def rows_of(draw: st.DrawFn, kinds: dict[pa.DataType, st.SearchStrategy[Any]], shapes: Any = None) -> pa.RecordBatch:
    names = draw(st.lists(NAMES, min_size=1, max_size=4, unique=True))
    count = draw(st.integers(1, 6))
    chosen = [draw(st.sampled_from(list(kinds))) for _ in names]
    columns = [pa.array([draw(kinds[kind]) for _ in range(count)], kind) for kind in chosen]
    fields = [pa.field(name, kind) for name, kind in zip(names, chosen, strict=True)]
    if shapes is not None:
        fields.append(geometry_field("geometry", "EPSG:4490"))
        columns.append(shaped([draw(shapes) for _ in range(count)]))
    return pa.record_batch(columns, schema=pa.schema(fields))


@pytest.fixture(scope="module")
def notary(tmp_path_factory: pytest.TempPathFactory) -> Notary:
    key = NodeKey.create(tmp_path_factory.mktemp("key") / "ed25519.pem")
    return Notary(key.public_bytes, key.sign, FixedClock())


def told(form: str, frames: list[Frame]) -> tuple[bool | None, str]:
    """Save frames in a form and tell what is found of the rows."""
    with tempfile.TemporaryDirectory() as folder:
        return proven_rows(read_receipt(saved(form, Path(folder), frames)))


def whole(rows: pa.RecordBatch, notary: Notary) -> list[Frame]:
    """Return the signed answer of two members who have the rows between them."""
    half = rows.num_rows // 2
    parts = dict(zip(DATASETS, (rows.slice(0, half), rows.slice(half)), strict=True))
    return list(signed(member_frames(parts, rows.schema), notary))


def with_rows(frames: list[Frame], rows: pa.RecordBatch) -> list[Frame]:
    """Return an answer with other rows, and the account and receipt of these frames."""
    return [frames[0], Batch(DATASETS[0], rows), frames[-1]]


def other_cell(rows: pa.RecordBatch, draw: Callable[[Any], Any], kinds: dict[pa.DataType, Any]) -> pa.RecordBatch:
    """Change one value, which is another one then."""
    at, column = draw(st.integers(0, rows.num_rows - 1)), draw(st.integers(0, rows.num_columns - 1))
    kind = rows.schema.types[column]
    value = shaped([draw(SHAPES)])[0].as_py() if pa.types.is_binary(kind) else draw(kinds[kind])
    values = rows.column(column).to_pylist()
    assume(values[at] != value)
    values[at] = value
    return rows.set_column(column, rows.schema.field(column), pa.array(values, kind))


def check(form: str, rows: pa.RecordBatch, draw: Callable[[Any], Any], kinds: Any, notary: Notary) -> None:
    frames = whole(rows, notary)
    found, detail = told(form, frames)
    assert found is True, detail
    order = np.roll(np.arange(rows.num_rows), 1)
    others = [rows.slice(1), pa.concat_batches([rows, rows.slice(0, 1)]), other_cell(rows, draw, kinds)]
    turned = rows.take(pa.array(order))
    if turned != rows:
        others.append(turned)
    for other in others:
        assert told(form, with_rows(frames, other))[0] is False, other.to_pylist()


@pytest.mark.parametrize("form", [form for form in ALL_FORMS if form not in ("gpkg", "fgb")])
@given(data=st.data())
@settings(CHECKS)
def test_features_are_proven_by_every_form_and_others_are_not(form: str, data: st.DataObject, notary: Notary) -> None:
    check(form, data.draw(rows_of(VALUES, SHAPES | SOLIDS | st.none())), data.draw, VALUES, notary)


@given(data=st.data())
@settings(CHECKS)
def test_features_are_proven_by_flatgeobuf(data: st.DataObject, notary: Notary) -> None:
    check("fgb", data.draw(rows_of(VALUES, SHAPES)), data.draw, VALUES, notary)


@given(data=st.data())
@settings(CHECKS, max_examples=4)  # the database is written to the disk each time
def test_features_are_proven_by_geopackage(data: st.DataObject, notary: Notary) -> None:
    check("gpkg", data.draw(rows_of(VALUES, SHAPES | SOLIDS | st.none())), data.draw, VALUES, notary)


@pytest.mark.parametrize("form", GROUP_FORMS)
@given(data=st.data())
@settings(CHECKS)
def test_groups_are_proven_by_every_form_and_others_are_not(form: str, data: st.DataObject, notary: Notary) -> None:
    check(form, data.draw(rows_of(GROUP_VALUES)), data.draw, GROUP_VALUES, notary)
