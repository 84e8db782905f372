"""Questions that the client makes of the plain ones: distinct values and their like."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, TypedDict, Unpack

from guotu.answering import Answer
from guotu.model.asking import options, selection
from guotu.model.question import Aggregate, AggregateFunction, Options, Question, Selection, Stats

_COUNT = (Aggregate(AggregateFunction.COUNT, "", "count"),)


class Given(TypedDict, total=False):
    """What every question may be given; see `Client.query`."""

    where: str
    bbox: Sequence[float] | None
    within: Any
    division: str
    boundary: str
    scope: str
    partial: bool
    cut: Mapping[str, int] | None
    dataset: str
    version: int
    timeout: float | None


class Inquiries(ABC):
    """Asks questions of several kinds."""

    @abstractmethod
    def ask(self, question: Question, timeout: float | None = None) -> Answer:
        """Ask a question given as a value; `timeout` in seconds."""

    def distinct(self, collection: str, fields: Sequence[str], top: int = 0, **given: Unpack[Given]) -> Answer:
        """Return the different values of fields, or of several together, with "count", how many features have them.

        Args:
            collection: id, for example "dltb".
            fields: fields, or the levels "province", "prefecture", "county".
            top: only the so many that most features have; 0 for all.
            given: as in `Client.query`.

        Rows come in the order of the fields, or by count; at most 1,000,000. A partial answer has at least these.
        """
        selected, chosen = _parts(given)
        question = Stats(collection, _COUNT, tuple(fields), selected, chosen, top)
        return self.ask(question, given.get("timeout"))


def _parts(given: Given) -> tuple[Selection, Options]:
    """Return what is selected, and how the question is asked."""
    selected = selection(
        given.get("where", ""),
        given.get("bbox"),
        given.get("within"),
        given.get("division", ""),
        given.get("boundary", ""),
    )
    chosen = options(
        given.get("scope", "subtree"),
        given.get("partial", False),
        given.get("cut"),
        given.get("dataset", ""),
        given.get("version", 0),
    )
    return selected, chosen
