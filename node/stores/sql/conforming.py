"""Rows of a table that may have been made by an older definition, read as a newer one has them."""

from __future__ import annotations

from collections.abc import Mapping

from guotu.model.collection import Collection
from node.stores.sql.identifiers import quote


def read_as(collection: Collection, wanted: Mapping[str, str], columns: Mapping[str, str]) -> str:
    """Return the columns `wanted` of a collection's rows, out of a table that has `columns`; both with their types.

    A field is its column, or else the one it was renamed from, or else null; another type is cast.
    """
    before = {field.name: field.renamed_from for field in collection.fields}
    return ", ".join(
        f"{_value(name if name in columns else before.get(name, ''), kind, columns)} AS {quote(name)}"
        for name, kind in wanted.items()
    )


def _value(name: str, kind: str, columns: Mapping[str, str]) -> str:
    present = columns.get(name)
    if present is None:
        return f"NULL::{kind}"
    return quote(name) if present == kind else f"{quote(name)}::{kind}"
