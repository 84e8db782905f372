"""Publishing on the node's side: rows in, inspected and spooled; a report or a new version out."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import pyarrow as pa
import structlog

from guotu.model.collection import Collection
from guotu.model.division import dataset_id
from guotu.model.errors import PublishConflict, UnknownCollection
from guotu.model.ports import Catalogue
from guotu.model.records import DatasetRecord
from guotu.model.schema import arrow_schema
from node.holdings import Holdings
from node.ingest.inspect import Inspector
from node.ingest.report import Fault, ImportReport
from node.ingest.spool import Spool
from registry.gazetteer import Gazetteer
from sync.publish import Publisher

Progress = Callable[[str, int, int], None]
"""Told of (stage, rows done, rows to do); called from any thread."""
Advertise = Callable[[DatasetRecord], Awaitable[None]]
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class PublishOrder:
    """What a publisher asks for; see PublishHeader in proto/guotu/v1/admin.proto."""

    collection: str
    source: str
    message: str
    repair: bool
    force_bounds: bool
    dry_run: bool
    expected_rows: int
    write_id: str
    source_faults: tuple[Fault, ...]
    schema: pa.Schema
    """Columns of the batches to come."""


@dataclass(frozen=True, slots=True)
class PublishResult:
    """How a publish ended."""

    record: DatasetRecord | None
    """The head now; None if the node has no version of it."""
    published: bool
    report: ImportReport
    seconds: dict[str, float]


class PublishDesk:
    """Takes publishes, one at a time for each dataset."""

    def __init__(
        self,
        node: str,
        catalogue: Catalogue,
        gazetteer: Gazetteer,
        publisher: Publisher,
        holdings: Holdings,
        advertise: Advertise,
        scratch: Path,
        tolerance_deg: float,
        keep: int,
    ) -> None:
        self.node = node
        self._catalogue = catalogue
        self._gazetteer = gazetteer
        self._publisher = publisher
        self._holdings = holdings
        self._advertise = advertise
        self._scratch = scratch
        self._tolerance_deg = tolerance_deg
        self._keep = keep
        self._busy: set[str] = set()

    def begin(self, order: PublishOrder, progress: Progress) -> PublishSession:
        """Begin a publish.

        Raises:
            UnknownCollection: the catalogue does not have it.
            PublishConflict: another publish of the dataset is under way.
        """
        collection = self._catalogue.get(order.collection)
        if collection is None:
            raise UnknownCollection(collection=order.collection)
        dataset = dataset_id(self.node, collection.id)
        if dataset in self._busy:
            head = self._holdings.records().get(collection.id)
            raise PublishConflict(dataset=dataset, version=head.version + 1 if head else 1)
        inspector = Inspector(
            collection,
            self._holdings.division,
            self._gazetteer.bounds_table(),
            repair=order.repair,
            force_bounds=order.force_bounds,
            tolerance_deg=self._tolerance_deg,
            source=order.source,
            source_faults=order.source_faults,
            directory=self._scratch,
        )
        inspector.begin(order.schema)
        spool = Spool(self._scratch / f"{order.write_id}.arrow", arrow_schema(collection))
        self._busy.add(dataset)
        return PublishSession(self, order, collection, inspector, spool, progress)

    def release(self, collection: Collection) -> None:
        """Let the next publish of the collection in."""
        self._busy.discard(dataset_id(self.node, collection.id))

    def head(self, collection: Collection) -> DatasetRecord | None:
        """Return the head as it is."""
        return self._holdings.records().get(collection.id)

    async def commit(
        self, order: PublishOrder, collection: Collection, spool: Path, report: ImportReport, progress: Progress
    ) -> PublishResult:
        """Make the spooled rows the next version, advertise it, let go of versions that are kept no longer."""
        outcome = await self._publisher.publish(
            dataset_id(self.node, collection.id),
            collection,
            spool,
            message=order.message,
            source=order.source,
            write_id=order.write_id,
            notes=_notes(report),
            progress=progress,
        )
        if outcome.published:
            self._holdings.put(outcome.record)
            await self._advertise(outcome.record)
            await self._publisher.retain(self._keep)
        _log.info("published", dataset=outcome.record.dataset, version=outcome.record.version, new=outcome.published)
        return PublishResult(outcome.record, outcome.published, report, dict(outcome.seconds))


def _notes(report: ImportReport) -> dict[str, int]:
    """What the version's manifest shall remember of its import."""
    notes = {f"notice {notice.kind.value}": notice.count for notice in report.notices}
    return notes | ({"repaired": report.repairs.count} if report.repairs else {})


class PublishSession:
    """One publish under way; leaving it removes its spool."""

    def __init__(
        self,
        desk: PublishDesk,
        order: PublishOrder,
        collection: Collection,
        inspector: Inspector,
        spool: Spool,
        progress: Progress,
    ) -> None:
        self._desk = desk
        self._order = order
        self._collection = collection
        self._inspector = inspector
        self._spool = spool
        self._progress = progress
        self._rows = 0
        self._inspecting_s = 0.0

    async def __aenter__(self) -> Self:
        """Open the spool."""
        self._spool.__enter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove the spool and let the next publish in."""
        self._inspector.close()
        self._spool.close()
        self._spool.discard()
        self._desk.release(self._collection)

    async def take(self, batch: pa.RecordBatch) -> None:
        """Inspect and spool rows, off the event loop."""
        started = time.perf_counter()
        await asyncio.to_thread(self._take, batch)
        self._inspecting_s += time.perf_counter() - started
        self._rows += batch.num_rows
        self._progress("validate", self._rows, self._order.expected_rows)

    def _take(self, batch: pa.RecordBatch) -> None:
        clean = self._inspector.take(batch)
        if clean is not None:
            self._spool.write(clean)

    async def finish(self) -> PublishResult:
        """Report, and publish if there is no fault and it is no dry run."""
        started = time.perf_counter()
        report = await asyncio.to_thread(self._inspector.finish)
        self._spool.close()
        seconds = {"validate": self._inspecting_s + time.perf_counter() - started}
        if not report.ok or self._order.dry_run:
            return PublishResult(self._desk.head(self._collection), False, report, seconds)
        result = await self._desk.commit(self._order, self._collection, self._spool.path, report, self._progress)
        return PublishResult(result.record, result.published, report, seconds | result.seconds)
