"""Sample features: a collection with every type of field, its rows, and how a store takes them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import shapely

from guotu.model.collection import Collection, Family, Field, FieldType, GeometryType
from guotu.model.hilbert import hilbert_index
from guotu.model.ports import Rows
from guotu.model.schema import PLACE, arrow_schema, stored_schema
from sync.prepared import stored_batches

FIELDS = (
    Field("BSM", "标识码", FieldType.TEXT, length=18, nullable=False),
    Field("DLBM", "地类编码", FieldType.TEXT, length=5),
    Field("ZLDWDM", "坐落单位代码", FieldType.TEXT, length=19),
    Field("TBMJ", "图斑面积", FieldType.DECIMAL, width=15, decimals=2),
    Field("TBDLMJ", "图斑地类面积", FieldType.DECIMAL, width=15, decimals=2),
    Field("GDDB", "耕地等别", FieldType.INTEGER),
    Field("KCXS", "扣除系数", FieldType.DOUBLE),
    Field("DCRQ", "调查日期", FieldType.DATE),
    Field("SFYX", "是否有效", FieldType.BOOLEAN),
)


def sample_collection(geometry: GeometryType = GeometryType.POLYGON) -> Collection:
    """A collection with every type of field."""
    return Collection(
        id="tb",
        family=Family.STATUS,
        title="样例图斑",
        title_en="sample parcels",
        geometry=geometry,
        key="BSM",
        fields=FIELDS,
        division_field="ZLDWDM",
    )


COLLECTION = sample_collection()


def parcels(count: int, seed: int = 0) -> pa.Table:
    """Rows at random in curve order, one null in eight: unit squares on half degrees in the west of Sichuan."""
    rng = np.random.default_rng(seed)

    def some(values: Sequence[object], kind: pa.DataType) -> pa.Array:
        return pa.array(values, kind).take(pa.array(rng.integers(0, len(values), count)))

    def gaps(column: pa.Array) -> pa.Array:
        return pc.if_else(pa.array(rng.random(count) < 0.125), pa.scalar(None, column.type), column)

    cents = rng.integers(-500, 500_000, count)
    corner = rng.integers(0, 40, (count, 2)) / 2 + np.array([100.0, 26.0])
    squares = shapely.box(corner[:, 0], corner[:, 1], corner[:, 0] + 1, corner[:, 1] + 1)
    columns = [
        pa.array([f"5101{number:012d}" for number in rng.permutation(count)]),
        gaps(some(["0101", "0102", "0103", "0301", "1104A", "水田", "%_\\"], pa.string())),
        gaps(some(["510104001001", "510104002", "510105", "513221100", "500101", "5115", "51"], pa.string())),
        gaps(pa.array(cents / 100)),
        gaps(pa.array((cents + rng.integers(-1, 2, count)) / 100)),
        gaps(pa.array(rng.integers(-5, 15, count))),
        gaps(pa.array(np.round(rng.random(count), 3))),
        gaps(pa.array([date(2019, 1, 1) + timedelta(int(day)) for day in rng.integers(0, 3000, count)])),
        gaps(pa.array(rng.random(count) < 0.5)),
        gaps(pa.array(shapely.to_wkb(squares), pa.binary())),
    ]
    schema = arrow_schema(COLLECTION)
    names = schema.names
    rows = pa.Table.from_arrays([*columns, _places(squares, columns[-1])], [*names, PLACE])
    return rows.sort_by([(PLACE, "ascending"), ("BSM", "ascending")]).select(names).cast(schema).combine_chunks()


def _places(squares: np.ndarray, present: pa.Array) -> pa.Array:
    centres = shapely.bounds(squares).reshape(-1, 2, 2).mean(axis=1)
    places = hilbert_index(centres[:, 0], centres[:, 1])
    return pc.if_else(present.is_valid(), pa.array(places), pa.scalar(0, pa.uint32()))


def stored_rows(table: pa.Table, collection: Collection = COLLECTION) -> pa.Table:
    """Rows as a store takes them, in curve order; `table` has the columns of the collection."""
    schema = stored_schema(collection)
    batches = table.select(collection.column_names).combine_chunks().to_batches()
    found = pa.Table.from_batches(list(stored_batches(batches, collection)), schema)
    return found.sort_by([(PLACE, "ascending"), (collection.key, "ascending")])


def removed(keys: Sequence[object], collection: Collection = COLLECTION) -> pa.Table:
    """Deletes of some keys, as a store takes them."""
    schema = stored_schema(collection)
    nulls = {field.name: pa.nulls(len(keys), field.type) for field in schema}
    return pa.table(nulls | {collection.key: pa.array(keys, schema.field(collection.key).type)}, schema)


def drawn(*tables: pa.Table, rows: int = 700) -> Rows:
    """Rows of some tables one after the other, in batches of so many."""
    return lambda: (batch for table in tables for batch in table.to_batches(max_chunksize=rows))


def applied(rows: pa.Table, changes: pa.Table) -> pa.Table:
    """What the stored rows of a version of COLLECTION become by changes."""
    stays = pc.invert(pc.is_in(rows["BSM"], changes["BSM"].combine_chunks()))
    table = pa.concat_tables([rows.filter(stays), changes.filter(changes["_hash"].is_valid())])
    return table.sort_by([(PLACE, "ascending"), ("BSM", "ascending")]).combine_chunks()
