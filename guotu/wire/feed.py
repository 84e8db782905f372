"""The requests of a call that streams to a node, and what went wrong in making them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class Feed(Generic[T]):
    """Requests, read once; gRPC loses what goes wrong in them, so it is kept here."""

    def __init__(self, requests: Iterable[T]) -> None:
        self._requests = requests
        self.failure: Exception | None = None

    def __iter__(self) -> Iterator[T]:
        try:
            yield from self._requests
        except Exception as failure:
            self.failure = failure
            raise
