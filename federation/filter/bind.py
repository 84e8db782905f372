"""The CQL2 JSON tree, bound to a collection: names and types are checked once, here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from federation.filter.grammar import MAX_DEPTH, MAX_TERMS
from federation.filter.literals import bind_geometry, bind_literal, bind_text, shown
from federation.filter.text import parse_filter
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
    Spatial,
    SpatialRelation,
    WithinDistance,
)
from guotu.model.surroundings import MAX_DISTANCE_M, surroundings

_MIRRORED = {"=": "=", "<>": "<>", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
_CONVERSE = {
    SpatialRelation.INTERSECTS: SpatialRelation.INTERSECTS,
    SpatialRelation.DISJOINT: SpatialRelation.DISJOINT,
    SpatialRelation.WITHIN: SpatialRelation.CONTAINS,
    SpatialRelation.CONTAINS: SpatialRelation.WITHIN,
}
_GEOMETRY_TAKES = "几何只能用于 a geometry takes S_INTERSECTS, S_WITHIN, S_CONTAINS, S_DISJOINT or S_DWITHIN"
MAX_DISTANCES = 16
"""Most S_DWITHIN of a filter: each costs a look at the rows of its own."""
_TEMPORAL = {"t_after": ">", "t_before": "<", "t_equals": "="}


def bind_filter(text: str, collection: Collection) -> Expression:
    """Return the expression that CQL2 text or JSON means for a collection.

    Raises:
        InvalidFilter: it does not parse, an operator is not known or a literal has the wrong type (says where).
        UnknownField: it names a field that the collection does not have.
        TooLarge: it is longer than MAX_FILTER_BYTES.
    """
    try:
        return _Binder(collection).bind(parse_filter(text), 0)
    except RecursionError as failure:
        raise InvalidFilter(where="line 1", detail=f"嵌套过深 nested deeper than {MAX_DEPTH}") from failure


class _Binder:
    """Binds one tree; `where` in errors is the part of the filter meant."""

    def __init__(self, collection: Collection) -> None:
        self._collection = collection
        self._terms = 0
        self._distances = 0
        self._operators: dict[str, Callable[[list[Any], str, int], Expression]] = {
            "and": lambda args, where, depth: self._junction(And, args, where, depth),
            "or": lambda args, where, depth: self._junction(Or, args, where, depth),
            "not": lambda args, where, depth: Not(self.bind(_one(args, where), depth)),
            "between": self._between,
            "in": self._in,
            "like": self._like,
            "isnull": self._is_null,
            "s_dwithin": self._within_distance,
        }

    def bind(self, node: Any, depth: int) -> Expression:
        """Bind a subtree."""
        if depth > MAX_DEPTH:
            raise InvalidFilter(where="line 1", detail=f"嵌套过深 nested deeper than {MAX_DEPTH}")
        self._terms += 1
        if self._terms > MAX_TERMS:
            raise InvalidFilter(where="line 1", detail=f"条件过多，请用 IN more than {MAX_TERMS} conditions; use IN")
        if isinstance(node, bool):
            return Always(node)
        where = _excerpt(node)
        if not isinstance(node, dict) or not isinstance(node.get("op"), str):
            return self._bare_property(node, where)
        name, args = node["op"].lower(), node.get("args")
        if not isinstance(args, list):
            raise InvalidFilter(where=where, detail=f"没有参数 {node['op']} has no arguments")
        return self._operator(_TEMPORAL.get(name, name), args, where, depth + 1)

    def _operator(self, name: str, args: list[Any], where: str, depth: int) -> Expression:
        if name in self._operators:
            return self._operators[name](args, where, depth)
        if name in _MIRRORED:
            return self._compare(name, args, where)
        if name in (relation.value for relation in SpatialRelation):
            return self._spatial(SpatialRelation(name), args, where)
        known = ", ".join([*self._operators, *_MIRRORED, *(item.value for item in SpatialRelation), *_TEMPORAL])
        raise InvalidFilter(
            where=where, detail=f"不支持运算 operator {name[:60]!r} is not supported; supported: {known}"
        )

    def _junction(self, kind: type[And] | type[Or], args: list[Any], where: str, depth: int) -> Expression:
        if not args:
            raise InvalidFilter(where=where, detail="至少要有一个条件 at least one condition is needed")
        parts = tuple(self.bind(arg, depth) for arg in args)
        return parts[0] if len(parts) == 1 else kind(parts)

    def _bare_property(self, node: Any, where: str) -> Expression:
        if isinstance(node, dict) and "property" in node:
            field = self._field(node, where)
            if field.type is FieldType.BOOLEAN:
                return Compare(field.name, Comparison.EQ, True)
        raise InvalidFilter(where=where, detail="此处须为条件 a condition is needed here")

    def _field(self, node: Any, where: str) -> Field:
        if isinstance(node, dict) and isinstance(node.get("op"), str):
            raise InvalidFilter(
                where=where, detail=f"此处只能是字段或值 {shown(node['op'])} cannot stand here, only a field or a value"
            )
        if not isinstance(node, dict) or not isinstance(node.get("property"), str):
            raise InvalidFilter(where=where, detail="须有一侧为字段名 the name of a field is needed on one side")
        name = node["property"]
        found = self._collection.field(name)
        if found is not None:
            return found
        if name == GEOMETRY and self._collection.has_geometry:
            raise InvalidFilter(where=where, detail=_GEOMETRY_TAKES)
        known = ", ".join(item.name for item in self._collection.fields)
        raise UnknownField(field=name, collection=self._collection.id, known=known)

    def _compare(self, name: str, args: list[Any], where: str) -> Expression:
        left, right = _two(args, where)
        if _is_property(right) and not _is_property(left):
            left, right, name = right, left, _MIRRORED[name]
        field = self._field(left, where)
        if _is_property(right):
            return self._compare_fields(field, Comparison(name), self._field(right, where), where)
        return Compare(field.name, Comparison(name), bind_literal(field, right, where))

    def _compare_fields(self, left: Field, operator: Comparison, right: Field, where: str) -> Expression:
        numbers = {FieldType.INTEGER, FieldType.DECIMAL, FieldType.DOUBLE}
        if left.type is not right.type and not {left.type, right.type} <= numbers:
            detail = f"类型不同 {left.name} is {left.type} and {right.name} is {right.type}"
            raise InvalidFilter(where=where, detail=detail)
        return CompareFields(left.name, operator, right.name)

    def _between(self, args: list[Any], where: str, depth: int) -> Expression:
        if len(args) != 3:
            raise InvalidFilter(where=where, detail="须有一个字段和两个值 BETWEEN needs a field and two values")
        field = self._field(args[0], where)
        low, high = (bind_literal(field, value, where) for value in args[1:])
        return Between(field.name, low, high)

    def _in(self, args: list[Any], where: str, depth: int) -> Expression:
        needle, values = _two(args, where)
        field = self._field(needle, where)
        if not isinstance(values, list) or not values:
            raise InvalidFilter(where=where, detail="须有值的列表 IN needs a list of values")
        return In(field.name, tuple(bind_literal(field, value, where) for value in values))

    def _like(self, args: list[Any], where: str, depth: int) -> Expression:
        subject, pattern = _two(args, where)
        field = self._field(subject, where)
        if field.type is not FieldType.TEXT or not isinstance(pattern, str):
            raise InvalidFilter(
                where=where,
                detail=f"须为文本字段和文本 LIKE needs a text field and a text; {field.name} is {field.type}",
            )
        return Like(field.name, bind_text(pattern, where))

    def _is_null(self, args: list[Any], where: str, depth: int) -> Expression:
        return IsNull(self._field(_one(args, where), where).name)

    def _spatial(self, relation: SpatialRelation, args: list[Any], where: str) -> Expression:
        left, right = _two(args, where)
        if _is_property(right) and not _is_property(left):
            left, right, relation = right, left, _CONVERSE[relation]
        self._require_geometry(relation.value, left, where)
        return Spatial(relation, bind_geometry(right, where))

    def _require_geometry(self, name: str, node: Any, where: str) -> None:
        if not self._collection.has_geometry:
            raise InvalidFilter(where=where, detail=f"图层没有几何 {self._collection.id} has no geometry")
        if not _is_property(node) or node["property"] != GEOMETRY:
            raise InvalidFilter(where=where, detail=f"须有一侧为几何字段 {name} needs {GEOMETRY!r} on one side")

    def _within_distance(self, args: list[Any], where: str, depth: int) -> Expression:
        if len(args) != 3:
            raise InvalidFilter(
                where=where, detail="须有几何字段、几何和米数 S_DWITHIN needs geometry, a geometry and metres"
            )
        left, right = args[:2] if _is_property(args[0]) else (args[1], args[0])
        self._require_geometry("s_dwithin", left, where)
        metres, wkb = args[2], bind_geometry(right, where)
        if isinstance(metres, bool) or not isinstance(metres, int | float) or not 0 <= metres <= MAX_DISTANCE_M:
            raise InvalidFilter(
                where=where, detail=f"米数超出范围 metres must be a number from 0 to {MAX_DISTANCE_M:,.0f}"
            )
        self._distances += 1
        if self._distances > MAX_DISTANCES:
            raise InvalidFilter(where=where, detail=f"距离条件过多 more than {MAX_DISTANCES} distances")
        if not metres:
            return Spatial(SpatialRelation.INTERSECTS, wkb)
        try:
            surroundings(wkb, float(metres))
        except ValueError as failure:
            raise InvalidFilter(where=where, detail=str(failure)) from failure
        return WithinDistance(wkb, float(metres))


def _is_property(node: Any) -> bool:
    return isinstance(node, dict) and "property" in node


def _one(args: list[Any], where: str) -> Any:
    if len(args) != 1:
        raise InvalidFilter(where=where, detail="须有一个参数 one argument is needed")
    return args[0]


def _two(args: list[Any], where: str) -> tuple[Any, Any]:
    if len(args) != 2:
        raise InvalidFilter(where=where, detail="须有两个参数 two arguments are needed")
    return args[0], args[1]


def _excerpt(node: Any) -> str:
    """Say which part of the filter is meant, shortly: "DLBM = 5"."""
    match node:
        case {"op": str(op), "args": [{"property": str(name)}, *rest]}:
            return f"{name} {op} {shown(rest[0] if len(rest) == 1 else rest)}"[:120]
        case {"op": str(op)}:
            return op[:60]
    return shown(node)
