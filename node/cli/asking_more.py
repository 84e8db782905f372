"""More questions as the command line asks them: the nearest features, classes, quantiles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from node.cli.asking import Asked

if TYPE_CHECKING:
    from guotu.model.question import Query, Stats


@dataclass(frozen=True, slots=True)
class AskedNearest:
    """A question for the nearest features as given."""

    asked: Asked
    place: tuple[str, ...]
    count: int
    max_distance: float
    fields: tuple[str, ...]
    crs: str

    def question(self) -> Query:
        """Return the question.

        Raises: as `place_of`, `Asked.selection` and `Asked.options`.
        """
        from guotu.model.question import Nearest, Query
        from node.cli.place import place_of

        return Query(
            collection=self.asked.collection,
            selection=self.asked.selection(),
            fields=self.fields,
            limit=self.count,
            crs=self.crs,
            options=self.asked.options(),
            nearest=Nearest(place_of(self.place), self.max_distance),
        )


@dataclass(frozen=True, slots=True)
class AskedCount:
    """A question for how many features there are, as given."""

    asked: Asked
    estimate: bool

    def question(self) -> Stats:
        """Return the question.

        Raises: as `Asked.selection` and `Asked.options`.
        """
        from guotu.model.asking import aggregates
        from guotu.model.question import Stats

        return Stats(
            collection=self.asked.collection,
            aggregates=() if self.estimate else aggregates(True, (), (), (), ()),
            selection=self.asked.selection(),
            options=self.asked.options(),
            estimate=self.estimate,
        )


@dataclass(frozen=True, slots=True)
class AskedHistogram:
    """A question for classes as given."""

    asked: Asked
    field: str
    count: int
    range: tuple[str, ...]
    edges: tuple[str, ...]

    def question(self) -> Stats:
        """Return the question.

        Raises: as `Asked.selection` and `Asked.options`.
        """
        from guotu.model.asking import aggregates
        from guotu.model.question import Bins, Stats

        bins = Bins(self.field, 0, self.edges) if self.edges else Bins(self.field, self.count, self.range)
        return Stats(
            collection=self.asked.collection,
            aggregates=aggregates(True, (), (), (), ()),
            selection=self.asked.selection(),
            options=self.asked.options(),
            bins=bins,
        )


@dataclass(frozen=True, slots=True)
class AskedQuantiles:
    """A question for quantiles as given."""

    asked: Asked
    field: str
    at: tuple[str, ...]

    def question(self) -> Stats:
        """Return the question.

        Raises: as `Asked.selection` and `Asked.options`; InvalidQuestion where a share is no number.
        """
        from guotu.model.errors import InvalidQuestion
        from guotu.model.question import Quantiles, Stats

        try:
            shares = tuple(map(float, self.at))
        except ValueError as failure:
            raise InvalidQuestion(part="--at", detail=f"须为 0 至 1 的数 numbers from 0 to 1: {failure}") from failure
        return Stats(
            collection=self.asked.collection,
            aggregates=(),
            selection=self.asked.selection(),
            options=self.asked.options(),
            quantiles=Quantiles(self.field, shares),
        )
