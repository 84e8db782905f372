"""One publish from the operator's side: open the files, send them, tell how it went."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import pyarrow as pa

from guotu.model.division import dataset_id
from guotu.model.errors import InvalidConfig, NodeUnavailable
from guotu.model.records import Change, DatasetRecord, NodeRecord
from guotu.wire.admin import AdminClient, PublishHeader, PublishResult
from node.cli.background import in_background
from node.cli.publish_progress import PublishProgressBars
from node.cli.publish_sources import Files, Source, open_sources
from node.cli.read_back import connect_to, read_back
from node.cli.table_order import TableOrder
from node.config import NodeConfig
from node.data_directory import DataDirectory
from node.ingest.report import Fault, ImportReport, faults_to_json


@dataclass(frozen=True, slots=True)
class Order:
    """What the operator asks for; see the options of `guotu publish`."""

    collection: str
    files: Files
    table: TableOrder | None = None
    """In place of files."""
    repair: bool = False
    force_bounds: bool = False
    dry_run: bool = False
    message: str = ""
    source_date: str = ""
    new_series: bool = False


@dataclass(frozen=True, slots=True)
class Publication:
    """How a publish ended."""

    dataset: str
    head: DatasetRecord | None
    """The head now; None if there is none or it was not told."""
    published: bool
    dry_run: bool
    report: ImportReport
    seconds: dict[str, float] = field(default_factory=dict)
    """By stage; "total" is what the operator waited."""
    change: Change | None = None
    """Against the head before; None if it is not known, or there was none."""
    size_bytes: int = 0
    """Of the version's delta, or of its base if it has none; 0 if it is not known."""


class _LateFaults(Exception):
    """The reader found faults in the rows themselves, after the header was sent: nothing may be published."""


def run_publication(config: NodeConfig, order: Order) -> Publication:
    """Publish through the node's admin socket; progress goes to stderr.

    Raises:
        InvalidConfig: no node runs on the data directory.
        UnknownCollection: the catalogue has no such collection.
        InvalidQuestion: the encoding is unknown.
        IncompatibleSchema: the collection's definition breaks with the versions there are.
        PublishConflict: someone else published meanwhile.
        NodeUnavailable: the node was lost, and did not come back to say whether it published.
    """
    socket = DataDirectory(config.node.data_dir).admin_socket
    if not socket.exists():
        detail = f"节点未在运行，缺 no node runs here, missing: {socket}; 请先启动 start it: guotu node serve"
        raise InvalidConfig(source=str(config.node.data_dir), detail=detail)
    started = time.perf_counter()
    with AdminClient(socket) as admin:
        node, _ = admin.status()
        with connect_to(node.address, config) as mesh:
            collection = mesh.collection(order.collection)
        sending = Sending(config, node, order, admin)
        if order.table is None:
            publication = sending.run(open_sources(order.files, collection))
        else:
            from node.cli.table_publication import publish_table  # its client of databases takes time to load

            publication = publish_table(sending, order.table, collection)
    publication.seconds["total"] = time.perf_counter() - started
    return publication


class Sending:
    """One layer or increment on its way to the node."""

    _sources: Source

    def __init__(self, config: NodeConfig, node: NodeRecord, order: Order, admin: AdminClient) -> None:
        self.config, self.order, self.admin = config, order, admin
        self.dataset = dataset_id(node.node, order.collection)
        self.told: PublishResult | None = None
        """What the node told at the end."""
        self._node = node
        self._early: list[Fault] = []
        self._write_id = uuid.uuid4().hex
        self._rows = 0
        self._sent_all = False

    def run(self, sources: Source) -> Publication:
        """Send what there is, once; returns how it ended."""
        self._sources, self._early = sources, sources.faults
        if sources.schema is None and sources.deletes_schema is None:
            return self._made(None, False, self._own_report(), {})
        try:
            with PublishProgressBars() as bars:
                for frame in in_background(
                    lambda: self.admin.publish(self._header(), self._batches(), self._deletes())
                ):
                    if isinstance(frame, PublishResult):
                        return self._publication(frame)
                    bars.update(frame)
        except _LateFaults:
            return self._made(None, False, self._own_report(), {})
        except NodeUnavailable as lost:
            return self._resolved(lost)
        raise NodeUnavailable(address=self._node.address, detail="没有结果 the node ended the call without a result")

    def _header(self) -> PublishHeader:
        order, sources = self.order, self._sources
        return PublishHeader(
            collection=order.collection,
            schema=sources.schema,
            write_id=self._write_id,
            source=sources.describe,
            message=order.message,
            repair=order.repair,
            force_bounds=order.force_bounds,
            dry_run=order.dry_run,
            expected_rows=sources.feature_count,
            source_faults_json=faults_to_json(sources.findings),
            increment=sources.is_increment,
            expected_head=sources.expected_head,
            deletes_schema=sources.deletes_schema,
            source_date=order.source_date,
            new_series=order.new_series,
        )

    def _batches(self) -> Iterator[pa.RecordBatch]:
        return self._counted(self._sources.batches())

    def _deletes(self) -> Iterator[pa.RecordBatch]:
        """Yield the deletes, which come last; then it is known whether all that was sent may be published."""
        yield from self._counted(self._sources.deletes())
        publishes = not (self._early or self.order.dry_run)
        if publishes and self._sources.faults:
            raise _LateFaults
        self._sent_all = True

    def _counted(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            self._rows += batch.num_rows
            yield batch

    def _own_report(self) -> ImportReport:
        return ImportReport(self.order.collection, self._sources.describe, self._rows).joined(self._sources.findings)

    def _publication(self, result: PublishResult) -> Publication:
        self.told = result
        report = ImportReport.from_json(result.report_json).joined(self._sources.findings)
        return self._made(result.dataset, result.published, report, result.seconds, result.change, result.size_bytes)

    def _resolved(self, lost: NodeUnavailable) -> Publication:
        """Tell after a lost connection what became of the version, by asking the node for its head."""
        if not self._sent_all or self.order.dry_run:
            raise lost
        head = read_back(self.config, self._node, self.dataset, self._write_id)
        if head is None:
            detail = "连接中断，没有发布，请重试 the connection was lost and nothing was published; try again"
            raise NodeUnavailable(address=self._node.address, detail=detail) from lost
        return self._made(head, True, self._own_report(), {})

    def _made(
        self,
        head: DatasetRecord | None,
        published: bool,
        report: ImportReport,
        seconds: Mapping[str, float],
        change: Change | None = None,
        size_bytes: int = 0,
    ) -> Publication:
        dry_run = self.order.dry_run
        return Publication(self.dataset, head, published, dry_run, report, dict(seconds), change, size_bytes)
