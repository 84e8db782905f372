"""The columns of a table for others: a collection's fields under their names, and a geometry that every GIS reads."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from guotu.model.collection import GEOMETRY, Collection, GeometryType
from node.stores.postgis.sql.types import sql_type
from node.stores.sql.identifiers import ROWS, column, listed, quote

_SRID = 4490
_GEOMETRIES = {
    GeometryType.POINT: "MultiPoint",
    GeometryType.LINE: "MultiLineString",
    GeometryType.POLYGON: "MultiPolygon",
}
_NUMERIC = re.compile(r"numeric\((\d+),(\d+)\)")


@dataclass(frozen=True, slots=True)
class Layout:
    """The columns of one table."""

    key: str
    columns: Mapping[str, str]
    """Types by name, in their order."""

    @classmethod
    def of(cls, collection: Collection) -> Layout:
        """Return the columns for a collection."""
        columns = {field.name: sql_type(field) for field in collection.fields}
        if collection.has_geometry:
            columns[GEOMETRY] = f"geometry({_GEOMETRIES[collection.geometry]},{_SRID})"
        return cls(collection.key, columns)

    @classmethod
    def parse(cls, text: str) -> Layout:
        """Read what `to_json` wrote."""
        return cls(**json.loads(text))

    def to_json(self) -> str:
        """Return it as a text to keep."""
        return json.dumps(asdict(self))

    @property
    def names(self) -> str:
        """Return the columns one after the other."""
        return listed(self.columns)

    @property
    def declared(self) -> str:
        """Return the columns as a table declares them."""
        return ", ".join(f"{quote(name)} {kind}" for name, kind in self.columns.items())

    @property
    def has_geometry(self) -> bool:
        """Tell whether there is a geometry."""
        return GEOMETRY in self.columns

    def taken(self, name: str, rows: str = ROWS) -> str:
        """Return a column's value out of rows of the store.

        Single geometries become multiple ones of one part, so that all fit one type. Texts are compared as the database
        does it by itself, not by code point as in the store.
        """
        value = column(name, rows)
        if name == GEOMETRY:
            return f"ST_Multi(ST_Force2D(ST_GeomFromWKB({value}, {_SRID})))"
        return f'{value} COLLATE "default"' if self.columns[name] == "text" else value

    def all_taken(self, rows: str = ROWS) -> str:
        """Return all columns out of rows of the store, under their names."""
        return ", ".join(f"{self.taken(name, rows)} AS {quote(name)}" for name in self.columns)

    def same(self, table: str, rows: str = ROWS) -> str:
        """Return whether a row of the table, given by its alias, is that of the store, byte by byte of the geometry."""
        return " AND ".join(self._same(name, table, rows) for name in self.columns)

    def _same(self, name: str, table: str, rows: str) -> str:
        sides = [column(name, table), self.taken(name, rows)]
        if name == GEOMETRY:
            sides = [f"({side})::bytea" for side in sides]
        return " IS NOT DISTINCT FROM ".join(sides)


@dataclass(frozen=True, slots=True)
class Reshaping:
    """What turns the columns of a table into others."""

    renamed: Mapping[str, str]
    """New name by old name."""
    dropped: tuple[str, ...]
    added: tuple[str, ...]
    retyped: Mapping[str, bool]
    """Columns with another type; whether their values stay until they are compared."""
    rekeyed: bool
    """Tells that rows are found by something else than before."""


def reshaping(old: Layout, new: Layout, collection: Collection) -> Reshaping:
    """Find out how columns change; what was renamed keeps its column."""
    renamed = {
        field.renamed_from: field.name
        for field in collection.fields
        if field.renamed_from in old.columns.keys() - new.columns.keys() and field.name not in old.columns
    }
    before = {renamed.get(name, name): kind for name, kind in old.columns.items()}
    retyped = {
        name: _widens(before[name], kind)
        for name, kind in new.columns.items()
        if name in before and before[name] != kind
    }
    return Reshaping(
        renamed=renamed,
        dropped=tuple(name for name in before if name not in new.columns),
        added=tuple(name for name in new.columns if name not in before),
        retyped=retyped,
        rekeyed=renamed.get(old.key, old.key) != new.key or new.key in retyped,
    )


def _widens(old: str, new: str) -> bool:
    """Tell whether every number of a type is one of another; others are compared anew anyway."""
    numbers = [_NUMERIC.fullmatch(kind) for kind in (old, new)]
    if numbers[0] is None or numbers[1] is None:
        return False
    (width, decimals), (wider, finer) = (map(int, found.groups()) for found in numbers if found)
    return finer >= decimals and wider - finer >= width - decimals
