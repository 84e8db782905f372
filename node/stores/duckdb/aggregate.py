"""Aggregations: one table of groups."""

from __future__ import annotations

import pyarrow as pa

from guotu.model.collection import Collection
from guotu.model.errors import TooLarge
from guotu.model.grouping import grouping_schema
from guotu.model.ports import Grouping
from node.stores.duckdb.catalogue import View
from node.stores.duckdb.connection import Cursor
from node.stores.duckdb.sql.grouping import grouping_statement


def aggregate(cursor: Cursor, view: View, collection: Collection, grouping: Grouping) -> pa.Table:
    """Return the groups of an aggregation; runs in a thread.

    Raises:
        UnknownField, InvalidFilter, InvalidQuestion: the grouping does not suit the collection.
        TooLarge: more groups than allowed.
    """
    schema = grouping_schema(collection, grouping.group_by, grouping.aggregates, grouping.bins)
    statement = grouping_statement(view, collection, grouping)
    groups = cursor.execute(statement.text, statement.parameters).to_arrow_table()
    most = grouping.max_groups
    if grouping.group_by and groups.num_rows > most:
        raise TooLarge(what="groups", size=f"> {most}", limit=most)
    return pa.Table.from_arrays(groups.columns, schema=schema)
