"""What a database tells of a table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from guotu.model.errors import InvalidTable
from node.stores.postgis.connection import Connection
from node.stores.postgis.tables.column import Column, column_of
from node.stores.sql.identifiers import quote

_LEAST_VERSION = 140000
"""hash_record_extended came with PostgreSQL 14."""
_LOCKABLE = "rpv"
"""Kinds of relation that LOCK TABLE takes: tables, partitioned ones, views."""
_LON_LAT = 4326
"""What PostGIS takes a geography for that states nothing."""
_RELATION = """
SELECT n.nspname, c.relname, c.relkind::text AS kind FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.oid = pg_catalog.to_regclass($1) AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
"""
_COLUMNS = """
WITH RECURSIVE base AS (
    SELECT attnum, attname, atttypid AS kind, atttypmod AS modifier, attcollation AS collated
    FROM pg_catalog.pg_attribute WHERE attrelid = $1 AND attnum > 0 AND NOT attisdropped
    UNION ALL
    SELECT b.attnum, b.attname, t.typbasetype, t.typtypmod, b.collated
    FROM base b JOIN pg_catalog.pg_type t ON t.oid = b.kind WHERE t.typtype = 'd'
)
SELECT b.attname AS name, b.modifier,
    CASE WHEN n.nspname = 'pg_catalog' OR t.typname IN ('geometry', 'geography') THEN t.typname ELSE '' END AS base,
    pg_catalog.format_type(b.kind, b.modifier) AS declared,
    coalesce(c.collisdeterministic, true) AS bytewise
FROM base b JOIN pg_catalog.pg_type t ON t.oid = b.kind AND t.typtype <> 'd'
JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
LEFT JOIN pg_catalog.pg_collation c ON c.oid = b.collated
ORDER BY b.attnum
"""
_HOME = """
SELECT n.nspname, e.extversion FROM pg_catalog.pg_extension e
JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'postgis'
"""
_SHAPES = ("geometry", "geography")


@dataclass(frozen=True, slots=True)
class Shape:
    """A column of geometries."""

    name: str
    declared: str
    geography: bool
    srid: int
    """What its type states; 0 if rows may have any."""


@dataclass(frozen=True, slots=True)
class TableFacts:
    """A table as its catalogue has it."""

    schema: str
    name: str
    columns: tuple[Column, ...]
    shapes: tuple[Shape, ...]
    server: str
    """Versions of PostgreSQL and PostGIS."""

    @property
    def label(self) -> str:
        """Return what people call it."""
        return f"{self.schema}.{self.name}"

    @property
    def relation(self) -> str:
        """Return what stands after FROM."""
        return f"{quote(self.schema)}.{quote(self.name)}"


async def begin(connection: Connection, name: str) -> TableFacts:
    """Begin the snapshot in which a table is read, keep changes of its definition out, and return what it is.

    Raises:
        InvalidTable: there is no such table, or the server is too old.
    """
    version = connection.get_server_version()
    if version.major * 10_000 < _LEAST_VERSION:
        raise InvalidTable(table=name, detail="需要 PostgreSQL 14 或更新版本 PostgreSQL 14 or later is needed")
    relation = await _relation(connection, name)
    await connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    if relation.lockable:
        # Before the snapshot is taken, so that the columns are those of the rows.
        await connection.execute(f"LOCK TABLE {relation.quoted} IN ACCESS SHARE MODE")
    home = await connection.fetchrow(_HOME)
    path = "pg_catalog" if home is None else f"pg_catalog, {quote(home['nspname'])}"
    # So that nothing that others have put into a schema is taken for a function of the server or of PostGIS.
    await connection.execute(f"SET LOCAL search_path = {path}")
    oid = await connection.fetchval("SELECT to_regclass($1)::oid", relation.quoted)
    rows = await connection.fetch(_COLUMNS, oid)
    shapes = [row for row in rows if row["base"] in _SHAPES and home is not None]
    return TableFacts(
        schema=relation.schema,
        name=relation.name,
        columns=tuple(
            column_of(row["name"], row["base"], row["declared"], row["modifier"], row["bytewise"])
            for row in rows
            if row not in shapes
        ),
        shapes=tuple([await _shape(connection, row) for row in shapes]),
        server=f"{version.major}.{version.minor}/{'' if home is None else home['extversion']}",
    )


@dataclass(frozen=True, slots=True)
class _Relation:
    schema: str
    name: str
    lockable: bool

    @property
    def quoted(self) -> str:
        return f"{quote(self.schema)}.{quote(self.name)}"


async def _relation(connection: Connection, name: str) -> _Relation:
    """Find a table by its name as SQL would; a name with capitals, which SQL would fold, is tried as it stands, too."""
    exact = ".".join(quote(part) for part in name.split("."))
    for written in (name, exact):
        found = await connection.fetchrow(_RELATION, written)
        if found is not None:
            return _Relation(found["nspname"], found["relname"], found["kind"] in _LOCKABLE)
    detail = (
        "没有这个表，或账号看不到它的模式，请核对 [模式.]表 和 --database "
        "there is no such table, or the user may not see its schema: look at [SCHEMA.]TABLE and --database"
    )
    raise InvalidTable(table=name, detail=detail)


async def _shape(connection: Connection, row: Mapping[str, Any]) -> Shape:
    srid = await connection.fetchval("SELECT postgis_typmod_srid($1)", row["modifier"])
    geography = row["base"] == "geography"
    return Shape(row["name"], row["declared"], geography, srid or (_LON_LAT if geography else 0))
