"""A scan as SQL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from guotu.model.collection import Collection
from guotu.model.grouping import require_field
from guotu.model.ports import Scan
from guotu.model.question import SortKey
from guotu.model.schema import columns_of, stored_schema
from node.stores.postgis.catalogue import View
from node.stores.postgis.sql.dialect import where_clause
from node.stores.postgis.sql.near import near_condition
from node.stores.postgis.sql.parameters import PgParameters
from node.stores.postgis.sql.source import curve_order, source
from node.stores.postgis.sql.types import outgoing_column, sql_type
from node.stores.sql.identifiers import ROWS, SINCE, column
from node.stores.sql.parameters import Parameter


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL text and its parameters."""

    text: str
    parameters: list[Parameter]


def scan_statements(view: View, collection: Collection, scan: Scan) -> list[Statement]:
    """Return the statements of a scan, whose rows come one after the other; of each at most the limit is wanted.

    Unless sorted, a version that is not its own base gives the rows of its base first: in a statement of their own,
    so that an index on their order can be followed.

    Raises:
        UnknownField: the collection has no such column.
        InvalidFilter: a literal does not suit its field.
    """
    if scan.near is not None:
        return [_near_statement(view, collection, scan, scan.near)]
    if scan.sort:
        return [_scan_statement(view, collection, scan, _order(collection, scan.sort))]
    order = f" ORDER BY {curve_order(collection.key)}"
    if view.version == view.base:
        return [_scan_statement(view, collection, scan, order)]
    return [_scan_statement(view, collection, scan, order, sign) for sign in ("<=", ">")]


def _scan_statement(view: View, collection: Collection, scan: Scan, order: str, sign: str = "") -> Statement:
    parameters = PgParameters()
    columns = ", ".join(outgoing_column(collection, name) for name in columns_of(collection, scan.fields))
    rows = source(view, collection, parameters, ordered=not scan.sort)
    text = f"SELECT {columns} FROM {rows}"  # noqa: S608 (names are quoted)
    where = where_clause(collection, scan.filter, parameters)
    if sign:
        where += f"{' AND' if where else ' WHERE'} {ROWS}.{SINCE} {sign} {parameters.bind(view.base, 'bigint')}"
    limit = f" LIMIT {parameters.bind(scan.limit, 'bigint')}" if scan.limit else ""
    return Statement(f"{text}{where}{order}{limit}", parameters.values)


def _near_statement(view: View, collection: Collection, scan: Scan, boxes: NDArray[np.float64]) -> Statement:
    parameters = PgParameters()
    columns = ", ".join(outgoing_column(collection, name) for name in columns_of(collection, scan.fields))
    text = f"SELECT {columns} FROM {source(view, collection, parameters)}"  # noqa: S608 (names are quoted)
    where = where_clause(collection, scan.filter, parameters)
    near = near_condition(boxes, parameters)
    return Statement(f"{text}{where} AND {near}" if where else f"{text} WHERE {near}", parameters.values)


def stored_statement(view: View, collection: Collection) -> Statement:
    """Return the statement of all rows with all that is stored of them, in curve order."""
    parameters = PgParameters()
    columns = ", ".join(outgoing_column(collection, name) for name in stored_schema(collection).names)
    rows = source(view, collection, parameters, ordered=True)
    return Statement(f"SELECT {columns} FROM {rows} ORDER BY {curve_order(collection.key)}", parameters.values)  # noqa: S608


def keyed_statement(view: View, collection: Collection, keys: pa.Array, names: Sequence[str]) -> Statement:
    """Return the statement of columns of the rows with these keys, by key."""
    parameters, key = PgParameters(), require_field(collection, collection.key)
    columns = ", ".join(outgoing_column(collection, name) for name in names)
    rows = source(view, collection, parameters)
    wanted = parameters.bind(keys.to_pylist(), f"{sql_type(key)}[]")
    text = f"SELECT {columns} FROM {rows} WHERE {column(key.name)} = ANY ({wanted}) ORDER BY {column(key.name)}"  # noqa: S608
    return Statement(text, parameters.values)


def _order(collection: Collection, keys: tuple[SortKey, ...]) -> str:
    """Sort in the columns' own types; the collection's key decides between equals."""
    ordered = [*keys, SortKey(collection.key)]
    terms = (
        f"{column(require_field(collection, key.field).name)} {'DESC' if key.descending else 'ASC'} NULLS LAST"
        for key in ordered
    )
    return f" ORDER BY {', '.join(terms)}"
