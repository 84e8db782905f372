"""What is done to tables for others, each step within the transaction of its caller."""

from __future__ import annotations

from dataclasses import replace

import structlog
from asyncpg import exceptions as pg

from guotu.model.collection import Collection
from guotu.model.errors import Conflict, StoreFailure
from node.stores.material import Brought, Progress, Release, TableName
from node.stores.postgis import catalogue
from node.stores.postgis.catalogue import Catalogue, View
from node.stores.postgis.connection import Connection
from node.stores.postgis.materialized import ledger, relation
from node.stores.postgis.materialized.comments import comment_columns, comment_table
from node.stores.postgis.materialized.layout import Layout
from node.stores.postgis.materialized.ledger import Entry
from node.stores.postgis.materialized.relation import quoted
from node.stores.postgis.materialized.reshape import reshape
from node.stores.postgis.materialized.rows import Counts, Target

_log = structlog.get_logger(__name__)


async def make(connection: Connection, name: TableName, release: Release, check: bool, progress: Progress) -> Brought:
    """Make the table of a dataset that has none, or whose table was dropped; see `node.stores.material`."""
    entry = await ledger.entry(connection, release.dataset)
    if entry is not None and entry.name != name:
        raise Conflict(
            detail=f"{release.dataset} 已物化为 {entry.name}，请先 has the table {entry.name} already; first: "
            f"guotu dematerialize {release.dataset}"
        )
    oid = await relation.oid_at(connection, name)
    if entry is not None and oid:
        return await bring(connection, release, progress, check)
    if others := [item for item in await ledger.entries(connection) if item.name == name and item != entry]:
        raise Conflict(
            detail=f"{name} 属于 {others[0].dataset}，请换一个名字，或先 is the table of {others[0].dataset}; "
            f"name another table, or first: guotu dematerialize {others[0].dataset}"
        )
    if oid:
        raise Conflict(
            detail=f"{name} 已存在且不是 guotu 所建，请换一个名字 exists and is not guotu's; name another table"
        )
    return await _create(connection, name, release, progress)


async def _create(connection: Connection, name: TableName, release: Release, progress: Progress) -> Brought:
    view = (await catalogue.read(connection)).view(release.dataset, release.version)
    layout = Layout.of(release.collection)
    await relation.make_schema(connection, name.schema)
    await connection.execute(f"CREATE TABLE {quoted(name)} ({layout.declared})")
    rows = await Target(connection, quoted(name), layout, release.collection, progress).fill(view)
    await relation.guard(connection, name)
    await _describe(connection, name, release.collection)
    oid = await relation.oid_at(connection, name)
    made = await _entry(connection, name, oid, layout, release, view)
    return await _enter(connection, made, release, Counts(rows), created=True)


async def bring(connection: Connection, release: Release, progress: Progress, check: bool = False) -> Brought:
    """Bring a dataset's table to a version; see `node.stores.material`."""
    entry = await ledger.entry(connection, release.dataset)
    if entry is None:
        raise StoreFailure(detail=f"{release.dataset} has no table")
    await relation.require_ours(connection, entry)
    known = await catalogue.read(connection)
    view = known.view(release.dataset, release.version)
    guarded = await relation.is_guarded(connection, entry.oid)
    layout = Layout.of(release.collection)
    after = await _entry(connection, entry.name, entry.oid, layout, release, view)
    settled = replace(entry, applied_ms=0, description=after.description) == after and guarded and not check
    if settled and entry.description == after.description:
        return Brought(entry.material)
    target = Target(connection, quoted(entry.name), layout, release.collection, progress)
    if settled:
        counts = Counts()
    elif layout != entry.layout:
        await reshape(target, entry)
        counts = await target.compare(view)
    elif check or not guarded:
        counts = await target.compare(view)
    else:
        counts = await _follow(target, entry, await _before(connection, entry, known, view), view)
    if not guarded:
        _log.warning("material_guard_restored", table=str(entry.name), dataset=entry.dataset)
        await relation.guard(connection, entry.name)
    if release.description != entry.description:
        await _describe(connection, entry.name, release.collection)
    return await _enter(connection, after, release, counts)


async def _describe(connection: Connection, name: TableName, collection: Collection) -> None:
    """Tell what the columns are, and let those read who may by the collection's secrecy."""
    await comment_columns(connection, name, collection)
    await relation.open_to_readers(connection, name, collection.classification)


async def _follow(target: Target, entry: Entry, before: View | None, view: View) -> Counts:
    """Bring rows from the version that the table shows to another, by what changed if the store can tell that."""
    if before is None:
        return await target.compare(view)
    counts = await target.follow(before, view)
    if entry.rows + counts.inserted - counts.deleted == view.rows:
        return counts
    # Somebody has got round the guard.
    _log.warning("material_was_changed_by_others", table=str(entry.name), dataset=entry.dataset)
    more = await target.compare(view)
    return Counts(counts.inserted + more.inserted, counts.updated + more.updated, counts.deleted + more.deleted)


async def _before(connection: Connection, entry: Entry, known: Catalogue, view: View) -> View | None:
    """Return where the rows are that the table shows, if what has changed since then can be read from the store.

    A version that is no longer readable, or another of its number, or one whose rows were put right, tells it no more.
    """
    if entry.version >= view.version or (entry.dataset, entry.version) not in known.readable:
        return None
    before = known.view(entry.dataset, entry.version)
    mark = await catalogue.mark(connection, (entry.dataset, entry.version))
    same = (entry.mark, entry.mends) == (mark, view.generation.mends)
    return before if same and before.generation.name == view.generation.name else None


async def _entry(
    connection: Connection, name: TableName, oid: int, layout: Layout, release: Release, view: View
) -> Entry:
    """Return the entry of a table that shows a version."""
    mark = await catalogue.mark(connection, (release.dataset, release.version))
    return Entry(
        release.dataset, name, oid, layout, release.version, mark, view.generation.mends, release.manifest,
        release.description, view.rows,
    )  # fmt: skip


async def _enter(
    connection: Connection, entry: Entry, release: Release, counts: Counts, *, created: bool = False
) -> Brought:
    await comment_table(connection, entry.name, release)
    await ledger.enter(connection, entry)
    noted = await ledger.entry(connection, entry.dataset)
    material = (noted or entry).material
    return Brought(material, created, counts.inserted, counts.updated, counts.deleted)


async def drop(connection: Connection, dataset: str) -> None:
    """Drop the table of a dataset and forget it; see `node.stores.material`."""
    entry = await ledger.entry(connection, dataset)
    if entry is None:
        return
    refused: Conflict | None = None
    if await relation.oid_at(connection, entry.name) == entry.oid:
        await connection.execute(f"SET LOCAL lock_timeout = '{relation.HOLD_LOCK}'")
        try:
            async with connection.transaction():
                await connection.execute(f"DROP TABLE {quoted(entry.name)}")
        except pg.DependentObjectsStillExistError:
            refused = await relation.blocked_by(connection, entry, "不能删除 cannot drop")
    if refused is not None:
        raise refused
    await ledger.strike_out(connection, dataset)
