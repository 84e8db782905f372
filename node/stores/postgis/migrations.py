"""The schema that guotu makes for itself, in numbered steps that are only ever added to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from guotu.model.errors import StoreFailure
from node.stores.postgis.connection import MATERIALS_LOCK, SCHEMA, Connection


@dataclass(frozen=True, slots=True)
class Migration:
    """One step from a number to the next."""

    number: int
    name: str
    sql: str


MIGRATIONS = (
    Migration(
        1,
        "catalogue of versions and their tables",
        f"""\
CREATE TABLE {SCHEMA}.epoch (epoch bigint NOT NULL);
INSERT INTO {SCHEMA}.epoch VALUES (0);
CREATE TABLE {SCHEMA}.generations (
    name text PRIMARY KEY,
    dataset text NOT NULL,
    current_table text NOT NULL,
    key text NOT NULL,
    columns json NOT NULL,
    base bigint NOT NULL,
    recent bigint NOT NULL,
    loose boolean NOT NULL
);
CREATE TABLE {SCHEMA}.versions (
    dataset text NOT NULL,
    version bigint NOT NULL,
    rows bigint NOT NULL,
    generation text NOT NULL,
    change_table text NOT NULL,
    readable boolean NOT NULL,
    base bigint NOT NULL,
    changes bigint NOT NULL,
    PRIMARY KEY (dataset, version, readable)
);
CREATE TABLE {SCHEMA}.states (
    dataset text NOT NULL,
    version bigint NOT NULL,
    state bytea NOT NULL,
    PRIMARY KEY (dataset, version)
);
CREATE TABLE {SCHEMA}.garbage (table_name text PRIMARY KEY);
""",  # noqa: S608 (the schema's name is a constant)
    ),
    Migration(
        2,
        "tables for others",
        f"""\
ALTER TABLE {SCHEMA}.generations ADD COLUMN mends bigint NOT NULL DEFAULT 0;
ALTER TABLE {SCHEMA}.versions ADD COLUMN mark uuid NOT NULL DEFAULT gen_random_uuid();
CREATE TABLE {SCHEMA}.materials (
    dataset text PRIMARY KEY,
    schema_name text NOT NULL,
    table_name text NOT NULL,
    table_oid bigint NOT NULL,
    layout text NOT NULL,
    version bigint NOT NULL,
    mark uuid NOT NULL,
    mends bigint NOT NULL,
    manifest text NOT NULL,
    description text NOT NULL,
    row_count bigint NOT NULL,
    applied_at timestamptz NOT NULL,
    UNIQUE (schema_name, table_name)
);
CREATE FUNCTION {SCHEMA}.refuse_change() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    -- guotu's own session holds a lock by which it is known.
    IF NOT EXISTS (
        SELECT FROM pg_locks
        WHERE locktype = 'advisory' AND pid = pg_backend_pid() AND granted AND objsubid = 1
          AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
          AND (classid::bigint << 32) + objid::bigint = {MATERIALS_LOCK}
    ) THEN
        RAISE insufficient_privilege USING MESSAGE = format(
            '表 %I.%I 由 guotu 维护，只读；要改数据请发布新版本 '
            'the table is kept by guotu and is read-only: publish a new version to change its data',
            TG_TABLE_SCHEMA, TG_TABLE_NAME
        );
    END IF;
    RETURN NULL;
END $$;
""",  # noqa: S608 (the schema's name is a constant)
    ),
)
_LOG = f"CREATE TABLE {SCHEMA}.migrations (number int PRIMARY KEY, name text NOT NULL, applied_at timestamptz NOT NULL)"


async def pending(connection: Connection, known: Sequence[Migration] = MIGRATIONS) -> list[Migration] | None:
    """Return the steps that the database lacks; None if guotu has no schema there.

    Raises:
        StoreFailure: a later release has been at work in the database.
    """
    if await connection.fetchval("SELECT to_regclass($1)", f"{SCHEMA}.migrations") is None:
        return None
    done = await connection.fetchval(f"SELECT coalesce(max(number), 0) FROM {SCHEMA}.migrations")  # noqa: S608
    if done > known[-1].number:
        raise StoreFailure(
            detail=f"数据库里的 {SCHEMA} 模式由更新的版本建立（{done} > {known[-1].number}），请升级 guotu "
            f"a later release made the schema {SCHEMA} in the database: use that release"
        )
    return [migration for migration in known if migration.number > done]


async def migrate(connection: Connection, known: Sequence[Migration] = MIGRATIONS) -> list[Migration]:
    """Bring guotu's schema up to date, all in one transaction; returns the steps taken.

    Raises:
        StoreFailure: a later release has been at work in the database.
    """
    async with connection.transaction():
        steps = await pending(connection, known)
        if steps is None:
            await connection.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
            await connection.execute(_LOG)
            steps = list(known)
        for step in steps:
            await connection.execute(step.sql)
            note = f"INSERT INTO {SCHEMA}.migrations VALUES ($1, $2, now())"  # noqa: S608
            await connection.execute(note, step.number, step.name)
    return steps


async def prepare(connection: Connection) -> None:
    """Make the schema if there is none; one that is behind is brought up to date by the operator.

    Raises:
        StoreFailure: steps are wanting, or a later release has been at work in the database.
    """
    steps = await pending(connection)
    if steps is None:
        await migrate(connection)
    elif steps:
        raise StoreFailure(
            detail=f"数据库里的 {SCHEMA} 模式需要升级，请先看 guotu store migrate --dry-run，"
            "再执行 guotu store migrate "
            f"the schema {SCHEMA} in the database is behind: look at guotu store migrate --dry-run, "
            "then run guotu store migrate"
        )
