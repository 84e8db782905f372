"""Questions over one connection as clients ask them: an overlay may be of any size."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Protocol

from guotu.model.answer import Frame, Trailer
from guotu.model.errors import Incomplete, Internal
from guotu.model.plan import Plan
from guotu.model.question import Overlay, Question, Scope
from guotu.model.records import DatasetRecord
from guotu.overlays.large import LargeZone
from guotu.overlays.runs import in_runs


class Calls(Protocol):
    """What a connection offers, see `guotu.wire.blocking`; timeouts are in seconds."""

    def ask(self, question: Question, timeout: float | None) -> Iterator[Frame]:
        """Yield the frames of an answer."""

    def explain(self, question: Question, analyze: bool, timeout: float | None) -> tuple[Plan, Trailer | None]:
        """Return the plan, and what happened if analysed."""

    def datasets(self, collection: str, scope: Scope) -> tuple[list[DatasetRecord], bool]:
        """Return the datasets of a collection, and whether that is out of date."""


def asked(calls: Calls, question: Question, timeout: float | None) -> Iterator[Frame]:
    """Return the frames of an answer as they come.

    Raises: as `in_runs`, while they are read.
    """
    if isinstance(question, Overlay):
        return in_runs(question, lambda run: calls.ask(run, timeout), lambda: _known(calls, question))
    return calls.ask(question, timeout)


def explained(calls: Calls, question: Question, analyze: bool, timeout: float | None) -> tuple[Plan, Trailer | None]:
    """Return how a question is answered and, if analysed, what happened.

    Of a zone that is too large for a request the plans for all datasets are told as one.

    Raises: as `calls.explain`, and `LargeZone`.
    """
    if not isinstance(question, Overlay) or len(question.zones) > 1 or not question.zones.oversized:
        return calls.explain(question, analyze, timeout)
    options = replace(question.options, analyze=analyze, receipt=False)
    zone = LargeZone(replace(question, options=options), _known(calls, question), lambda part: calls.ask(part, timeout))
    return _analyzed(zone) if analyze else (zone.plan(lambda part: calls.explain(part, False, timeout)[0]), None)


def _known(calls: Calls, question: Overlay) -> list[DatasetRecord]:
    return calls.datasets(question.collection, question.options.scope)[0]


def _analyzed(zone: LargeZone) -> tuple[Plan, Trailer]:
    """Answer, and throw the rows away; a partial answer is reported, not raised."""
    trailer: Trailer | None = None
    try:
        for frame in zone.frames():
            trailer = frame if isinstance(frame, Trailer) else trailer
    except Incomplete:
        if trailer is None:
            raise
    if trailer is None or trailer.plan is None:
        raise Internal(detail="the node ended its answers without plans")
    return trailer.plan, replace(trailer, plan=None)
