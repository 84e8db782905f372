"""A table as a thing of the database: whether it is ours, who depends on it, who may read it, and what guards it."""

from __future__ import annotations

from asyncpg import exceptions as pg

from guotu.model.collection import Classification
from guotu.model.errors import Conflict, StoreFailure
from node.stores.material import TableName
from node.stores.postgis.connection import SCHEMA, Connection
from node.stores.postgis.materialized.ledger import Entry
from node.stores.sql.identifiers import quote

HOLD_LOCK = "3s"
"""How long work that keeps readers out waits for those who read the table; those who come meanwhile wait for it."""
_OPEN = (Classification.PUBLIC, Classification.INTERNAL)
_MOST_NAMED = 10
_GUARDS = {"guotu_guard": "INSERT OR UPDATE OR DELETE", "guotu_guard_truncate": "TRUNCATE"}
"""Triggers of a table, and what they refuse."""
_DEPENDENTS = """
SELECT DISTINCT CASE
    WHEN r.ev_class IS NOT NULL THEN pg_describe_object('pg_class'::regclass, r.ev_class, 0)
    ELSE pg_describe_object(d.classid, d.objid, d.objsubid) END
FROM pg_depend d LEFT JOIN pg_rewrite r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid
WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = $1 AND d.deptype = 'n'
  AND r.ev_class IS DISTINCT FROM $1
ORDER BY 1
"""


def quoted(name: TableName) -> str:
    """Return a table's name as SQL."""
    return f"{quote(name.schema)}.{quote(name.table)}"


async def oid_at(connection: Connection, name: TableName) -> int:
    """Return by which number the database knows what stands under a name, table or other; 0 if nothing does."""
    found = await connection.fetchval(
        "SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        "WHERE n.nspname = $1 AND c.relname = $2",
        *(name.schema, name.table),
    )
    return int(found or 0)


async def require_ours(connection: Connection, entry: Entry) -> None:
    """Check that a table is the one that was made.

    Raises:
        Conflict: it is gone, or something else stands there, or it lacks columns.
    """
    again = f"guotu materialize {entry.dataset} --into {entry.name}"
    oid = await oid_at(connection, entry.name)
    if not oid:
        detail = f"表 {entry.name} 已被删除，重建请执行 the table {entry.name} was dropped; to make it anew: {again}"
        raise Conflict(detail=detail)
    if oid != entry.oid:
        detail = (
            f"{entry.name} 已不是 guotu 所建的表，guotu 不动它；不再维护请执行 "
            f"it is not the table that guotu made, and is left alone; to forget it: guotu dematerialize {entry.dataset}"
        )
        raise Conflict(detail=detail)
    rows = await connection.fetch(
        "SELECT attname FROM pg_attribute WHERE attrelid = $1 AND attnum > 0 AND NOT attisdropped", entry.oid
    )
    if lost := sorted(entry.layout.columns.keys() - {row[0] for row in rows}):
        detail = (
            f"表 {entry.name} 缺列，被人改动过 the table {entry.name} was altered and lacks {', '.join(lost)}: "
            f"guotu dematerialize {entry.dataset} && {again}"
        )
        raise Conflict(detail=detail)


async def dependents(connection: Connection, oid: int) -> list[str]:
    """Return what depends on a table: views, foreign keys, functions, as the database describes them."""
    return [row[0] for row in await connection.fetch(_DEPENDENTS, oid)]


async def blocked_by(connection: Connection, entry: Entry, doing: str) -> Conflict:
    """Return the error that tells who depends on a table."""
    names = await dependents(connection, entry.oid)
    more = "" if len(names) <= _MOST_NAMED else f" … ({len(names)})"
    return Conflict(
        detail=f"{doing} {entry.name}: 以下对象依赖它，请先删除或改好它们，guotu 不会动它们 "
        f"these depend on it; drop or change them first, guotu leaves them alone: "
        f"{', '.join(names[:_MOST_NAMED])}{more}"
    )


async def make_schema(connection: Connection, schema: str) -> None:
    """Make the schema for a table, if there is none.

    Raises:
        StoreFailure: it may not; the text has what an administrator runs.
    """
    role, database = await connection.fetchrow("SELECT quote_ident(current_user), quote_ident(current_database())")
    known = await connection.fetchval("SELECT count(*) FROM pg_namespace WHERE nspname = $1", schema)
    try:
        if not known:
            await connection.execute(f"CREATE SCHEMA {quote(schema)}")
            return
    except pg.InsufficientPrivilegeError:
        remedy = (
            f"CREATE SCHEMA {quote(schema)} AUTHORIZATION {role}; 或 or GRANT CREATE ON DATABASE {database} TO {role}"
        )
        raise StoreFailure(detail=_lacking(remedy)) from None
    if not await connection.fetchval("SELECT has_schema_privilege($1, 'CREATE, USAGE')", schema):
        raise StoreFailure(detail=_lacking(f"GRANT CREATE, USAGE ON SCHEMA {quote(schema)} TO {role}"))


def _lacking(remedy: str) -> str:
    return f"数据库账号权限不足，请管理员执行 the database user lacks a privilege; an administrator runs: {remedy}"


async def is_guarded(connection: Connection, oid: int) -> bool:
    """Tell whether a table still refuses changes as `guard` had it; who switches that off and on again is noticed."""
    rows = await connection.fetch(
        "SELECT tgname FROM pg_trigger WHERE tgrelid = $1 AND tgenabled = 'A' AND NOT tgisinternal", oid
    )
    return set(_GUARDS) <= {row[0] for row in rows}


async def guard(connection: Connection, name: TableName) -> None:
    """Let the table refuse changes by all but guotu, whoever they are."""
    table = quoted(name)
    for trigger, event in _GUARDS.items():
        await connection.execute(
            f"CREATE OR REPLACE TRIGGER {trigger} BEFORE {event} ON {table} "
            f"FOR EACH STATEMENT EXECUTE FUNCTION {SCHEMA}.refuse_change()"
        )
        # Also for sessions that apply changes of a replication, which skip triggers otherwise.
        await connection.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {trigger}")


async def open_to_readers(connection: Connection, name: TableName, classification: Classification) -> None:
    """Let all read who may use the schema, unless the collection is secret: then an administrator tells who may."""
    if classification in _OPEN:
        await connection.execute(f"GRANT SELECT ON {quoted(name)} TO PUBLIC")
    else:
        await connection.execute(f"REVOKE ALL ON {quoted(name)} FROM PUBLIC")
