"""Publishing on the node's side: rows in, inspected and spooled; a report or a new version out."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self

import pyarrow as pa
import structlog

from guotu.model.collection import Collection
from guotu.model.division import dataset_id
from guotu.model.errors import GuotuError, PublishConflict, UnknownCollection
from guotu.model.ports import Catalogue
from guotu.model.records import Change, DatasetRecord
from node.holdings import Holdings
from node.ingest.increment import IncrementInspector
from node.ingest.inspect import Inspector
from node.ingest.misfits import misfit_row, with_misfits
from node.ingest.report import Fault, ImportReport
from node.intake import IncrementIntake, Intake, LayerIntake
from node.unfinished import Unfinished
from registry.gazetteer import Gazetteer
from sync.publish import Attempt, Publisher, PublishOutcome
from sync.stages import to_the_end

Progress = Callable[[str, int, int], None]
"""Told of (stage, rows done, rows to do); called from any thread."""
Advertise = Callable[[DatasetRecord], Awaitable[None]]
Retain = Callable[[], Awaitable[object]]
"""Lets go of versions that are kept no longer."""
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
    schema: pa.Schema | None
    """Columns of the batches to come; None if an increment only deletes."""
    increment: bool = False
    deletes_schema: pa.Schema | None = None
    """Columns of the rows to delete; None for none."""
    source_date: str = ""
    """ISO 8601; empty if not told."""
    new_series: bool = False
    expected_head: str = ""
    """Manifest of the head that an increment was found against; empty for any."""


@dataclass(frozen=True, slots=True)
class PublishResult:
    """How a publish ended."""

    record: DatasetRecord | None
    """The head now; None if the node has no version of it."""
    published: bool
    report: ImportReport
    seconds: dict[str, float]
    change: Change | None = None
    """Against the head before; None if it was not found out, or there was none."""
    size_bytes: int = 0
    """Of the version's delta, or of its base if it has none."""


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
        retain: Retain,
        scratch: Path,
        tolerance_deg: float,
    ) -> None:
        self.node = node
        self._catalogue = catalogue
        self._gazetteer = gazetteer
        self._publisher = publisher
        self._holdings = holdings
        self._advertise = advertise
        self._retain = retain
        self._scratch = scratch
        self._tolerance_deg = tolerance_deg
        self._busy: set[str] = set()
        self.unfinished = Unfinished(lambda dataset: publisher.restore(dataset, self._tell))

    def begin(self, order: PublishOrder, progress: Progress) -> PublishSession:
        """Begin a publish.

        Raises:
            UnknownCollection: the catalogue does not have it.
            PublishConflict: another publish of the dataset is under way.
            InvalidInput: an increment has neither changes nor deletes.
        """
        collection = self._catalogue.get(order.collection)
        if collection is None:
            raise UnknownCollection(collection=order.collection)
        dataset = dataset_id(self.node, collection.id)
        if dataset in self._busy:
            head = self._holdings.records().get(collection.id)
            raise PublishConflict(dataset=dataset, version=head.version + 1 if head else 1)
        intake = self._intake(order, collection)
        self._busy.add(dataset)
        return PublishSession(self, order, collection, intake, progress)

    def _intake(self, order: PublishOrder, collection: Collection) -> Intake:
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
            whole=not order.increment,
        )
        stem = self._scratch / order.write_id
        if not order.increment:
            return LayerIntake(inspector, collection, order.schema or pa.schema([]), stem)
        increment = IncrementInspector(inspector, collection, order.schema, order.deletes_schema, self._scratch)
        return IncrementIntake(increment, collection, stem)

    def release(self, collection: Collection) -> None:
        """Let the next publish of the collection in."""
        self._busy.discard(dataset_id(self.node, collection.id))

    def head(self, collection: Collection) -> DatasetRecord | None:
        """Return the head as it is."""
        return self._holdings.records().get(collection.id)

    async def commit(
        self, order: PublishOrder, collection: Collection, intake: Intake, report: ImportReport, progress: Progress
    ) -> PublishResult:
        """Make the spooled rows the next version, advertise it, let go of versions that are kept no longer.

        A dry run ends once it is known what would change. So does an increment that does not fit; its report says how.
        """
        attempt = _attempt(dataset_id(self.node, collection.id), order, collection, intake, report)
        try:
            outcome = await self._publisher.publish(attempt, progress, self._tell)
        except asyncio.CancelledError:
            # Nobody waits any more, but the head may have moved already.
            self.unfinished.note(attempt.dataset)
            await to_the_end(self._recall(attempt.dataset, collection))
            raise
        except GuotuError:
            self.unfinished.note(attempt.dataset)
            raise
        record = outcome.record
        if outcome.published and record is not None:
            await to_the_end(self._follow_up(record, collection))
        _log.info(
            "publish_ended",
            dataset=attempt.dataset,
            version=record.version if record else 0,
            new=outcome.published,
            misfits=len(outcome.misfits),
        )
        return _result(outcome, report, record or self.head(collection))

    async def _tell(self, record: DatasetRecord) -> None:
        """Let the mesh know of a new head; whether that succeeds or not, it is published."""
        self._holdings.put(record)
        try:
            await self._advertise(record)
        except GuotuError as failure:
            _log_failure(record, failure)

    async def _follow_up(self, record: DatasetRecord, collection: Collection) -> None:
        """Let the mesh know of a head that it was not told of, and old versions go."""
        if record != self.head(collection):
            await self._tell(record)
        try:
            await self._retain()
        except GuotuError as failure:
            _log_failure(record, failure)

    async def _recall(self, dataset: str, collection: Collection) -> None:
        """Look at the head itself."""
        try:
            record = await self._publisher.head(dataset)
        except GuotuError as failure:
            _log.error("head_not_read", dataset=dataset, reason=failure.reason, detail=failure.english)
            return
        if record is not None:
            await self._follow_up(record, collection)


def _log_failure(record: DatasetRecord, failure: GuotuError) -> None:
    _log.error("version_not_followed_up", dataset=record.dataset, reason=failure.reason, detail=failure.english)


def _attempt(
    dataset: str, order: PublishOrder, collection: Collection, intake: Intake, report: ImportReport
) -> Attempt:
    return Attempt(
        dataset=dataset,
        collection=collection,
        spool=intake.rows,
        message=order.message,
        source=order.source,
        write_id=order.write_id,
        notes=_notes(report),
        source_date=order.source_date,
        increment=order.increment,
        deletes=intake.deletes,
        stated=intake.stated,
        new_series=order.new_series,
        expected_head=order.expected_head,
        dry_run=order.dry_run,
    )


def _notes(report: ImportReport) -> dict[str, int | str]:
    """What the version's manifest shall remember of its import."""
    notes: dict[str, int | str] = {f"notice {notice.kind.value}": notice.count for notice in report.notices}
    return notes | ({"repaired": report.repairs.count} if report.repairs else {})


def _result(outcome: PublishOutcome, report: ImportReport, head: DatasetRecord | None) -> PublishResult:
    rows = [misfit_row(item.kind, item.key, item.field, item.stated, item.present) for item in outcome.misfits]
    return PublishResult(
        head,
        outcome.published,
        with_misfits(report, rows),
        dict(outcome.seconds),
        outcome.change,
        outcome.size_bytes,
    )


class PublishSession:
    """One publish under way; leaving it removes what it spooled."""

    def __init__(
        self, desk: PublishDesk, order: PublishOrder, collection: Collection, intake: Intake, progress: Progress
    ) -> None:
        self._desk = desk
        self._order = order
        self._collection = collection
        self._intake = intake
        self._progress = progress
        self._rows = 0
        self._inspecting_s = 0.0

    async def __aenter__(self) -> Self:
        """Open the spools."""
        self._intake.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove the spools and let the next publish in."""
        try:
            self._intake.close()
        finally:
            self._desk.release(self._collection)

    async def take(self, batch: pa.RecordBatch, deletes: bool = False) -> None:
        """Inspect and spool rows, or rows to delete, off the event loop."""
        started = time.perf_counter()
        await asyncio.to_thread(self._intake.take_deletes if deletes else self._intake.take, batch)
        self._inspecting_s += time.perf_counter() - started
        self._rows += batch.num_rows
        self._progress("validate", self._rows, self._order.expected_rows)

    async def finish(self) -> PublishResult:
        """Report, and publish if there is no fault; a dry run finds out what would change."""
        started = time.perf_counter()
        report = await asyncio.to_thread(self._intake.finish)
        seconds = {"validate": self._inspecting_s + time.perf_counter() - started}
        if not report.ok:
            return PublishResult(self._desk.head(self._collection), False, report, seconds)
        result = await self._desk.commit(self._order, self._collection, self._intake, report, self._progress)
        return replace(result, seconds=seconds | result.seconds)
