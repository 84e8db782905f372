"""One audit of a table, from the operator's side."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa

from guotu.model.division import split_dataset
from guotu.model.errors import InvalidQuestion, NodeUnavailable
from guotu.wire.audit import AuditClient, AuditedRow, AuditedVersion, AuditHeader, AuditResult
from guotu.wire.care import WorkProgress
from node.cli.background import in_background
from node.cli.console import say
from node.cli.operating import admin_socket
from node.cli.table_order import TableOrder, database_url, table_options
from node.cli.table_rows import all_rows
from node.cli.work_progress import WorkProgressBars
from node.config import NodeConfig
from node.data_directory import DataDirectory
from node.fingerprints.binding import TableOptions
from node.fingerprints.book import Book
from node.ingest.report import ImportReport, faults_to_json
from node.ingest.source import LayerSource
from node.ingest.table import TableLayer
from node.stores.postgis.tables.table import LiveTable

_STAGES = {"validate": "读取检查 read", "digest": "摘要 digest", "compare": "比较 compare"}


@dataclass(frozen=True, slots=True)
class AuditTarget:
    """What a table is held against."""

    dataset: str
    version: int
    """0: the newest."""


@dataclass(frozen=True, slots=True)
class TableAudit:
    """What an audit found."""

    table: str
    dataset: str
    version: int
    manifest: str
    result: AuditResult
    rows: tuple[AuditedRow, ...]
    """The first that differ, by key."""
    report: ImportReport

    @property
    def equal(self) -> bool:
        """True if the table's rows are those of the version."""
        result = self.result
        return self.report.ok and not (result.only_in_source or result.only_in_version or result.differing)


def audit_table(config: NodeConfig, order: TableOrder, target: AuditTarget, limit: int) -> TableAudit:
    """Read a table in one snapshot and hold it against a version; progress goes to stderr, nothing is changed.

    Raises:
        InvalidConfig: no node runs on the data directory.
        InvalidQuestion: no database is named, or that is no dataset's id.
        UnknownDataset, UnknownVersion: the node does not hold it.
        InvalidTable, DatabaseUnavailable, InvalidFilter, UnknownField: the table cannot be read so.
        NodeUnavailable: the node was lost.
    """
    url = database_url(order.database, config)
    with AuditClient(admin_socket(config)) as client, LiveTable(url, order.table) as live:
        audited = client.open(target.dataset, target.version)
        options = _options(config, order, target.dataset)
        with WorkProgressBars(_STAGES) as bars:
            rows = []
            for frame in in_background(lambda: _frames(client, live, options, audited, target.dataset, limit)):
                match frame:
                    case WorkProgress():
                        bars.update(frame)
                    case AuditedRow():
                        rows.append(frame)
                    case _:
                        return frame.told(target.dataset, audited, tuple(rows))
    raise NodeUnavailable(address=target.dataset, detail="没有结果 the node ended the call without a result")


@dataclass(frozen=True, slots=True)
class _End:
    """The last frame, and what the reader of the table found."""

    source: LayerSource
    result: AuditResult

    def told(self, dataset: str, audited: AuditedVersion, rows: tuple[AuditedRow, ...]) -> TableAudit:
        report = ImportReport.from_json(self.result.report_json)
        report = report.joined([*self.source.faults, *self.source.notices])
        label = str(self.source.describe)
        return TableAudit(label, dataset, audited.version, audited.manifest, self.result, rows, report)


def _frames(
    client: AuditClient, live: LiveTable, options: TableOptions, audited: AuditedVersion, dataset: str, limit: int
) -> Iterator[WorkProgress | AuditedRow | _End]:
    layer = TableLayer(live, options, audited.collection)
    source = layer.source(all_rows(live))
    header = AuditHeader(
        dataset=dataset,
        version=audited.version,
        schema=source.schema,
        source=str(source.describe),
        repair=options.repair,
        expected_rows=source.feature_count,
        source_faults_json=faults_to_json([*source.faults, *source.notices]),
        limit=limit,
    )
    for frame in client.audit(header, _read(source, live)):
        yield _End(source, frame) if isinstance(frame, AuditResult) else frame


def _read(source: LayerSource, live: LiveTable) -> Iterator[pa.RecordBatch]:
    """Yield the rows; then the snapshot is given up."""
    yield from source.batches()
    live.close()


def _options(config: NodeConfig, order: TableOrder, dataset: str) -> TableOptions:
    """Return how the table is read: as the operator says, or else as at the last publication from it."""
    said = table_options(order)
    try:
        node, collection = split_dataset(dataset)
    except ValueError as failure:
        raise InvalidQuestion(part="dataset", detail=str(failure)) from failure
    if said != TableOptions(order.table) or node != config.node.id:
        return said
    memory = Book(DataDirectory(config.node.data_dir).tables, collection).memory()
    if memory is None or order.table not in (memory.binding.options.table, memory.binding.relation):
        return said
    if memory.binding.options != said:
        say("沿用上次发布的选项 the options are those of the last publication from this table", "dim")
    return memory.binding.options
