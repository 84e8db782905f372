"""The ports by which questions are answered, here and by others."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

from guotu.model.answer import Frame
from guotu.model.plan import Plan
from guotu.model.question import LayerOverlay, Overlay, Query, Question, Stats


class FeatureQuery(Protocol):
    """Answers questions."""

    def query(self, question: Query, timeout: float) -> AsyncIterator[Frame]:
        """Answer a retrieval within `timeout` seconds: Header, then Batch and Notice, then Trailer.

        Raises (after the Trailer, where there is one):
            IncompleteAnswer, NobodyAnswered: members are missing.
            InvalidQuestion, InvalidFilter, UnknownCollection, UnknownField, ...: the question is not valid.
        """

    def stats(self, question: Stats, timeout: float) -> AsyncIterator[Frame]:
        """Answer a grouping question; otherwise as `query`."""

    def overlay(self, question: Overlay | LayerOverlay, timeout: float) -> AsyncIterator[Frame]:
        """Lay features over zones; otherwise as `query`."""


class PeerClient(Protocol):
    """Asks other nodes."""

    def query(self, address: str, question: Query, timeout: float | None) -> AsyncIterator[Frame]:
        """Ask a node; `timeout` in seconds."""

    def stats(self, address: str, question: Stats, timeout: float | None) -> AsyncIterator[Frame]:
        """Ask a node; `timeout` in seconds."""

    def overlay(self, address: str, question: Overlay | LayerOverlay, timeout: float | None) -> AsyncIterator[Frame]:
        """Ask a node; `timeout` in seconds."""

    async def explain(self, address: str, question: Question, timeout: float | None) -> Plan:
        """Ask a node how it would answer."""
