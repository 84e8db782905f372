"""Putting rows of a version right."""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from guotu.model.collection import Collection
from guotu.model.errors import UnknownVersion
from guotu.model.ports import Rows
from guotu.model.schema import HASH, stored_schema
from node.stores.entry import UNORDERED
from node.stores.postgis import catalogue, generations
from node.stores.postgis.activation import prune
from node.stores.postgis.catalogue import Generation, View
from node.stores.postgis.connection import Connection
from node.stores.postgis.incoming import copy_in
from node.stores.postgis.sql.parameters import PgParameters
from node.stores.postgis.sql.source import curve_order, rows_of
from node.stores.postgis.sql.types import declared
from node.stores.sql.identifiers import ROWS, SINCE, UNTIL, column, listed, quote

_RIGHT = "guotu_right"
"""Temporary table of the rows as they should be."""


async def mend(connection: Connection, dataset: str, version: int, collection: Collection, rows: Rows) -> None:
    """Put rows right from the version on in which they came to be; versions before it stay as they are.

    Raises:
        UnknownVersion: it is not the newest readable version.
        StoreFailure: two rows have one key.
        DrawingFault: `rows` raised something.
    """
    known = await catalogue.read(connection)
    view = known.view(dataset, version)
    if any(key[0] == dataset and key[1] > version for key in known.readable):
        raise UnknownVersion(dataset=dataset, version=version)
    await _draw(connection, view, collection, rows)
    await _part(connection, view.generation)
    await _replace(connection, view.generation)
    await _settle(connection, view)


async def _draw(connection: Connection, view: View, collection: Collection, rows: Rows) -> None:
    """Take the rows into a temporary table; a row without a version came to be in this one."""
    known = stored_schema(collection).names
    columns = {name: kind for name, kind in view.generation.columns.items() if name in known} | {SINCE: "bigint"}
    all_columns = {**view.generation.columns, SINCE: "bigint"}
    names = [f"{quote(name)} {declared(kind)}" for name, kind in all_columns.items()]
    await connection.execute(f"CREATE TEMP TABLE {_RIGHT} ({', '.join(names)}) ON COMMIT DROP")

    def prepared(batch: pa.RecordBatch) -> pa.RecordBatch:
        since = batch.column(SINCE)
        right = pc.min_element_wise(pc.fill_null(since, view.version), view.version)
        return batch.set_column(batch.schema.get_field_index(SINCE), SINCE, right.cast(pa.int64()))

    await copy_in(connection, _RIGHT, columns, rows, prepared)
    await generations.refuse_twins(connection, _RIGHT, collection.key)
    await connection.execute(f"ANALYZE {_RIGHT}")


async def _part(connection: Connection, generation: Generation) -> None:
    """Let what was there end where the right rows begin."""
    same = f"{column(generation.key)} = {column(generation.key, 'r')}"
    later = f"{same} AND {ROWS}.{SINCE} >= r.{SINCE}"
    for table in map(quote, (generation.current, generation.history)):
        await connection.execute(f"DELETE FROM {table} AS {ROWS} USING {_RIGHT} AS r WHERE {later}")  # noqa: S608
    history, columns = quote(generation.history), listed([*generation.columns, SINCE])
    ended = f"{same} AND {ROWS}.{UNTIL} > r.{SINCE}"
    await connection.execute(f"UPDATE {history} AS {ROWS} SET {UNTIL} = r.{SINCE} FROM {_RIGHT} AS r WHERE {ended}")  # noqa: S608
    mine = listed([*generation.columns, SINCE], column)
    gone = f"DELETE FROM {quote(generation.current)} AS {ROWS} USING {_RIGHT} AS r WHERE {same} RETURNING {mine}, r.{SINCE} AS {UNTIL}"  # noqa: S608, E501
    moved = f"INSERT INTO {history} ({columns}, {UNTIL}) SELECT * FROM gone"  # noqa: S608 (names are quoted)
    await connection.execute(f"WITH gone AS ({gone}) {moved}")


async def _replace(connection: Connection, generation: Generation) -> None:
    """Put the right rows beside the others: whatever came to be before the newest version is then out of order."""
    columns = listed([*generation.columns, SINCE])
    right = f"SELECT {columns} FROM {_RIGHT} AS {ROWS} WHERE {column(HASH)} IS NOT NULL"  # noqa: S608 (names are quoted)
    order = curve_order(generation.key)
    added = await generations.append(connection, generation, right, order, PgParameters())
    base = UNORDERED if added else generation.base
    await connection.execute("UPDATE generations SET mends = mends + 1 WHERE name = $1", generation.name)
    await generations.note(connection, await generations.counted(connection, replace(generation, base=base)))


async def _settle(connection: Connection, view: View) -> None:
    """Drop what no readable version needs, and count the rows of each anew."""
    known = await catalogue.read(connection)
    versions = known.versions_of(view.generation.name)
    for above, version in zip([-1, *versions], versions, strict=False):
        await prune(connection, view.generation, above, version)
        parameters = PgParameters()
        at = known.view(view.generation.dataset, version)
        counted = f"SELECT count(*) FROM ({rows_of(at, SINCE, parameters)}) AS {ROWS}"  # noqa: S608 (names are quoted)
        entry = known.readable[view.generation.dataset, version]
        await catalogue.set_rows(connection, entry, await connection.fetchval(counted, *parameters.values))
