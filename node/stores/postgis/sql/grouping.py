"""An aggregation as SQL."""

from __future__ import annotations

from guotu.model.bins import edges_of
from guotu.model.collection import Collection, Field, FieldType
from guotu.model.division import prefix_length
from guotu.model.errors import InvalidQuestion
from guotu.model.grouping import DOUBLE_SUM_DECIMALS, division_level, require_field, sum_decimals
from guotu.model.ports import Grouping
from guotu.model.question import Aggregate, AggregateFunction
from node.stores.postgis.catalogue import View
from node.stores.postgis.sql.dialect import where_clause
from node.stores.postgis.sql.parameters import PgParameters
from node.stores.postgis.sql.retrieval import Statement
from node.stores.postgis.sql.source import source
from node.stores.postgis.sql.types import outgoing, sql_type
from node.stores.sql.bins import bin_sql
from node.stores.sql.identifiers import column

_OF_BOOLEANS = {AggregateFunction.MIN: "bool_and", AggregateFunction.MAX: "bool_or"}


def grouping_statement(view: View, collection: Collection, grouping: Grouping) -> Statement:
    """Return the statement of an aggregation; of too many groups it returns one more than allowed. Sums are texts.

    Raises:
        UnknownField: the collection has no such field.
        InvalidFilter: a literal does not suit its field.
        InvalidQuestion: a level or a function does not suit the collection or the store.
    """
    parameters = PgParameters()
    keys = [_key(collection, name) for name in grouping.group_by]
    if grouping.bins is not None:
        field = require_field(collection, grouping.bins.field)
        keys.insert(0, bin_sql(sql_type, field, edges_of(grouping.bins, field), parameters))
    values = [_value(collection, item) for item in grouping.aggregates]
    text = f"SELECT {', '.join(keys + values)} FROM {source(view, collection, parameters)}"  # noqa: S608 (names are quoted)
    text += where_clause(collection, grouping.filter, parameters)
    if keys:
        places = ", ".join(str(place) for place in range(1, len(keys) + 1))
        text += f" GROUP BY {places} LIMIT {parameters.bind(grouping.max_groups + 1, 'bigint')}"
    return Statement(text, parameters.values)


def _key(collection: Collection, name: str) -> str:
    """Return a group column. A level is the prefix of the code, filled up with zeros."""
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
    name = _OF_BOOLEANS[function] if field.type is FieldType.BOOLEAN else str(function)
    return outgoing(field, f"{name}({column(field.name)})")


def _exact_sum(field: Field) -> str:
    """Return a sum that does not depend on the order of rows: decimals are added, never doubles."""
    kind = f"numeric(38,{sum_decimals(field)})"
    if field.type is not FieldType.DOUBLE:
        return f"sum({column(field.name)})::{kind}::text"
    billionth = f"0.{'0' * (DOUBLE_SUM_DECIMALS - 1)}1"
    return f"(sum({_billionths(column(field.name))}) * {billionth})::{kind}::text"


def _billionths(operand: str) -> str:
    """Return a double as a whole number of billionths, half away from zero, as DuckDB makes a decimal of it.

    PostgreSQL's own cast keeps 15 digits only. From 2^53 on, a double is whole already; it is put together of three
    parts, each of which a bigint holds. What is not finite is out of range.
    """
    number = f"({operand} * 1e{DOUBLE_SUM_DECIMALS}::double precision)"
    away = f"CASE WHEN abs({number} - trunc({number})) >= 0.5 THEN sign({number}) ELSE 0 END"
    high = f"trunc({number} / {2**64}::double precision)"
    rest = f"({number} - {high} * {2**64}::double precision)"
    middle = f"trunc({rest} / {2**32}::double precision)"
    low = f"({rest} - {middle} * {2**32}::double precision)"
    parts = f"{high}::bigint * {2**64}::numeric + {middle}::bigint * {2**32}::numeric + {low}::bigint"
    small = f"(trunc({number}) + {away})::bigint::numeric"
    return f"CASE WHEN abs({number}) < {2**53}::double precision THEN {small} ELSE {parts} END"
