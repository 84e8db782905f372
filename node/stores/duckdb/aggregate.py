"""Aggregations: one table of groups."""

from __future__ import annotations

import duckdb
import pyarrow as pa

from guotu.model.collection import Collection
from guotu.model.errors import TooLarge, UnknownVersion
from guotu.model.grouping import grouping_schema
from guotu.model.ports import Grouping
from node.stores.duckdb.connection import Cursor
from node.stores.duckdb.failures import engine_faults
from node.stores.duckdb.sql.grouping import grouping_statement
from node.stores.duckdb.sql.retrieval import Statement
from node.stores.duckdb.tables import VersionTable


class Groups:
    """One aggregation, checked and ready to run.

    Raises:
        UnknownField, InvalidFilter, InvalidQuestion: the grouping does not suit the collection.
    """

    def __init__(self, table: VersionTable, collection: Collection, grouping: Grouping) -> None:
        self._table = table
        self._grouping = grouping
        self._schema = grouping_schema(collection, grouping.group_by, grouping.aggregates)
        self._statement = grouping_statement(table.name, collection, grouping)

    def run(self, cursor: Cursor) -> pa.Table:
        """Return the groups; runs in a thread.

        Raises:
            UnknownVersion: the version was dropped in the meantime.
            TooLarge: more groups than allowed.
            StoreFailure: the engine failed.
        """
        with engine_faults(f"aggregating {self._table.dataset}@{self._table.version}"):
            groups = _run(cursor, self._statement, self._table)
        most = self._grouping.max_groups
        if self._grouping.group_by and groups.num_rows > most:
            raise TooLarge(what="groups", size=f"> {most}", limit=most)
        return pa.Table.from_arrays(groups.columns, schema=self._schema)


def _run(cursor: Cursor, statement: Statement, table: VersionTable) -> pa.Table:
    try:
        cursor.execute(statement.text, statement.parameters)
    except duckdb.CatalogException:
        raise UnknownVersion(dataset=table.dataset, version=table.version) from None
    return cursor.to_arrow_table()
