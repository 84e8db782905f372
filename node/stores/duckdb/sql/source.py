"""Where the rows of a version are, as SQL."""

from __future__ import annotations

from collections.abc import Mapping

from guotu.model.collection import Collection
from node.stores.duckdb.catalogue import View
from node.stores.duckdb.sql.identifiers import ROWS, SINCE, UNTIL, quote
from node.stores.duckdb.sql.parameters import Parameters
from node.stores.duckdb.sql.types import table_columns


def source(view: View, collection: Collection, parameters: Parameters, alias: str = ROWS) -> str:
    """Return what stands after FROM: the rows of a version, with the columns of the collection."""
    generation = view.generation
    if view.head and generation.columns == table_columns(collection):
        return f"{quote(generation.current)} AS {alias}"
    return f"({rows_of(view, conformed(collection, generation.columns), parameters)}) AS {alias}"


def rows_of(view: View, columns: str, parameters: Parameters) -> str:
    """Return a query of columns of a version's tables.

    The newest of a generation is its current table; an older one is what stayed of it there, and what went to history.
    """
    current, history = quote(view.generation.current), quote(view.generation.history)
    if view.head:
        return f"SELECT {columns} FROM {current}"  # noqa: S608 (names are quoted)
    version = parameters.bind(view.version, "BIGINT")
    had = f"WHERE {SINCE} <= {version}"
    stayed = f"SELECT {columns} FROM {current} {had}"  # noqa: S608 (names are quoted)
    return f"{stayed} UNION ALL SELECT {columns} FROM {history} {had} AND {UNTIL} > {version}"  # noqa: S608


def conformed(collection: Collection, columns: Mapping[str, str]) -> str:
    """Return the columns of a collection, taken from a table that may have been made by an older definition.

    A field is its column, or else the one it was renamed from, or else null; another type is cast.
    """
    before = {field.name: field.renamed_from for field in collection.fields}
    return ", ".join(
        f"{_value(name if name in columns else before.get(name, ''), kind, columns)} AS {quote(name)}"
        for name, kind in table_columns(collection).items()
    )


def _value(name: str, kind: str, columns: Mapping[str, str]) -> str:
    present = columns.get(name)
    if present is None:
        return f"NULL::{kind}"
    return quote(name) if present == kind else f"{quote(name)}::{kind}"
