"""What is asked of a table, as SQL; nothing here touches the database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from federation.filter.bind import bind_filter
from guotu.model.collection import GEOMETRY, Collection, Family, GeometryType
from guotu.model.expression import Expression
from node.stores.postgis.sql.dialect import where_clause
from node.stores.postgis.sql.parameters import PgParameters
from node.stores.postgis.sql.retrieval import Statement
from node.stores.postgis.tables.column import RAW, Column
from node.stores.postgis.tables.facts import Shape, TableFacts
from node.stores.sql.identifiers import ROWS, column

KEY, ONE, TWO = "_key", "_one", "_two"
"""Columns of a fingerprint: the key, 64 bits of the row, and 64 bits more."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is read of a table."""

    facts: TableFacts
    columns: tuple[Column, ...]
    shape: Shape | None = None
    filter: Expression | None = None

    @property
    def schema(self) -> pa.Schema:
        """Return the schema of its rows: the columns, then `geometry` (WKB, in the table's CRS) if there is a shape."""
        return _schema(self.columns, self.shape)

    def rows(self, parameters: PgParameters) -> str:
        """Return what stands after FROM: the rows that the filter lets pass, and the shape under its own name."""
        named = [item.normal for item in self.facts.columns]
        named += [] if self.shape is None else [column(self.shape.name, RAW)]
        rows = f"(SELECT {', '.join(named)} FROM {self.facts.relation} AS {RAW}) AS {ROWS}"  # noqa: S608 (quoted)
        return rows + where_clause(pseudo_collection(self.facts), self.filter, parameters)

    def values(self) -> list[str]:
        """Return what is read, in the order of the schema."""
        shape = [] if self.shape is None else [f"ST_AsBinary({_geometry(self.shape)}, 'NDR')"]
        return [*(item.read for item in self.columns), *shape]

    def hashed(self) -> str:
        """Return the row that a fingerprint is made of: all that is read."""
        # As bytes that tell SRID and dimensions too; what PostGIS itself hashes of a geometry has 32 bits.
        shape = [] if self.shape is None else [f"{_geometry(self.shape)}::bytea"]
        return f"ROW({', '.join([*(item.hashed for item in self.columns), *shape])})"


def pseudo_collection(facts: TableFacts) -> Collection:
    """Return the columns of a table as a filter sees them; it has no geometry, since that is in the table's own CRS."""
    fields = tuple(item.field for item in facts.columns)
    return Collection(facts.label, Family.STATUS, facts.label, facts.label, GeometryType.NONE, "", fields)


def bound_filter(text: str, facts: TableFacts) -> Expression | None:
    """Return what a filter in CQL2 means for a table; None for none.

    Raises:
        InvalidFilter: it does not parse, or a literal does not suit its column (says where).
        UnknownField: the table has no such column.
        TooLarge: it is too long.
    """
    return bind_filter(text, pseudo_collection(facts)) if text else None


def fingerprint_schema(key: Column) -> pa.Schema:
    """Return the schema of fingerprints: `_key` (string or int64), `_one` and `_two` (int64)."""
    return pa.schema([(KEY, key.kind.arrow), (ONE, pa.int64()), (TWO, pa.int64())])


def fingerprints(wanted: Wanted, key: Column, seeds: tuple[int, int]) -> Statement:
    """Return the statement of the fingerprints of all rows, in no order; schema `fingerprint_schema`."""
    parameters = PgParameters()
    return Statement(_hashing(wanted, [], key, seeds, parameters), parameters.values)


def rows_and_fingerprints(wanted: Wanted, key: Column, seeds: tuple[int, int]) -> Statement:
    """Return the statement of all rows: their values, then their fingerprints."""
    parameters = PgParameters()
    return Statement(_hashing(wanted, wanted.values(), key, seeds, parameters), parameters.values)


def plain_rows(wanted: Wanted) -> Statement:
    """Return the statement of all rows."""
    parameters = PgParameters()
    text = f"SELECT {', '.join(wanted.values())} FROM {wanted.rows(parameters)}"  # noqa: S608 (names are quoted)
    return Statement(text, parameters.values)


def keyed_rows(wanted: Wanted, key: Column, keys: Sequence[str | int]) -> Statement:
    """Return the statement of the rows that have one of some keys, by the equality of the key's type."""
    parameters = PgParameters()
    rows = wanted.rows(parameters)
    sought, array = key.sought
    held = f"{sought} = ANY ({parameters.bind(list(keys), array)})"
    text = f"SELECT {', '.join(wanted.values())} FROM {rows} {'WHERE' if wanted.filter is None else 'AND'} {held}"  # noqa: S608
    return Statement(text, parameters.values)


def references(wanted: Wanted) -> Statement:
    """Return the statement of the reference systems of the rows that have a shape: SRID, rows, extent (or null)."""
    assert wanted.shape is not None
    parameters = PgParameters()
    shape = column(wanted.shape.name)
    geometry = _geometry(wanted.shape)
    box = f"ST_Extent({geometry})"
    sides = ", ".join(f"{side}({box})" for side in ("ST_XMin", "ST_YMin", "ST_XMax", "ST_YMax"))
    rows = wanted.rows(parameters)
    present = f"{'WHERE' if wanted.filter is None else 'AND'} {shape} IS NOT NULL"
    text = f"SELECT ST_SRID({geometry}), count(*), {sides} FROM {rows} {present} GROUP BY 1 ORDER BY 1"  # noqa: S608
    return Statement(text, parameters.values)


def _hashing(wanted: Wanted, values: list[str], key: Column, seeds: tuple[int, int], parameters: PgParameters) -> str:
    """Return a query of values and fingerprints.

    The empty second half of the union keeps the planner from writing the row out at each place where it is used, so
    that it is made once; unlike OFFSET 0 it lets parallel workers hash, too.
    """
    inner = [f"{value} AS v{number}" for number, value in enumerate(values)]
    inner += [f"{key.read} AS k", f"{wanted.hashed()} AS r"]
    outer = [f"q.v{number}" for number in range(len(values))]
    hashes = [f"hash_record_extended(q.r, {parameters.bind(seed, 'bigint')})" for seed in seeds]
    made = f"SELECT {', '.join(inner)} FROM {wanted.rows(parameters)}"  # noqa: S608 (names are quoted)
    once = f"{made} UNION ALL SELECT * FROM ({made}) AS none WHERE FALSE"  # noqa: S608
    return f"SELECT {', '.join([*outer, 'q.k', *hashes])} FROM ({once}) AS q"  # noqa: S608


def _geometry(shape: Shape) -> str:
    return f"{column(shape.name)}::geometry" if shape.geography else column(shape.name)


def _schema(columns: Sequence[Column], shape: Shape | None) -> pa.Schema:
    shapes = [] if shape is None else [(GEOMETRY, pa.binary())]
    return pa.schema([*((item.name, item.kind.arrow) for item in columns), *shapes])
