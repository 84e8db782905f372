"""Where the rows of a version are, as SQL."""

from __future__ import annotations

from collections.abc import Mapping

from guotu.model.collection import Collection
from guotu.model.schema import PLACE
from node.stores.duckdb.catalogue import View
from node.stores.duckdb.sql.types import table_columns
from node.stores.sql.conforming import read_as
from node.stores.sql.identifiers import ROWS, SINCE, UNTIL, column, quote
from node.stores.sql.parameters import Parameters


def source(view: View, collection: Collection, parameters: Parameters, alias: str = ROWS) -> str:
    """Return what stands after FROM: the rows of a version, with the columns of the collection and SINCE."""
    generation = view.generation
    if view.plain and generation.columns == table_columns(collection):
        return f"{quote(generation.current)} AS {alias}"
    columns = f"{conformed(collection, generation.columns)}, {SINCE}"
    return f"({rows_of(view, columns, parameters)}) AS {alias}"


def rows_of(view: View, columns: str, parameters: Parameters) -> str:
    """Return a query of columns of a version's tables.

    Those of the newest of a generation are in its current table, where no change has ended them; those of an older one
    are there or went to history since.
    """
    generation = view.generation
    current = f"SELECT {columns} FROM {quote(generation.current)}"  # noqa: S608 (names are quoted)
    if view.plain:
        return current
    if view.head:
        return f"{current} WHERE {UNTIL} IS NULL"
    version = parameters.bind(view.version, "BIGINT")
    had = f"WHERE {SINCE} <= {version} AND ({UNTIL} IS NULL OR {UNTIL} > {version})"
    if not view.scattered:
        return f"{current} {had}"
    return f"{current} {had} UNION ALL SELECT {columns} FROM {quote(generation.history)} {had}"  # noqa: S608


def order_of(view: View, key: str, parameters: Parameters) -> str:
    """Return what rows of a version, with the alias ROWS, are sorted by to be in its order."""
    if view.version == view.base:
        return curve_order(key)
    return f"{ROWS}.{SINCE} > {parameters.bind(view.base, 'BIGINT')}, {curve_order(key)}"


def curve_order(key: str) -> str:
    """Return what rows with the alias ROWS are sorted by to be in curve order."""
    return f"{column(PLACE)}, {column(key)}"


def conformed(collection: Collection, columns: Mapping[str, str]) -> str:
    """Return the columns of a collection, taken from a table that may have been made by an older definition."""
    return read_as(collection, table_columns(collection), columns)
