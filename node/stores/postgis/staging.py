"""Loading out of sight: a whole version, or what changed."""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa

from guotu.model.collection import Collection
from guotu.model.errors import StoreFailure
from guotu.model.ports import Rows
from guotu.model.rebase import is_own_base
from guotu.model.schema import HASH
from node.stores.arrival import Arrival
from node.stores.entry import UNORDERED, Entry
from node.stores.postgis import catalogue, generations
from node.stores.postgis.catalogue import View
from node.stores.postgis.connection import Connection
from node.stores.postgis.incoming import copy_in
from node.stores.postgis.sql.parameters import PgParameters
from node.stores.postgis.sql.source import source
from node.stores.postgis.sql.types import table_columns
from node.stores.sql.identifiers import SINCE, column, quote


async def stage(connection: Connection, dataset: str, version: int, collection: Collection, rows: Rows) -> int:
    """Load a version into tables of its own; returns its rows.

    Raises:
        StoreFailure: two rows have one key.
        DrawingFault: `rows` raised something.
    """
    columns, arrival = table_columns(collection), Arrival(collection.key)
    generation = generations.new(dataset, collection.key, columns)
    await generations.create(connection, generation)

    def prepared(batch: pa.RecordBatch) -> pa.RecordBatch:
        arrival.look(batch)
        return batch.append_column(SINCE, pa.repeat(pa.scalar(version, pa.int64()), batch.num_rows))

    count = await copy_in(connection, generation.current, columns | {SINCE: "bigint"}, rows, prepared)
    await generations.finish_current(connection, generation)
    await generations.enter(connection, replace(generation, base=version if arrival.ordered else UNORDERED))
    await catalogue.add(connection, Entry(dataset, version, count, generation.name, base=version))
    return count


async def stage_change(
    connection: Connection, before: View, collection: Collection, changes: Rows, rebase: bool
) -> int:
    """Load what turns a version into the next, which is its own base if `rebase`; returns the rows of the latter.

    Raises:
        StoreFailure: two changes have one key, or the definition is not that of the version before.
        DrawingFault: `changes` raised something.
    """
    generation, version, columns = before.generation, before.version + 1, table_columns(collection)
    if (generation.key, generation.columns) != (collection.key, columns):
        raise StoreFailure(detail=f"{generation.dataset}@{version} has other columns than the version before it")
    table = generations.fresh_table("change")
    await generations.create_table(connection, table, generation)
    count = await copy_in(connection, table, columns, changes)
    await generations.refuse_twins(connection, table, collection.key)
    await connection.execute(f"ANALYZE {quote(table)}")
    rows = await _rows_after(connection, before, collection, table)
    entry = Entry(generation.dataset, version, rows, change=table, base=version)
    since = before.changes + count
    if not rebase and not is_own_base(since, rows):
        entry = replace(entry, base=before.base, changes=since)
    await catalogue.add(connection, entry)
    return rows


async def _rows_after(connection: Connection, before: View, collection: Collection, table: str) -> int:
    upserts = await connection.fetchval(f"SELECT count({quote(HASH)}) FROM {quote(table)}")  # noqa: S608 (quoted)
    parameters = PgParameters()
    replaced = (
        f"SELECT count(*) FROM {source(before, collection, parameters)} "  # noqa: S608 (names are quoted)
        f"WHERE {column(collection.key)} IN (SELECT {quote(collection.key)} FROM {quote(table)})"
    )
    return int(before.rows + upserts - await connection.fetchval(replaced, *parameters.values))
