"""Tables for others as a GIS client sees them, to be held against what the store answers."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pyarrow as pa
import shapely

from guotu.model.collection import GEOMETRY, Collection
from guotu.model.definition import collection_to_json
from guotu.model.ports import FeatureStore, Scan
from node.stores.material import Release, TableName
from tests.support.features import COLLECTION
from tests.support.stores import fetch

DATASET = "510000/tb"
TABLE = TableName("gis", "图斑 parcels")
SQL_NAME = '"gis"."图斑 parcels"'
Row = tuple[Any, ...]
_MULTIPLE = {
    "Point": shapely.MultiPoint,
    "LineString": shapely.MultiLineString,
    "Polygon": shapely.MultiPolygon,
}


def release(version: int, collection: Collection = COLLECTION, manifest: str = "", dataset: str = DATASET) -> Release:
    """A version to show."""
    description = hashlib.sha256(collection_to_json(collection)).hexdigest()
    return Release(dataset, version, manifest or f"{version:064x}", description, 1_764_288_000_000, collection)


def quiet(stage: str, done: int, total: int) -> None:
    """Hear nothing of progress."""


async def shown(connection: Any, collection: Collection = COLLECTION, table: str = SQL_NAME) -> list[Row]:
    """Return what the table shows, by key, geometries as WKB."""
    names = [f"ST_AsBinary(\"{name}\", 'NDR')" if name == GEOMETRY else f'"{name}"' for name in collection.column_names]
    found = await connection.fetch(f"SELECT {', '.join(names)} FROM {table}")
    return by_key([tuple(map(_plain, row)) for row in found], collection)


async def answered(store: FeatureStore, version: int, collection: Collection = COLLECTION) -> list[Row]:
    """Return what the store answers from a version, by key, with geometries of several parts as WKB."""
    return rows_of(await fetch(store, collection, Scan(collection.column_names), version=version), collection)


def rows_of(table: pa.Table, collection: Collection = COLLECTION) -> list[Row]:
    """Return rows of an answer, by key, with geometries of several parts as WKB."""
    rows = [
        tuple(_multiple(row[name]) if name == GEOMETRY else row[name] for name in collection.column_names)
        for row in table.to_pylist()
    ]
    return by_key(rows, collection)


def by_key(rows: Sequence[Row], collection: Collection) -> list[Row]:
    """Sort rows by key."""
    place = collection.column_names.index(collection.key)
    return sorted(rows, key=lambda row: row[place])


def renamed(collection: Collection, old: str, new: str) -> Collection:
    """Return a collection with a field under a new name."""
    fields = [replace(field, name=new, renamed_from=old) if field.name == old else field for field in collection.fields]
    return replace(collection, fields=tuple(fields))


def _plain(value: Any) -> Any:
    return float(value) if isinstance(value, Decimal) else value


def _multiple(wkb: bytes | None) -> bytes | None:
    if wkb is None:
        return None
    shape = shapely.force_2d(shapely.from_wkb(wkb))
    kind = _MULTIPLE.get(shape.geom_type)
    several = shape if kind is None else kind([] if shape.is_empty else [shape])
    return bytes(shapely.to_wkb(several, byte_order=1))
