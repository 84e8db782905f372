"""Filters as a tree: what CQL2 is compiled to, and what each store compiles to its own SQL."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

Scalar = str | int | float | bool | date


class Comparison(StrEnum):
    """Comparisons of a field with a value."""

    EQ = "="
    NE = "<>"
    LT = "<"
    LE = "<="
    GT = ">"
    GE = ">="


class SpatialRelation(StrEnum):
    """Relations (OGC Simple Features, DE-9IM) of the feature's geometry to a given one."""

    INTERSECTS = "s_intersects"
    WITHIN = "s_within"
    CONTAINS = "s_contains"
    DISJOINT = "s_disjoint"


@dataclass(frozen=True, slots=True)
class Compare:
    """`field` compared with `value`; a null field is neither true nor false."""

    field: str
    operator: Comparison
    value: Scalar


@dataclass(frozen=True, slots=True)
class CompareFields:
    """`field` compared with another field of the same row."""

    field: str
    operator: Comparison
    other: str


@dataclass(frozen=True, slots=True)
class Between:
    """`low` <= `field` <= `high`."""

    field: str
    low: Scalar
    high: Scalar


@dataclass(frozen=True, slots=True)
class In:
    """`field` is one of `values`."""

    field: str
    values: tuple[Scalar, ...]


@dataclass(frozen=True, slots=True)
class Like:
    """`field` matches `pattern`: % any run, _ one character, backslash escapes; case matters."""

    field: str
    pattern: str


@dataclass(frozen=True, slots=True)
class IsNull:
    """`field` has no value."""

    field: str


@dataclass(frozen=True, slots=True)
class Spatial:
    """The feature's geometry stands in `relation` to `wkb` (WKB, EPSG:4490, lon/lat)."""

    relation: SpatialRelation
    wkb: bytes


@dataclass(frozen=True, slots=True)
class WithinDistance:
    """The feature's geometry is at most `metres` (more than 0) from `wkb` (WKB, EPSG:4490, lon/lat).

    `guotu.model.distance` tells how that is measured. Stores are not asked this: where the rows are, something that
    they know is put in its place.
    """

    wkb: bytes
    metres: float


@dataclass(frozen=True, slots=True)
class And:
    """All of `parts`; true if there are none."""

    parts: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """Any of `parts`; false if there are none."""

    parts: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The contrary of `part`; null stays null."""

    part: Expression


@dataclass(frozen=True, slots=True)
class Always:
    """A constant."""

    value: bool


Expression = Compare | CompareFields | Between | In | Like | IsNull | Spatial | WithinDistance | And | Or | Not | Always


def walk(expression: Expression) -> Iterator[Expression]:
    """Yield the tree's nodes, the root first."""
    yield expression
    if isinstance(expression, And | Or):
        for part in expression.parts:
            yield from walk(part)
    elif isinstance(expression, Not):
        yield from walk(expression.part)
