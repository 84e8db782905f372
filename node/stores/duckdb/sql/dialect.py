"""What DuckDB says in its own way of filters."""

from __future__ import annotations

from node.stores.duckdb.sql.types import sql_type
from node.stores.sql.expressions import Dialect
from node.stores.sql.spatial import SpatialDialect


def _member(column: str, array: str) -> str:
    """The engine hashes the list: 60,000 values plan in a tenth of a second."""
    return f"({column} IN (SELECT unnest({array})))"


DUCKDB = Dialect(sql_type, _member, SpatialDialect("DOUBLE", "BLOB"))
