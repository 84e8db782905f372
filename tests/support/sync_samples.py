"""Small collections, spools and parts for tests of `sync`."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import shapely

from guotu.model.collection import Collection, Family, Field, FieldType, GeometryType
from guotu.model.schema import arrow_schema

NODE = "510000"
DATASET = "510000/dltb"

PARCELS = Collection(
    id="dltb",
    family=Family.STATUS,
    title="地类图斑",
    title_en="land-use parcels",
    geometry=GeometryType.POLYGON,
    key="BSM",
    fields=(
        Field("BSM", "标识码", FieldType.TEXT, length=18, nullable=False),
        Field("DLMC", "地类名称", FieldType.TEXT, length=60),
        Field("TBMJ", "图斑面积", FieldType.DECIMAL, width=15, decimals=2, unit="m²"),
        Field("GDPDJB", "耕地坡度级别", FieldType.INTEGER),
        Field("GXSJ", "更新时间", FieldType.DATE),
        Field("YXSJ", "有效", FieldType.BOOLEAN),
        Field("KD", "宽度", FieldType.DOUBLE),
    ),
)
TABLE = Collection(
    id="qsdm",
    family=Family.STATUS,
    title="权属单位代码",
    title_en="owner codes",
    geometry=GeometryType.NONE,
    key="DM",
    fields=(
        Field("DM", "代码", FieldType.INTEGER, nullable=False),
        Field("MC", "名称", FieldType.TEXT),
    ),
)


class HeldClock:
    """A clock that goes on by one millisecond whenever it is read."""

    def __init__(self, now_ms: int = 1_770_000_000_000) -> None:
        self._now_ms = now_ms

    def now_ms(self) -> int:
        self._now_ms += 1
        return self._now_ms

    def monotonic(self) -> float:
        return self.now_ms() / 1000


def parcels(count: int, *, seed: int = 1, east: float = 104.0) -> pa.Table:
    """Return `count` wobbly polygons around Chengdu with their attributes, in no spatial order."""
    random = np.random.default_rng(seed)
    centres = random.uniform([east - 0.3, 30.3], [east + 0.3, 30.9], (count, 2))
    angles = np.linspace(0, 2 * np.pi, 20, endpoint=False)
    radii = 0.002 * (1 + 0.3 * random.random((count, 20)))
    rings = centres[:, None, :] + radii[..., None] * np.stack([np.cos(angles), np.sin(angles)], -1)
    shapes = shapely.polygons(rings)
    names = np.array(["水田", "旱地", "乔木林地", None], dtype=object)
    days = np.array([None, datetime.date(2025, 12, 31)], dtype=object)
    columns = {
        "BSM": [f"510104{number:012d}" for number in random.permutation(count)],
        "DLMC": names[random.integers(0, 4, count)],
        "TBMJ": np.round(random.random(count) * 1e5, 2),
        "GDPDJB": random.integers(1, 6, count),
        "GXSJ": days[random.integers(0, 2, count)],
        "YXSJ": random.integers(0, 2, count).astype(bool),
        "KD": random.random(count),
        "geometry": shapely.to_wkb(shapes),
    }
    return as_rows(PARCELS, columns)


def as_rows(collection: Collection, columns: dict[str, Sequence[object]]) -> pa.Table:
    """Return columns as a table with the collection's schema."""
    schema = arrow_schema(collection)
    return pa.table({name: pa.array(columns[name], schema.field(name).type) for name in schema.names}, schema)


def write_spool(path: Path, rows: pa.Table, batch_rows: int = 1000) -> Path:
    """Write rows as a spool of several record batches."""
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, rows.schema) as writer:
        writer.write_table(rows, max_chunksize=batch_rows)
    return path


def no_progress(stage: str, rows: int, total: int) -> None:
    """Listen to nothing."""
