"""The Python client: `connect()`, `query()` to Arrow or GeoPandas, `stats()`, `overlay()`, `explain()`.

>>> from guotu.client import connect
>>> with connect("127.0.0.1:7083") as mesh:
...     answer = mesh.query("landcover", where="igbp = 13", bbox=(103.9, 30.5, 104.2, 30.8))
...     frame = answer.geodataframe()
...     answer.completeness.complete, answer.cut, answer.digest.hex()
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from guotu.answering import Answer
from guotu.inquiries import Inquiries
from guotu.model.answer import Frame, Trailer
from guotu.model.asking import aggregates, named_zones, options, pin, selection, sort_keys
from guotu.model.boundary import Boundary
from guotu.model.collection import Collection
from guotu.model.crs import MESH_CRS
from guotu.model.errors import InvalidQuestion, UnknownCollection
from guotu.model.plan import Plan
from guotu.model.question import Overlay, Page, Query, Question, Scope, Stats
from guotu.model.records import DatasetRecord, NodeRecord, NodeState, VersionInfo
from guotu.overlays.asking import asked, explained
from guotu.wire.blocking import BlockingCalls, OnBusy
from guotu.wire.endpoint import TlsFiles

__all__ = ["DEFAULT_ADDRESS", "DEFAULT_TIMEOUT", "Answer", "Client", "connect"]

DEFAULT_ADDRESS = "127.0.0.1:7083"
DEFAULT_TIMEOUT = 60.0
"""Deadline of a question in seconds."""


class Client(Inquiries):
    """A connection to one node, from which the whole mesh can be asked."""

    def __init__(self, calls: BlockingCalls) -> None:
        self._calls = calls

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connection."""
        self.close()

    def close(self) -> None:
        """Close the connection; answers under way end."""
        self._calls.close()

    def ask(self, question: Question, timeout: float | None = None) -> Answer:
        """Ask a question given as a value; `timeout` in seconds."""
        return Answer(self.frames(question, timeout))

    def frames(self, question: Question, timeout: float | None = None) -> Iterator[Frame]:
        """Yield the frames of an answer as they come; closing the iterator cancels the question."""
        return asked(self._calls, question, timeout)

    def query(
        self,
        collection: str,
        *,
        where: str = "",
        bbox: Sequence[float] | None = None,
        within: Any = None,
        division: str = "",
        boundary: str = "",
        fields: Sequence[str] = (),
        sort: Sequence[str] = (),
        limit: int = 0,
        crs: str = MESH_CRS,
        scope: str = "subtree",
        partial: bool = False,
        cut: Mapping[str, int] | None = None,
        dataset: str = "",
        version: int = 0,
        page_size: int = 0,
        page: str = "",
        timeout: float | None = None,
    ) -> Answer:
        """Retrieve features.

        Args:
            collection: id, for example "dltb".
            where: CQL2 text or JSON.
            bbox: (xmin, ymin, xmax, ymax) in degrees, EPSG:4490 lon/lat; features that intersect it.
            within: shapely polygon or WKB, EPSG:4490 lon/lat; features within it.
            division: GB/T 2260 code; features of that division, by the field that has their division.
            boundary: GB/T 2260 code or name of a division; features within its boundary, as the mesh holds it.
            fields: columns to return; all if empty.
            sort: fields, "-" before one for descending order.
            limit: most rows; 0 for no limit.
            crs: CRS of returned geometries, x=easting/longitude first.
            scope: "self" or "subtree".
            partial: accept a marked partial answer.
            cut: versions to answer from, by dataset id, such as `cut` of an earlier answer: of these datasets alone.
            dataset: id, for example "510000/dltb"; answer from this dataset of the collection alone: by the node asked
                if it holds it, as owner or as replica, else by its owner.
            version: of that dataset; 0 for its head.
            page_size: give one page of at most so many rows, without a limit; 0 for all rows.
            page: `next_page` of the page before; empty for the first one.
            timeout: deadline in seconds.
        """
        question = Query(
            collection=collection,
            selection=selection(where, bbox, within, division, boundary),
            fields=tuple(fields),
            sort=sort_keys(sort),
            limit=limit,
            crs=crs,
            options=options(scope, partial, cut, dataset, pin(dataset, version)),
            page=Page(page_size, page) if page_size or page else None,
        )
        return self.ask(question, timeout)

    def stats(
        self,
        collection: str,
        *,
        group_by: Sequence[str] = (),
        count: Sequence[str] | bool = False,
        sum: Sequence[str] = (),
        min: Sequence[str] = (),
        max: Sequence[str] = (),
        avg: Sequence[str] = (),
        top: int = 0,
        where: str = "",
        bbox: Sequence[float] | None = None,
        within: Any = None,
        division: str = "",
        boundary: str = "",
        scope: str = "subtree",
        partial: bool = False,
        cut: Mapping[str, int] | None = None,
        dataset: str = "",
        version: int = 0,
        timeout: float | None = None,
    ) -> Answer:
        """Group and aggregate at the owners.

        Args:
            group_by: fields, or the levels "province", "prefecture", "county".
            count: True for the count of rows (also when nothing else is asked), or fields whose values are counted.
            sum, min, max, avg: fields. Sums are exact decimals.
            top: only so many groups, those with the greatest values of the first aggregate; 0 for all, in the order of
                the group columns.

        The rest is as in `query`. Columns are named "count", "sum_FIELD", "count_FIELD" and so on.
        """
        question = Stats(
            collection=collection,
            aggregates=aggregates(count, sum, min, max, avg),
            group_by=tuple(group_by),
            selection=selection(where, bbox, within, division, boundary),
            options=options(scope, partial, cut, dataset, pin(dataset, version)),
            top=top,
        )
        return self.ask(question, timeout)

    def overlay(
        self,
        collection: str,
        zones: Any,
        *,
        names: Sequence[str] | None = None,
        group_by: Sequence[str] = (),
        where: str = "",
        bbox: Sequence[float] | None = None,
        within: Any = None,
        division: str = "",
        boundary: str = "",
        scope: str = "subtree",
        partial: bool = False,
        cut: Mapping[str, int] | None = None,
        dataset: str = "",
        version: int = 0,
        timeout: float | None = None,
    ) -> Answer:
        """Lay features over zones: counts, ellipsoidal areas and shares, computed at the owners.

        Args:
            collection: id of a collection of polygons.
            zones: shapely polygons or multipolygons, EPSG:4490 lon/lat; they may overlap. More than 100,000 or 32 MiB
                are asked in several requests, each with the deadline, at one cut; one that is larger, by datasets.
            names: of the zones, unique; "1", "2" and so on if none are given.
            group_by: fields, or the levels "province", "prefecture", "county".

        The rest is as in `query`. Columns are "zone", the groups, "count" (features that have at least 0.0001 m² in
        common with the zone), "area_m2" (of what they have in common, exact decimal) and "share" (of the zone's own
        area). Rows come in the order of the zones, then by group.

        Raises:
            InvalidQuestion: names or zones have faults; all are told.
            TooLarge: there are too many (5 million), or one dataset has to know too much of one.
        """
        question = Overlay(
            collection=collection,
            zones=named_zones(zones, names),
            group_by=tuple(group_by),
            selection=selection(where, bbox, within, division, boundary),
            options=options(scope, partial, cut, dataset, pin(dataset, version)),
        )
        return self.ask(question, timeout)

    def explain(
        self, question: Question, analyze: bool = False, timeout: float | None = None
    ) -> tuple[Plan, Trailer | None]:
        """Return how a question would be answered and, if analysed, what happened."""
        return explained(self._calls, question, analyze, timeout)

    def node(self) -> NodeState:
        """Return the asked node's own facts."""
        return self._calls.node()

    def boundary(self, division: str, cut: Mapping[str, int] | None = None) -> Boundary:
        """Return the boundary of a division (polygon as WKB, EPSG:4490), with the versions that it was taken from.

        Args:
            division: GB/T 2260 code or name, "510100", "成都市" or "南京市鼓楼区".
            cut: versions to take it from, as an earlier boundary tells; heads if none.

        Raises:
            InvalidQuestion: the name is not known, or means several divisions; they are listed.
            UnknownBoundary: nobody holds it, or not the whole of it.
            BoundaryMissing: who holds it does not answer.
        """
        return self._calls.boundary(division, cut or {})

    def nodes(self, division: str = "") -> list[NodeRecord]:
        """Return the registered nodes, sorted by id."""
        return self._calls.nodes(division)[0]

    def collections(self) -> list[Collection]:
        """Return the collections of the mesh, sorted by id."""
        return self._calls.collections("")

    def collection(self, collection: str) -> Collection:
        """Return one collection.

        Raises:
            UnknownCollection: the catalogue has none of that id.
        """
        found = self._calls.collections(collection)
        if not found:
            raise UnknownCollection(collection=collection)
        return found[0]

    def datasets(self, collection: str = "", scope: str = "subtree") -> list[DatasetRecord]:
        """Return the datasets known to the asked node, sorted by id."""
        return self._calls.datasets(collection, Scope(scope))[0]

    def versions(self, dataset: str) -> list[VersionInfo]:
        """Return the retained versions of a dataset, newest first."""
        return self._calls.versions(dataset)

    def manifest(self, dataset: str, version: int = 0) -> tuple[bytes, bytes, bytes]:
        """Return (manifest as canonical JSON, signature, public key); version 0 is the head."""
        return self._calls.manifest(dataset, version)


def connect(
    address: str = DEFAULT_ADDRESS,
    *,
    timeout: float = DEFAULT_TIMEOUT,
    tls_cert: Path | None = None,
    tls_key: Path | None = None,
    tls_ca: Path | None = None,
    on_busy: OnBusy | None = None,
) -> Client:
    """Connect to a node.

    Args:
        address: "host:port" of the node.
        timeout: deadline of a call in seconds, unless one is given with it.
        tls_cert, tls_key, tls_ca: PEM files; give all three or none.
        on_busy: told (Overloaded, seconds) before one waits to ask a busy node again, which is done by itself as long
            as the deadline allows it.

    Raises:
        InvalidQuestion: only some of the TLS files are given.
    """
    files = [tls_cert, tls_key, tls_ca]
    if any(files) and not all(files):
        raise InvalidQuestion(part="TLS", detail="certificate, key and CA go together")
    tls = TlsFiles(tls_cert, tls_key, tls_ca) if tls_cert and tls_key and tls_ca else None
    return Client(BlockingCalls(address, tls, timeout, on_busy))
