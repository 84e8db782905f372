"""An aggregation as SQL."""

from __future__ import annotations

from guotu.model.bins import edges_of
from guotu.model.collection import Collection, Field, FieldType
from guotu.model.division import prefix_length
from guotu.model.errors import InvalidQuestion
from guotu.model.grouping import division_level, require_field, sum_decimals
from guotu.model.ports import Grouping
from guotu.model.question import Aggregate, AggregateFunction
from node.stores.duckdb.catalogue import View
from node.stores.duckdb.sql.dialect import DUCKDB
from node.stores.duckdb.sql.retrieval import Statement
from node.stores.duckdb.sql.source import source
from node.stores.duckdb.sql.types import outgoing, sql_type
from node.stores.sql.bins import bin_sql
from node.stores.sql.expressions import where_clause
from node.stores.sql.identifiers import column
from node.stores.sql.parameters import Parameters


def grouping_statement(view: View, collection: Collection, grouping: Grouping) -> Statement:
    """Return the statement of an aggregation; of too many groups it returns one more than allowed.

    Raises:
        UnknownField: the collection has no such field.
        InvalidFilter: a literal does not suit its field.
        InvalidQuestion: a level or a function does not suit the collection or the store.
    """
    parameters = Parameters()
    keys = [_key(collection, name) for name in grouping.group_by]
    if grouping.bins is not None:
        field = require_field(collection, grouping.bins.field)
        keys.insert(0, bin_sql(sql_type, field, edges_of(grouping.bins, field), parameters))
    values = [_value(collection, item) for item in grouping.aggregates]
    text = f"SELECT {', '.join(keys + values)} FROM {source(view, collection, parameters)}"  # noqa: S608 (names are quoted)
    text += where_clause(DUCKDB, collection, grouping.filter, parameters)
    if keys:
        places = ", ".join(str(place) for place in range(1, len(keys) + 1))
        text += f" GROUP BY {places} LIMIT {parameters.bind(grouping.max_groups + 1, 'BIGINT')}"
    return Statement(text, parameters.values)


def _key(collection: Collection, name: str) -> str:
    """Return a group column.

    A level is the prefix of the code, filled up with zeros; `left` over the code and six zeros is that, and seven times
    faster than `rpad`.
    """
    level = division_level(collection, name)
    if level is None:
        return outgoing(require_field(collection, name), column(name))
    return f"left(left({column(collection.division_field)}, {prefix_length(level)}) || '000000', 6)"


def _value(collection: Collection, aggregate: Aggregate) -> str:
    """Return an aggregate column."""
    function = aggregate.function
    if function is AggregateFunction.COUNT and not aggregate.field:
        return "count(*)"
    field = require_field(collection, aggregate.field)
    if function is AggregateFunction.SUM:
        return _exact_sum(field)
    if function is AggregateFunction.COUNT:
        return f"count({column(field.name)})"
    if function is AggregateFunction.AVG:
        detail = "stores give sums and counts, from which a mean is exact"
        raise InvalidQuestion(part="aggregates", detail=detail)
    return outgoing(field, f"{function}({column(field.name)})")


def _exact_sum(field: Field) -> str:
    """Return a sum that does not depend on the order of rows: decimals are added, never doubles."""
    exact = f"DECIMAL(38,{sum_decimals(field)})"
    operand = column(field.name)
    if field.type is FieldType.DOUBLE:
        operand = f"{operand}::{exact}"
    return f"sum({operand})::{exact}"
