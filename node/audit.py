"""Auditing on the node's side: rows in, inspected and spooled; how they differ from a version out."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa

from guotu.model.division import node_division, split_dataset
from guotu.model.errors import InvalidQuestion, UnknownDataset
from node.holdings import Holdings
from node.ingest.inspect import Inspector
from node.ingest.kinds import FaultKind
from node.ingest.report import Fault, ImportReport
from node.intake import LayerIntake
from registry.gazetteer import Gazetteer
from sync.audit import Audit, AuditedVersion, Auditor

Progress = Callable[[str, int, int], None]
"""Told of (stage, rows done, rows to do); called from any thread."""
_PREFIX = "audit-"


@dataclass(frozen=True, slots=True)
class AuditOrder:
    """What is to be audited; see AuditHeader in proto/guotu/v1/audit.proto."""

    dataset: str
    version: int
    schema: pa.Schema
    source: str
    repair: bool
    expected_rows: int
    source_faults: tuple[Fault, ...]
    limit: int


@dataclass(frozen=True, slots=True)
class AuditOutcome:
    """How an audit ended."""

    version_rows: int
    report: ImportReport
    audit: Audit
    """Empty if the rows have faults."""


class AuditDesk:
    """Holds rows that an operator has elsewhere against versions held here; nothing of these is changed."""

    def __init__(
        self, node: str, auditor: Auditor, gazetteer: Gazetteer, holdings: Holdings, scratch: Path, tolerance_deg: float
    ) -> None:
        """Set the parts; `scratch` is a directory of this desk alone, what a crash left in it is removed."""
        self._node = node
        self._auditor = auditor
        self._gazetteer = gazetteer
        self._holdings = holdings
        self._scratch = scratch
        self._tolerance_deg = tolerance_deg
        scratch.mkdir(parents=True, exist_ok=True)
        for left in scratch.glob(f"{_PREFIX}*"):
            shutil.rmtree(left)

    async def open(self, dataset: str, version: int) -> AuditedVersion:
        """Find a version of a dataset that is held whole; 0 is the newest.

        Raises:
            InvalidQuestion: that is no dataset's id.
            UnknownDataset: the node does not hold it whole.
            UnknownVersion: the version cannot be answered from.
        """
        owner, _ = _split(dataset)
        if owner != self._node and dataset not in self._holdings.replicas():
            raise UnknownDataset(dataset=dataset)
        return await self._auditor.open(dataset, version)

    async def audit(
        self, order: AuditOrder, batches: AsyncIterator[pa.RecordBatch], progress: Progress
    ) -> AuditOutcome:
        """Inspect the rows as a publish does, and compare them with the version unless there are faults.

        Raises:
            InvalidInput: a batch is not sound, or not as announced.
            UnknownDataset, UnknownVersion: see `open`.
        """
        audited = await self.open(order.dataset, order.version)
        folder = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix=_PREFIX, dir=self._scratch))
        intake = LayerIntake(self._inspector(order, audited, folder), audited.collection, order.schema, folder / "rows")
        try:
            report = await self._take(order, intake, batches, progress)
            audit = Audit()
            if report.ok:
                audit = await self._auditor.audit(audited, intake.rows, folder, order.limit, progress)
            return AuditOutcome(audited.rows, report, audit)
        finally:
            intake.close()
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    async def _take(
        self, order: AuditOrder, intake: LayerIntake, batches: AsyncIterator[pa.RecordBatch], progress: Progress
    ) -> ImportReport:
        intake.open()
        rows = 0
        async for batch in batches:
            await asyncio.to_thread(intake.take, batch)
            rows += batch.num_rows
            progress("validate", rows, order.expected_rows)
        report = await asyncio.to_thread(intake.finish)
        # That a table has no rows is no fault here: then all rows are the version's alone.
        return replace(report, faults=tuple(item for item in report.faults if item.kind is not FaultKind.EMPTY_LAYER))

    def _inspector(self, order: AuditOrder, audited: AuditedVersion, folder: Path) -> Inspector:
        """Where features lie does not tell whether they are equal, so bounds are never a fault."""
        return Inspector(
            audited.collection,
            node_division(_split(order.dataset)[0]),
            self._gazetteer.bounds_table(),
            repair=order.repair,
            force_bounds=True,
            tolerance_deg=self._tolerance_deg,
            source=order.source,
            source_faults=order.source_faults,
            directory=folder,
        )


def _split(dataset: str) -> tuple[str, str]:
    try:
        return split_dataset(dataset)
    except ValueError as failure:
        raise InvalidQuestion(part="dataset", detail=str(failure)) from failure
