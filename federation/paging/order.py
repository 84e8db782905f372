"""The order of a retrieval's rows."""

from __future__ import annotations

from guotu.model.collection import Collection, FieldType
from guotu.model.errors import InvalidQuestion
from guotu.model.grouping import require_field
from guotu.model.question import Query, SortKey

_DIGITS_OF_A_DOUBLE = 15


def total_order(sort: tuple[SortKey, ...], collection: Collection) -> tuple[SortKey, ...]:
    """Add the collection's key as the last sort key, so that the order is total within a dataset; none if unsorted."""
    if not sort or any(key.field == collection.key for key in sort):
        return sort
    return (*sort, SortKey(collection.key))


def page_order(query: Query, collection: Collection) -> tuple[SortKey, ...]:
    """Return the order within a dataset of a retrieval in pages: its own, or by the collection's key."""
    return total_order(query.sort, collection) or (SortKey(collection.key),)


def check_order(query: Query, collection: Collection) -> None:
    """Check that a row's place in a paged answer can be told exactly.

    Raises:
        InvalidQuestion: a field of the order has more digits than travel with its values.
        UnknownField: a field does not exist.
    """
    for key in page_order(query, collection):
        field = require_field(collection, key.field)
        if field.type is FieldType.DECIMAL and field.width > _DIGITS_OF_A_DOUBLE:
            detail = f"{field.name} 超过 15 位数字，不能分页 has more than 15 digits, which pages cannot be turned by"
            raise InvalidQuestion(part="page", detail=detail)
