"""Spans of a node's own work: a port, so that nobody who works needs to know where they go."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

Fact = str | int | float | bool


class Span(Protocol):
    """A piece of work under way."""

    def tell(self, **facts: Fact) -> None:
        """Add facts to it: never values of data, nor filters, which may hold some."""


class Tracing(Protocol):
    """Makes spans."""

    def span(self, name: str, **facts: Fact) -> AbstractContextManager[Span]:
        """Begin a piece of the work on the call under way; it ends, and is told how, with the block."""


class NoSpan:
    """A span that nobody looks at."""

    def tell(self, **facts: Fact) -> None:
        """Do nothing."""


class NoTracing:
    """Makes no spans."""

    def span(self, name: str, **facts: Fact) -> AbstractContextManager[Span]:
        """Return a span that nobody looks at."""
        return nullcontext(NoSpan())
