"""More questions of the client: pages, distinct values, the nearest features and their like."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypedDict, Unpack

import shapely

from guotu.answering import Answer
from guotu.model.asking import options, pin, selection, sort_keys
from guotu.model.crs import MESH_CRS
from guotu.model.errors import InvalidQuestion
from guotu.model.question import (
    Aggregate,
    AggregateFunction,
    Bins,
    Nearest,
    Options,
    Page,
    Quantiles,
    Query,
    Question,
    Selection,
    Stats,
)

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

    def pages(
        self,
        collection: str,
        *,
        page_size: int = 10_000,
        page: str = "",
        fields: Sequence[str] = (),
        sort: Sequence[str] = (),
        crs: str = MESH_CRS,
        **given: Unpack[Given],
    ) -> Iterator[Answer]:
        """Retrieve features page by page, all from the cut of the first one, whatever is published meanwhile.

        Args:
            collection: id, for example "dltb".
            page_size: most rows of a page.
            page: `next_page` of the page to go on after; empty to begin.
            fields: columns to return; all if empty.
            sort: fields, "-" before one for descending order.
            crs: CRS of returned geometries.
            given: as in `Client.query`.

        Rows come in the order of `sort`, then of the collection's key, then of their owners; without `sort`, by owner,
        then key. A page that fails can be asked for again.

        Raises:
            as `Client.query`; VersionGone: the cut of the first page is not retained any more.
        """
        selected, chosen = _parts(given)
        question = Query(collection, selected, tuple(fields), sort_keys(sort), crs=crs, options=chosen)
        while True:
            answer = self.ask(replace(question, page=Page(page_size, page)), given.get("timeout"))
            yield answer
            page = answer.next_page
            if not page:
                return

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

    def count(self, collection: str, *, estimate: bool = False, **given: Unpack[Given]) -> Answer:
        """Count features: exactly, at the owners, or about, from what the registry advertises, asking nobody.

        Args:
            collection: id, for example "dltb".
            estimate: rows and coverage are all that it takes; conditions on fields are then not counted in.
            given: as in `Client.query`.

        The answer has one row: "count", or "estimate", "least", "most" (null where there is no bound) and "method".
        """
        selected, chosen = _parts(given)
        columns = () if estimate else _COUNT
        return self.ask(Stats(collection, columns, (), selected, chosen, estimate=estimate), given.get("timeout"))

    def histogram(
        self,
        collection: str,
        field: str,
        bins: int = 10,
        *,
        range: tuple[object, object] | None = None,
        edges: Sequence[object] = (),
        **given: Unpack[Given],
    ) -> Answer:
        """Count features by classes of a number or date field; counts are exact.

        Args:
            collection: id, for example "dltb".
            field: INTEGER, DECIMAL, DOUBLE or DATE.
            bins: so many classes of equal width, 1 to 1,024.
            range: between these two values; between the least and the greatest one if it is None.
            edges: of all classes, ascending, in place of `bins` and `range`.
            given: as in `Client.query`.

        Rows are "bin" (1 to the number of classes; 0 for what is below, one more for what is above, null for null),
        "low", "high" and "count". A class has its lower end, the last one also its upper end.
        """
        selected, chosen = _parts(given)
        classes = Bins(field, 0, tuple(map(str, edges))) if edges else Bins(field, bins, tuple(map(str, range or ())))
        return self.ask(Stats(collection, _COUNT, (), selected, chosen, bins=classes), given.get("timeout"))

    def quantiles(
        self, collection: str, field: str, at: Sequence[float] = (0.25, 0.5, 0.75), **given: Unpack[Given]
    ) -> Answer:
        """Return exact quantiles of a number or date field: values that features have.

        Args:
            collection: id, for example "dltb".
            field: INTEGER, DECIMAL, DOUBLE or DATE.
            at: shares, 0 to 1; at most 100.
            given: as in `Client.query`.

        Rows are "quantile", "value", "rank" (from 1 on: ceil(quantile * count)) and "count" (of values, nulls left
        out), in the order of `at`.
        """
        selected, chosen = _parts(given)
        wanted = Quantiles(field, tuple(map(float, at)))
        return self.ask(Stats(collection, (), (), selected, chosen, quantiles=wanted), given.get("timeout"))

    def nearest(
        self,
        collection: str,
        place: Any,
        k: int = 10,
        *,
        max_distance: float = 0.0,
        fields: Sequence[str] = (),
        crs: str = MESH_CRS,
        **given: Unpack[Given],
    ) -> Answer:
        """Return the features that are nearest to a place, the nearest first, equal ones by key.

        Args:
            collection: id, for example "dltb".
            place: (longitude, latitude) in degrees, or a shapely geometry or WKB; EPSG:4490, lon/lat.
            k: how many, 1 to 10,000.
            max_distance: only features at most so many metres away, up to 1,000,000; 0 for any distance.
            fields: columns to return besides; all if empty.
            crs: CRS of returned geometries.
            given: as in `Client.query`.

        Rows begin with "distance_m", metres on the ellipsoid of CGCS2000, 0 where feature and place meet; see
        `guotu.model.distance`.
        """
        selected, chosen = _parts(given)
        near = Nearest(_wkb_of(place), float(max_distance))
        question = Query(collection, selected, tuple(fields), limit=k, crs=crs, options=chosen, nearest=near)
        return self.ask(question, given.get("timeout"))


def _wkb_of(place: Any) -> bytes:
    """Return a place, (longitude, latitude) or a geometry or WKB, as WKB.

    Raises:
        InvalidQuestion: it is none of these.
    """
    if isinstance(place, bytes):
        return place
    try:
        shape = place if isinstance(place, shapely.Geometry) else shapely.Point(*map(float, place))
    except (TypeError, ValueError, shapely.errors.ShapelyError) as failure:
        detail = f"(longitude, latitude) or a geometry is needed: {failure}"
        raise InvalidQuestion(part="nearest", detail=detail) from failure
    return bytes(shapely.to_wkb(shape, byte_order=1))


def _parts(given: Given) -> tuple[Selection, Options]:
    """Return what is selected, and how the question is asked."""
    selected = selection(
        given.get("where", ""),
        given.get("bbox"),
        given.get("within"),
        given.get("division", ""),
        given.get("boundary", ""),
    )
    dataset = given.get("dataset", "")
    chosen = options(
        given.get("scope", "subtree"),
        given.get("partial", False),
        given.get("cut"),
        dataset,
        pin(dataset, given.get("version", 0)),
    )
    return selected, chosen
