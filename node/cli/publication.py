"""One publish from the operator's side: open the layer, send it, tell how it went."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from guotu.model.division import dataset_id
from guotu.model.errors import InvalidConfig, InvalidQuestion, NodeUnavailable
from guotu.model.records import DatasetRecord, NodeRecord
from guotu.wire.admin import AdminClient, PublishHeader, PublishResult
from node.cli.background import in_background
from node.cli.publish_progress import PublishProgressBars
from node.cli.read_back import connect_to, read_back
from node.config import NodeConfig
from node.data_directory import DataDirectory
from node.ingest.report import Fault, ImportReport, faults_to_json
from node.ingest.source import LayerSource, open_source


@dataclass(frozen=True, slots=True)
class Order:
    """What the operator asks for; see the options of `guotu publish`."""

    collection: str
    source: Path
    layer: str | None
    encoding: str | None
    crs: str | None
    key: str | None
    mapping: Mapping[str, str]
    repair: bool
    force_bounds: bool
    dry_run: bool
    message: str


@dataclass(frozen=True, slots=True)
class Publication:
    """How a publish ended."""

    dataset: str
    head: DatasetRecord | None
    """The head now; None if there is none or it was not told."""
    published: bool
    dry_run: bool
    report: ImportReport
    seconds: dict[str, float]
    """By stage; "total" is what the operator waited."""


class _LateFaults(Exception):
    """The reader found faults in the rows themselves, after the header was sent: nothing may be published."""


def run_publication(config: NodeConfig, order: Order) -> Publication:
    """Publish a layer through the node's admin socket; progress goes to stderr.

    Raises:
        InvalidConfig: no node runs on the data directory.
        UnknownCollection: the catalogue has no such collection.
        InvalidQuestion: the encoding is unknown.
        NodeUnavailable: the node was lost, and did not come back to say whether it published.
    """
    socket = DataDirectory(config.node.data_dir).admin_socket
    if not socket.exists():
        detail = f"节点未在运行，缺 no node runs here, missing: {socket}; 请先启动 start it: guotu node serve"
        raise InvalidConfig(source=str(config.node.data_dir), detail=detail)
    started = time.perf_counter()
    with AdminClient(socket) as admin:
        node, _ = admin.status()
        source = _open(config, node, order)
        if not len(source.schema):
            report = ImportReport(order.collection, str(source.describe), 0).joined(_findings(source))
            return Publication(dataset_id(node.node, order.collection), None, False, order.dry_run, report, {})
        publication = _Sending(config, node, order, source).run(admin)
    publication.seconds["total"] = time.perf_counter() - started
    return publication


def _open(config: NodeConfig, node: NodeRecord, order: Order) -> LayerSource:
    with connect_to(node.address, config) as mesh:
        collection = mesh.collection(order.collection)
    try:
        return open_source(
            order.source,
            collection,
            layer=order.layer,
            encoding=order.encoding,
            crs=order.crs,
            key=order.key,
            mapping=order.mapping,
        )
    except ValueError as failure:
        raise InvalidQuestion(part="--encoding", detail=str(failure)) from failure


def _findings(source: LayerSource) -> list[Fault]:
    return [*source.faults, *source.notices]


class _Sending:
    """One layer on its way to the node."""

    def __init__(self, config: NodeConfig, node: NodeRecord, order: Order, source: LayerSource) -> None:
        self._config, self._node, self._order, self._source = config, node, order, source
        self._early = source.faults
        self._write_id = uuid.uuid4().hex
        self._rows = 0
        self._sent_all = False

    def run(self, admin: AdminClient) -> Publication:
        try:
            with PublishProgressBars() as bars:
                for frame in in_background(lambda: admin.publish(self._header(), self._batches())):
                    if isinstance(frame, PublishResult):
                        return self._publication(frame)
                    bars.update(frame)
        except _LateFaults:
            report = ImportReport(self._order.collection, str(self._source.describe), self._rows)
            return self._made(None, False, report.joined(_findings(self._source)), {})
        except NodeUnavailable as lost:
            return self._resolved(lost)
        raise NodeUnavailable(address=self._node.address, detail="没有结果 the node ended the call without a result")

    def _header(self) -> PublishHeader:
        order, source = self._order, self._source
        return PublishHeader(
            collection=order.collection,
            schema=source.schema,
            write_id=self._write_id,
            source=str(source.describe),
            message=order.message,
            repair=order.repair,
            force_bounds=order.force_bounds,
            dry_run=order.dry_run,
            expected_rows=source.feature_count,
            source_faults_json=faults_to_json(_findings(source)),
        )

    def _batches(self) -> Iterator[pa.RecordBatch]:
        for batch in self._source.batches():
            self._rows += batch.num_rows
            yield batch
        publishes = not (self._early or self._order.dry_run)
        if publishes and self._source.faults:
            raise _LateFaults
        self._sent_all = True

    def _publication(self, result: PublishResult) -> Publication:
        report = ImportReport.from_json(result.report_json).joined(_findings(self._source))
        return self._made(result.dataset, result.published, report, result.seconds)

    def _resolved(self, lost: NodeUnavailable) -> Publication:
        """Tell after a lost connection what became of the version, by asking the node for its head."""
        if not self._sent_all or self._order.dry_run:
            raise lost
        head = read_back(self._config, self._node, self._dataset, self._write_id)
        if head is None:
            detail = "连接中断，没有发布，请重试 the connection was lost and nothing was published; try again"
            raise NodeUnavailable(address=self._node.address, detail=detail) from lost
        report = ImportReport(self._order.collection, str(self._source.describe), self._rows)
        return self._made(head, True, report.joined(_findings(self._source)), {})

    @property
    def _dataset(self) -> str:
        return dataset_id(self._node.node, self._order.collection)

    def _made(
        self, head: DatasetRecord | None, published: bool, report: ImportReport, seconds: Mapping[str, float]
    ) -> Publication:
        return Publication(self._dataset, head, published, self._order.dry_run, report, dict(seconds))
