"""A scan as SQL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from guotu.model.collection import Collection
from guotu.model.grouping import require_field
from guotu.model.ports import Scan
from guotu.model.question import SortKey
from guotu.model.schema import columns_of, stored_schema
from node.stores.duckdb.catalogue import View
from node.stores.duckdb.sql.dialect import DUCKDB
from node.stores.duckdb.sql.near import Grid
from node.stores.duckdb.sql.source import curve_order, order_of, source
from node.stores.duckdb.sql.types import outgoing_column
from node.stores.sql.expressions import where_clause
from node.stores.sql.identifiers import column, quote
from node.stores.sql.parameters import Parameter, Parameters


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL text and its parameters."""

    text: str
    parameters: list[Parameter]


def scan_statement(view: View, collection: Collection, scan: Scan, grid: Grid | None = None) -> Statement:
    """Return the statement of a scan: columns in the order asked for, rows in their order unless sorted or near.

    `grid` is that of a scan near of boxes; its cells must be known to the engine by the name CELLS.

    Raises:
        UnknownField: the collection has no such column.
        InvalidFilter: a literal does not suit its field.
    """
    parameters = Parameters()
    columns = ", ".join(outgoing_column(collection, name) for name in columns_of(collection, scan.fields))
    text = f"SELECT {columns} FROM {source(view, collection, parameters)}"  # noqa: S608 (names are quoted)
    where = where_clause(DUCKDB, collection, scan.filter, parameters)
    if grid is not None:
        near = grid.condition(parameters)
        return Statement(f"{text}{where} AND {near}" if where else f"{text} WHERE {near}", parameters.values)
    text += where
    text += _order(collection, scan.sort) if scan.sort else _natural_order(view, collection, parameters)
    if scan.limit:
        text += f" LIMIT {parameters.bind(scan.limit, 'BIGINT')}"
    return Statement(text, parameters.values)


def stored_statement(view: View, collection: Collection) -> Statement:
    """Return the statement of all rows with all that is stored of them, in curve order."""
    parameters = Parameters()
    text = f"SELECT {stored_columns(collection)} FROM {source(view, collection, parameters)}"  # noqa: S608
    if not view.curved:
        text += f" ORDER BY {curve_order(collection.key)}"
    return Statement(text, parameters.values)


def keyed_statement(view: View, collection: Collection, keys: str, names: Sequence[str]) -> Statement:
    """Return the statement of columns of the rows whose key is in the table or view `keys`, by key."""
    parameters, key = Parameters(), quote(collection.key)
    columns = ", ".join(outgoing_column(collection, name) for name in names)
    text = (
        f"SELECT {columns} FROM {source(view, collection, parameters)} "  # noqa: S608
        f"WHERE {column(collection.key)} IN (SELECT {key} FROM {quote(keys)}) ORDER BY {column(collection.key)}"
    )
    return Statement(text, parameters.values)


def stored_columns(collection: Collection) -> str:
    """Return the columns of `guotu.model.schema.stored_schema` as they leave the store."""
    return ", ".join(outgoing_column(collection, name) for name in stored_schema(collection).names)


def _natural_order(view: View, collection: Collection, parameters: Parameters) -> str:
    return "" if view.ordered else f" ORDER BY {order_of(view, collection.key, parameters)}"


def _order(collection: Collection, keys: tuple[SortKey, ...]) -> str:
    """Sort in the columns' own types; the collection's key decides between equals."""
    ordered = [*keys, SortKey(collection.key)]
    terms = (
        f"{column(require_field(collection, key.field).name)} {'DESC' if key.descending else 'ASC'} NULLS LAST"
        for key in ordered
    )
    return f" ORDER BY {', '.join(terms)}"
