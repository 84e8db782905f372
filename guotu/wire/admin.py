"""The operator's side of `guotu.v1.AdminService`: publishing over the node's local socket."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import pyarrow as pa

from guotu.model.errors import TooLarge
from guotu.model.records import Change, DatasetRecord, NodeRecord
from guotu.v1 import admin_pb2, admin_pb2_grpc
from guotu.wire.changes import change_from_proto
from guotu.wire.connection import LocalClient, request_id
from guotu.wire.feed import Feed
from guotu.wire.records import dataset_from_proto, node_from_proto

BATCH_BYTES = 1 << 20
"""Size that batches are cut to, in Arrow buffers."""
MAX_BATCH_BYTES = 3 << 20
"""Largest Arrow message sent; a node takes 4 MiB."""
STATUS_TIMEOUT = 60.0
"""Deadline of GetStatus in seconds."""


@dataclass(frozen=True, slots=True)
class PublishHeader:
    """What a publish is; see PublishHeader in proto/guotu/v1/admin.proto."""

    collection: str
    schema: pa.Schema | None
    """Of the rows; None if an increment only deletes."""
    write_id: str
    source: str = ""
    message: str = ""
    repair: bool = False
    force_bounds: bool = False
    dry_run: bool = False
    expected_rows: int = 0
    source_faults_json: bytes = b""
    increment: bool = False
    deletes_schema: pa.Schema | None = None
    """Of the rows to delete; None for none."""
    source_date: str = ""
    new_series: bool = False
    expected_head: str = ""
    """Manifest of the head that an increment was found against; empty for any."""


@dataclass(frozen=True, slots=True)
class PublishProgress:
    """How far a publish is; `total` is 0 if it is not known."""

    stage: str
    rows: int
    total: int


@dataclass(frozen=True, slots=True)
class PublishResult:
    """How a publish ended."""

    dataset: DatasetRecord | None
    """The head now; None if there is none."""
    published: bool
    report_json: bytes
    """Faults and repairs, as in docs/reference/import-report.md."""
    seconds: Mapping[str, float]
    """By stage."""
    change: Change | None = None
    """Against the head before; None if it was not found out, or there was none."""
    size_bytes: int = 0
    """Of the version's delta, or of its base if it has none."""


class AdminClient(LocalClient):
    """A connection to one node's admin socket. When it is closed, a publish under way ends without a version."""

    def status(self) -> tuple[NodeRecord, list[DatasetRecord]]:
        """Return (the node, its own datasets).

        Raises:
            NodeUnavailable: no node listens on the socket.
        """
        stub = admin_pb2_grpc.AdminServiceStub(self._channel)
        with self._errors():
            response = stub.GetStatus(admin_pb2.GetStatusRequest(), timeout=STATUS_TIMEOUT)
        return node_from_proto(response.node), [dataset_from_proto(record) for record in response.datasets]

    def publish(
        self, header: PublishHeader, batches: Iterable[pa.RecordBatch], deletes: Iterable[pa.RecordBatch] = ()
    ) -> Iterator[PublishProgress | PublishResult]:
        """Publish rows; yields progress, then the result. Closing the iterator early gives the publish up.

        Args:
            header: what it is; its schema is that of all batches.
            batches: rows of any size, read in another thread as the node takes them.
            deletes: rows to delete, read after them; their schema is `header.deletes_schema`.

        Raises:
            TooLarge: one feature alone is over the limit of a message.
            NodeUnavailable: the connection was lost; the version may exist all the same if all rows were sent.
            GuotuError: what the node refused.
            Exception: whatever `batches` or `deletes` raised; nothing was published then.
        """
        feed = Feed(_requests(header, batches, deletes))
        stub = admin_pb2_grpc.AdminServiceStub(self._channel)
        call = stub.Publish(iter(feed), metadata=request_id())
        with self._streaming(call, feed):
            for response in call:
                yield _frame(response)


def _requests(
    header: PublishHeader, batches: Iterable[pa.RecordBatch], deletes: Iterable[pa.RecordBatch]
) -> Iterator[admin_pb2.PublishRequest]:
    yield admin_pb2.PublishRequest(header=_header_to_proto(header))
    rows = 0
    for part, are_deletes in ((batches, False), (deletes, True)):
        for batch in part:
            rows += batch.num_rows
            for message in messages(batch):
                sent = admin_pb2.PublishBatch(arrow_batch=message, deletes=are_deletes)
                yield admin_pb2.PublishRequest(batch=sent)
    yield admin_pb2.PublishRequest(finish=admin_pb2.PublishFinish(rows=rows))


def messages(batch: pa.RecordBatch) -> Iterator[bytes]:
    """Yield a batch as Arrow IPC messages of about 1 MiB, none over 3 MiB; none for a batch without rows.

    Raises:
        TooLarge: one row alone is over the limit.
    """
    step = max(1, batch.num_rows * BATCH_BYTES // max(batch.nbytes, 1))
    pending = [batch.slice(start, step) for start in range(0, batch.num_rows, step)]
    pending.reverse()
    while pending:
        part = pending.pop()
        encoded = part.serialize()
        if encoded.size <= MAX_BATCH_BYTES:
            yield encoded.to_pybytes()
        elif part.num_rows == 1:
            raise TooLarge(what="要素 a feature", size=encoded.size, limit=MAX_BATCH_BYTES)
        else:
            half = part.num_rows // 2
            pending += [part.slice(half), part.slice(0, half)]


def _header_to_proto(header: PublishHeader) -> admin_pb2.PublishHeader:
    return admin_pb2.PublishHeader(
        collection=header.collection,
        arrow_schema=_schema_bytes(header.schema),
        source=header.source,
        message=header.message,
        repair=header.repair,
        force_bounds=header.force_bounds,
        dry_run=header.dry_run,
        expected_rows=header.expected_rows,
        write_id=header.write_id,
        source_faults_json=header.source_faults_json,
        increment=header.increment,
        deletes_schema=_schema_bytes(header.deletes_schema),
        source_date=header.source_date,
        new_series=header.new_series,
        expected_head=header.expected_head,
    )


def _schema_bytes(schema: pa.Schema | None) -> bytes:
    return b"" if schema is None else bytes(schema.serialize().to_pybytes())


def _frame(response: admin_pb2.PublishResponse) -> PublishProgress | PublishResult:
    if response.WhichOneof("frame") == "progress":
        progress = response.progress
        return PublishProgress(progress.stage, progress.rows, progress.total)
    result = response.result
    return PublishResult(
        dataset_from_proto(result.dataset) if result.HasField("dataset") else None,
        result.published,
        result.report_json,
        dict(result.seconds),
        change_from_proto(result.change) if result.HasField("change") else None,
        result.bytes,
    )
