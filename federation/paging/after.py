"""What comes after a row: as a filter, so that every store finds it in its own way. Never by offset."""

from __future__ import annotations

from collections.abc import Sequence

from guotu.model.collection import Collection
from guotu.model.expression import Always, And, Compare, Comparison, Expression, IsNull, Or, Scalar
from guotu.model.question import Position, Query, SortKey


def rows_after(
    position: Position, query: Query, order: Sequence[SortKey], collection: Collection, owner: str
) -> Expression | None:
    """Return which rows of an owner's dataset come after a position; None if all do.

    Args:
        position: with one value for each key of `order`.
        query: whose rows these are: if sorted, rows with equal values stand in the order of their owners; if not, all
            rows of an owner stand before those of the next.
        order: of the rows within a dataset, the collection's key last or among it.
        collection: whose fields the keys are.
        owner: node id.
    """
    if not query.sort and owner != position.owner:
        return None if owner > position.owner else Always(False)
    beyond: list[Expression] = []
    equal: list[Expression] = []
    for key, value in zip(order, position.values, strict=True):
        if value is not None:
            beyond.append(_all_of([*equal, _past(key, value, collection)]))
        equal.append(IsNull(key.field) if value is None else Compare(key.field, Comparison.EQ, value))
    if owner > position.owner:
        beyond.append(_all_of(equal))
    return beyond[0] if len(beyond) == 1 else Or(tuple(beyond))


def _past(key: SortKey, value: Scalar, collection: Collection) -> Expression:
    """Nulls come last, whatever the direction; the collection's key is never null."""
    past = Compare(key.field, Comparison.LT if key.descending else Comparison.GT, value)
    return past if key.field == collection.key else Or((past, IsNull(key.field)))


def _all_of(parts: list[Expression]) -> Expression:
    return parts[0] if len(parts) == 1 else And(tuple(parts))


def both(one: Expression | None, other: Expression | None) -> Expression | None:
    """Return what both hold of; None is true of all."""
    given = [part for part in (one, other) if part is not None]
    return _all_of(given) if given else None
