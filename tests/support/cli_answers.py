"""Rows of the demo's landcover shape, for tests of what the command line writes."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from decimal import Decimal

import pyarrow as pa
import shapely

from guotu.model.answer import Frame
from guotu.model.crs import geometry_field
from tests.support.canned_node import answer_frames

SCHEMA = pa.schema(
    [
        pa.field("bsm", pa.string(), False),
        pa.field("igbp", pa.int64()),
        pa.field("area_m2", pa.float64()),
        pa.field("surveyed", pa.date32()),
        pa.field("wet", pa.bool_()),
        geometry_field("geometry", "EPSG:4490"),
    ]
)
SHAPES = [
    shapely.box(103.123456789012345, 30, 104, 31),
    shapely.MultiPolygon([shapely.box(0, 0, 1, 1), shapely.box(2, 2, 3, 3)]),
    shapely.Point(104.06, 30.67),
    shapely.Polygon(shapely.box(0, 0, 9, 9).exterior, [shapely.box(1, 1, 2, 2).exterior]),
]
ROWS = pa.record_batch(
    [
        pa.array(["0101", '引"号\\', "控\n制\x01", "逗,号"]),
        pa.array([13, None, 1, 0]),
        pa.array([12345678901.23, float("nan"), None, 0.1]),
        pa.array([datetime.date(2019, 1, 1), None, None, datetime.date(2020, 2, 29)]),
        pa.array([True, None, False, True]),
        pa.array([shapely.to_wkb(shape) for shape in SHAPES], pa.binary()),
    ],
    schema=SCHEMA,
)
FINITE = ROWS.set_column(2, SCHEMA.field(2), pa.array([12345678901.23, -0.0, None, 0.1]))
"""The rows without NaN, which only Parquet and FlatGeobuf keep."""
GROUP_SCHEMA = pa.schema(
    [
        pa.field("igbp", pa.int64()),
        pa.field("county", pa.string()),
        pa.field("sum_area_m2", pa.decimal128(38, 1)),
        pa.field("count", pa.int64()),
    ]
)
GROUPS = pa.record_batch(
    [
        pa.array([13, 255, None]),
        pa.array(["510104", "999999", None]),
        pa.array([Decimal("12345678901234567890123456.7"), Decimal("50.0"), None], pa.decimal128(38, 1)),
        pa.array([7, 1, 0]),
    ],
    schema=GROUP_SCHEMA,
)


OVERLAY_SCHEMA = pa.schema(
    [
        pa.field("zone", pa.string()),
        pa.field("igbp", pa.int64()),
        pa.field("count", pa.int64()),
        pa.field("area_m2", pa.decimal128(38, 4)),
        pa.field("share", pa.float64()),
    ]
)
OVERLAY = pa.record_batch(
    [
        pa.array(["甲地", "甲地", "乙地"]),
        pa.array([13, None, 13]),
        pa.array([7, 1, 0]),
        pa.array([Decimal("123456789.1250"), Decimal("49.9999"), Decimal("50.0000")], pa.decimal128(38, 4)),
        pa.array([0.98765, 0.0001, 1.25]),
    ],
    schema=OVERLAY_SCHEMA,
)


def row_frames(partial: bool = False) -> Iterator[Frame]:
    """Yield an answer of the four rows in two batches, with an empty one between."""
    return answer_frames([ROWS.slice(0, 3), ROWS.slice(0, 0), ROWS.slice(3)], SCHEMA, partial=partial)


def finite_frames() -> Iterator[Frame]:
    """Yield an answer of the four rows that every form keeps."""
    return answer_frames([FINITE.slice(0, 3), FINITE.slice(3)], SCHEMA)


def group_frames(partial: bool = False) -> Iterator[Frame]:
    """Yield an answer of three groups."""
    return answer_frames([GROUPS], GROUP_SCHEMA, partial=partial)


def overlay_frames(partial: bool = False) -> Iterator[Frame]:
    """Yield an answer of three rows."""
    return answer_frames([OVERLAY], OVERLAY_SCHEMA, partial=partial)
