"""A scan as SQL."""

from __future__ import annotations

from dataclasses import dataclass

from guotu.model.collection import Collection
from guotu.model.grouping import require_field
from guotu.model.ports import Scan
from guotu.model.question import SortKey
from guotu.model.schema import columns_of
from node.stores.duckdb.sql.expressions import where_clause
from node.stores.duckdb.sql.identifiers import ROWS, column, quote
from node.stores.duckdb.sql.parameters import Parameter, Parameters
from node.stores.duckdb.sql.types import outgoing_column


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL text and its parameters."""

    text: str
    parameters: list[Parameter]


def scan_statement(table: str, collection: Collection, scan: Scan) -> Statement:
    """Return the statement of a scan: columns in the order asked for, rows in stored order unless sorted.

    Raises:
        UnknownField: the collection has no such column.
        InvalidFilter: a literal does not suit its field.
    """
    parameters = Parameters()
    columns = ", ".join(outgoing_column(collection, name) for name in columns_of(collection, scan.fields))
    text = f"SELECT {columns} FROM {quote(table)} AS {ROWS}"  # noqa: S608 (names are quoted)
    text += where_clause(collection, scan.filter, parameters)
    text += _order(collection, scan.sort)
    if scan.limit:
        text += f" LIMIT {parameters.bind(scan.limit, 'BIGINT')}"
    return Statement(text, parameters.values)


def _order(collection: Collection, keys: tuple[SortKey, ...]) -> str:
    """Sort in the columns' own types; the collection's key decides between equals."""
    if not keys:
        return ""
    ordered = [*keys, SortKey(collection.key)]
    terms = (
        f"{column(require_field(collection, key.field).name)} {'DESC' if key.descending else 'ASC'} NULLS LAST"
        for key in ordered
    )
    return f" ORDER BY {', '.join(terms)}"
