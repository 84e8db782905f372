"""Pages of retrievals to protobuf and back."""

from __future__ import annotations

from datetime import date

from guotu.model.errors import InvalidQuestion
from guotu.model.expression import Scalar
from guotu.model.question import Page, Position
from guotu.v1 import query_pb2


def page_to_proto(page: Page) -> query_pb2.Page:
    """Return the wire value."""
    return query_pb2.Page(
        size=page.size,
        token=page.token,
        owners=page.owners,
        after=None if page.after is None else _position_to_proto(page.after),
    )


def page_from_proto(page: query_pb2.Page) -> Page:
    """Return the model value.

    Raises:
        InvalidQuestion: a value of the position is none.
    """
    after = _position_from_proto(page.after) if page.HasField("after") else None
    return Page(page.size, page.token, page.owners, after)


def _position_to_proto(position: Position) -> query_pb2.Position:
    return query_pb2.Position(owner=position.owner, values=map(_value_to_proto, position.values))


def _position_from_proto(position: query_pb2.Position) -> Position:
    return Position(position.owner, tuple(map(_value_from_proto, position.values)))


def _value_to_proto(value: Scalar | None) -> query_pb2.PositionValue:
    match value:
        case None:
            return query_pb2.PositionValue()
        case bool():
            return query_pb2.PositionValue(truth=value)
        case int():
            return query_pb2.PositionValue(integer=value)
        case float():
            return query_pb2.PositionValue(number=value)
        case str():
            return query_pb2.PositionValue(text=value)
        case date():
            return query_pb2.PositionValue(date=value.isoformat())


def _value_from_proto(value: query_pb2.PositionValue) -> Scalar | None:
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    found: Scalar = getattr(value, kind)
    if kind != "date":
        return found
    try:
        return date.fromisoformat(value.date)
    except ValueError as failure:
        raise InvalidQuestion(part="page", detail=str(failure)) from failure
