"""Where the rows of a version are, as SQL."""

from __future__ import annotations

from collections.abc import Mapping

from guotu.model.collection import Collection
from guotu.model.schema import PLACE
from node.stores.postgis.catalogue import View
from node.stores.postgis.sql.types import table_columns
from node.stores.sql.conforming import read_as
from node.stores.sql.identifiers import ROWS, SINCE, UNTIL, column, quote
from node.stores.sql.parameters import Parameters


def source(
    view: View, collection: Collection, parameters: Parameters, alias: str = ROWS, *, ordered: bool = False
) -> str:
    """Return what stands after FROM: the rows of a version, with the columns of the collection and SINCE.

    `ordered` tells that they will be asked for in curve order: each table then gives its rows in it, by its index, so
    that they need only be merged.
    """
    generation = view.generation
    if view.head and generation.columns == table_columns(collection):
        return f"{quote(generation.current)} AS {alias}"
    columns = f"{conformed(collection, generation.columns)}, {SINCE}"
    order = f" ORDER BY {quote(PLACE)}, {quote(collection.key)}" if ordered else ""
    return f"({rows_of(view, columns, parameters, order)}) AS {alias}"


def rows_of(view: View, columns: str, parameters: Parameters, order: str = "") -> str:
    """Return a query of columns of a version's tables; where these are two, each has its rows in an order.

    The newest of a generation is its current table. An older one is what had come by then of that and of history.
    """
    generation = view.generation
    current = f"SELECT {columns} FROM {quote(generation.current)}"  # noqa: S608 (names are quoted)
    if view.head:
        return current
    version = parameters.bind(view.version, "bigint")
    had = f"{SINCE} <= {version}"
    history = f"SELECT {columns} FROM {quote(generation.history)} WHERE {had} AND {UNTIL} > {version}"  # noqa: S608
    return f"({current} WHERE {had}{order}) UNION ALL ({history}{order})"


def curve_order(key: str, rows: str = ROWS) -> str:
    """Return what rows are sorted by to be in curve order."""
    return f"{column(PLACE, rows)}, {column(key, rows)}"


def conformed(collection: Collection, columns: Mapping[str, str]) -> str:
    """Return the columns of a collection, taken from a table that may have been made by an older definition."""
    return read_as(collection, table_columns(collection), columns)
