"""The filter tree as SQL: identifiers quoted, values as parameters, SQL's three-valued logic kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from guotu.model.collection import GEOMETRY, Collection, Field, FieldType
from guotu.model.errors import InvalidFilter, UnknownField
from guotu.model.expression import (
    Always,
    And,
    Between,
    Compare,
    CompareFields,
    Comparison,
    Expression,
    In,
    IsNull,
    Like,
    Not,
    Or,
    Scalar,
    Spatial,
    WithinDistance,
)
from guotu.model.grouping import require_field
from node.stores.sql.identifiers import column
from node.stores.sql.literals import NUMERIC, double, exact_number, misfit, plain
from node.stores.sql.numbers import exact_range, settle
from node.stores.sql.parameters import Parameters, Value
from node.stores.sql.spatial import SpatialDialect, spatial_sql


@dataclass(frozen=True, slots=True)
class Dialect:
    """What an engine says in its own way."""

    sql_type: Callable[[Field], str]
    """Type of a field's column."""
    member: Callable[[str, str], str]
    """Whether a column is among the values of an array: of both as SQL."""
    spatial: SpatialDialect


def where_clause(dialect: Dialect, collection: Collection, filter: Expression | None, parameters: Parameters) -> str:
    """Return " WHERE ..." for a filter, or nothing for none; adds its values to `parameters`.

    Raises:
        UnknownField: the collection has no such field.
        InvalidFilter: a literal does not suit its field.
    """
    if filter is None:
        return ""
    return f" WHERE {_Compiler(dialect, collection, parameters).sql(filter)}"


class _Compiler:
    """Compiles one tree. Every part comes out as something that AND, OR and NOT can take as it is."""

    def __init__(self, dialect: Dialect, collection: Collection, parameters: Parameters) -> None:
        self._dialect = dialect
        self._collection = collection
        self._parameters = parameters

    def sql(self, expression: Expression) -> str:
        match expression:
            case Compare(field, operator, value):
                return self._compare(require_field(self._collection, field), operator, value)
            case CompareFields(field, operator, other):
                return self._compare_fields(field, operator, other)
            case Between(field, low, high):
                bounds = Compare(field, Comparison.GE, low), Compare(field, Comparison.LE, high)
                return self.sql(And(bounds))
            case In(field, values):
                return self._in(require_field(self._collection, field), values)
            case Like(field, pattern):
                return self._like(require_field(self._collection, field), pattern)
            case IsNull(field):
                return self._is_null(field)
            case Spatial():
                return self._spatial(expression)
            case WithinDistance():
                raise InvalidFilter(where=GEOMETRY, detail="a distance is decided before a store is asked")
            case And(parts):
                return self._join(" AND ", parts, "TRUE")
            case Or(parts):
                return self._join(" OR ", parts, "FALSE")
            case Not(part):
                return f"(NOT {self.sql(part)})"
            case Always(value):
                return "TRUE" if value else "FALSE"

    def _join(self, word: str, parts: tuple[Expression, ...], empty: str) -> str:
        return f"({word.join(map(self.sql, parts))})" if parts else empty

    def _compare(self, field: Field, operator: Comparison, value: Scalar) -> str:
        literal: Value
        if field.type is FieldType.DOUBLE:
            literal = double(field, value)
        elif field.type in NUMERIC:
            settled = settle(operator, exact_number(field, value), exact_range(field))
            if isinstance(settled, bool):
                return _constant(field, settled)
            operator, literal = settled
        else:
            literal = plain(field, value)
        return f"({column(field.name)} {operator} {self._parameters.bind(literal, self._dialect.sql_type(field))})"

    def _compare_fields(self, name: str, operator: Comparison, other: str) -> str:
        left, right = require_field(self._collection, name), require_field(self._collection, other)
        if left.type is not right.type and not (left.type in NUMERIC and right.type in NUMERIC):
            detail = f"{left.name} is {left.type}, {right.name} is {right.type}"
            raise InvalidFilter(where=left.name, detail=detail)
        return f"({column(left.name)} {operator} {column(right.name)})"

    def _in(self, field: Field, values: tuple[Scalar, ...]) -> str:
        """A list travels as one parameter, which engines hash, and plan at once however long it is."""
        if not values:
            return "FALSE"
        held = self._held(field, values)
        if not held:
            return _constant(field, False)
        return self._dialect.member(column(field.name), self._array(held, field))

    def _array(self, values: list[Value], field: Field) -> str:
        return self._parameters.bind(values, f"{self._dialect.sql_type(field)}[]")

    def _held(self, field: Field, values: tuple[Scalar, ...]) -> list[Value]:
        """Return those values that a field can have."""
        if field.type is FieldType.DOUBLE:
            return [double(field, value) for value in values]
        if field.type not in NUMERIC:
            return [plain(field, value) for value in values]
        held = exact_range(field)
        settled = [settle(Comparison.EQ, exact_number(field, value), held) for value in values]
        return [item[1] for item in settled if not isinstance(item, bool)]

    def _like(self, field: Field, pattern: str) -> str:
        if field.type is not FieldType.TEXT:
            raise misfit(field, "a text field")
        plain(field, pattern)
        if (len(pattern) - len(pattern.rstrip("\\"))) % 2:
            raise InvalidFilter(where=field.name, detail="the pattern ends in the middle of an escape (\\)")
        # A pattern with an escape is matched ten times slower, so it is not declared where there is none.
        escape = " ESCAPE '\\'" if "\\" in pattern else ""
        return f"({column(field.name)} LIKE {self._parameters.bind(pattern, self._dialect.sql_type(field))}{escape})"

    def _is_null(self, name: str) -> str:
        if not (name == GEOMETRY and self._collection.has_geometry):
            require_field(self._collection, name)
        return f"({column(name)} IS NULL)"

    def _spatial(self, spatial: Spatial) -> str:
        if not self._collection.has_geometry:
            known = ", ".join(self._collection.column_names)
            raise UnknownField(field=GEOMETRY, collection=self._collection.id, known=known)
        return spatial_sql(self._dialect.spatial, spatial, self._parameters)


def _constant(field: Field, outcome: bool) -> str:
    """Return a comparison that comes out the same for every value, and null for null."""
    if outcome:
        return f"({column(field.name)} IS NOT NULL OR NULL::BOOLEAN)"
    return f"({column(field.name)} IS NULL AND NULL::BOOLEAN)"
