"""The columns of a table for others, changed as the collection's definition was."""

from __future__ import annotations

from asyncpg import exceptions as pg

from guotu.model.collection import GEOMETRY
from guotu.model.errors import Conflict
from node.stores.postgis.connection import Connection
from node.stores.postgis.materialized.layout import Reshaping, reshaping
from node.stores.postgis.materialized.ledger import Entry
from node.stores.postgis.materialized.relation import HOLD_LOCK, blocked_by
from node.stores.postgis.materialized.rows import Target
from node.stores.sql.identifiers import quote


async def reshape(target: Target, entry: Entry) -> None:
    """Change the columns in place, so that rights, indexes and views stay; rows are to be compared afterwards.

    Readers are kept out from here to the end of the transaction.

    Raises:
        Conflict: views or foreign keys need what must go.
    """
    change = reshaping(entry.layout, target.layout, target.collection)
    await target.connection.execute(f"SET LOCAL lock_timeout = '{HOLD_LOCK}'")
    refused: Conflict | None = None
    try:
        async with target.connection.transaction():
            await _alter(target, entry, change)
    except (pg.DependentObjectsStillExistError, pg.FeatureNotSupportedError):
        refused = await blocked_by(
            target.connection, entry, "结构有变，无法就地修改 its columns cannot be changed in place"
        )
    if refused is not None:
        raise refused
    if change.rekeyed:
        await target.add_key()
    if GEOMETRY in change.added:
        await target.index_geometry()


async def _alter(target: Target, entry: Entry, change: Reshaping) -> None:
    connection, table = target.connection, target.table
    if change.rekeyed:
        # Rows are found by another key from now on: all of them are new.
        await connection.execute(f"DELETE FROM {table}")  # noqa: S608 (the name is quoted)
        await connection.execute(f"ALTER TABLE {table} DROP CONSTRAINT {quote(await _key_name(connection, entry.oid))}")
    for old, new in change.renamed.items():
        await connection.execute(f"ALTER TABLE {table} RENAME COLUMN {quote(old)} TO {quote(new)}")
    columns = target.layout.columns
    steps = [f"DROP COLUMN {quote(name)}" for name in change.dropped]
    steps += [_retype(name, columns[name], stays) for name, stays in change.retyped.items()]
    steps += [f"ADD COLUMN {quote(name)} {columns[name]}" for name in change.added]
    if steps:
        await connection.execute(f"ALTER TABLE {table} {', '.join(steps)}")


def _retype(name: str, kind: str, stays: bool) -> str:
    value = f"{quote(name)}::{kind}" if stays else f"NULL::{kind}"
    return f"ALTER COLUMN {quote(name)} TYPE {kind} USING {value}"


async def _key_name(connection: Connection, oid: int) -> str:
    found = await connection.fetchval("SELECT conname FROM pg_constraint WHERE conrelid = $1 AND contype = 'p'", oid)
    return str(found)
