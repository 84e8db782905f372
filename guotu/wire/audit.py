"""The operator's side of `guotu.v1.AuditService`: auditing over the node's local socket."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from guotu.model.collection import Collection
from guotu.model.definition import collection_from_json
from guotu.v1 import audit_pb2, audit_pb2_grpc
from guotu.wire.admin import messages
from guotu.wire.care import WorkProgress
from guotu.wire.connection import LocalClient, request_id
from guotu.wire.feed import Feed

_OPEN_S = 60.0
"""Deadline of looking a version up, seconds; an audit has none."""


@dataclass(frozen=True, slots=True)
class AuditedVersion:
    """A version that rows are held against."""

    version: int
    manifest: str
    """SHA-256, hex."""
    rows: int
    collection: Collection
    """As its rows are defined."""


@dataclass(frozen=True, slots=True)
class AuditHeader:
    """What an audit is; see AuditHeader in proto/guotu/v1/audit.proto."""

    dataset: str
    version: int
    schema: pa.Schema
    source: str
    repair: bool
    expected_rows: int
    source_faults_json: bytes
    limit: int


@dataclass(frozen=True, slots=True)
class AuditedRow:
    """A row that is not the same on both sides."""

    key: str
    how: str
    """"only_in_source", "only_in_version" or "differing"."""
    fields: tuple[str, ...]
    """Those that differ, of a row that both sides have."""


@dataclass(frozen=True, slots=True)
class AuditResult:
    """How an audit ended; see AuditResult in proto/guotu/v1/audit.proto."""

    rows: int
    version_rows: int
    only_in_source: int
    only_in_version: int
    differing: int
    report_json: bytes
    """Faults of the rows, as in docs/reference/import-report.md; with faults nothing was compared."""


class AuditClient(LocalClient):
    """A connection to one node's admin socket. When it is closed, an audit under way ends."""

    def __init__(self, socket: Path) -> None:
        super().__init__(socket)
        self._stub = audit_pb2_grpc.AuditServiceStub(self._channel)

    def open(self, dataset: str, version: int) -> AuditedVersion:
        """Return a version that the node can answer from; 0 is the newest.

        Raises:
            UnknownDataset, UnknownVersion, NodeUnavailable, ...: what the node raised.
        """
        request = audit_pb2.GetAuditedVersionRequest(dataset=dataset, version=version)
        with self._errors():
            found = self._stub.GetAuditedVersion(request, timeout=_OPEN_S, metadata=request_id())
        return AuditedVersion(found.version, found.manifest, found.rows, collection_from_json(found.definition_json))

    def audit(
        self, header: AuditHeader, batches: Iterable[pa.RecordBatch]
    ) -> Iterator[WorkProgress | AuditedRow | AuditResult]:
        """Compare rows with a version; yields progress, then differing rows by key, then the result.

        Raises:
            TooLarge: one feature alone is over the limit of a message.
            GuotuError: what the node refused.
            Exception: whatever `batches` raised.
        """
        feed = Feed(_requests(header, batches))
        call = self._stub.Audit(iter(feed), metadata=request_id())
        with self._streaming(call, feed):
            for response in call:
                yield from _frames(response)


def _requests(header: AuditHeader, batches: Iterable[pa.RecordBatch]) -> Iterator[audit_pb2.AuditRequest]:
    yield audit_pb2.AuditRequest(header=_header_to_proto(header))
    rows = 0
    for batch in batches:
        rows += batch.num_rows
        for message in messages(batch):
            yield audit_pb2.AuditRequest(arrow_batch=message)
    yield audit_pb2.AuditRequest(finish=audit_pb2.AuditFinish(rows=rows))


def _header_to_proto(header: AuditHeader) -> audit_pb2.AuditHeader:
    return audit_pb2.AuditHeader(
        dataset=header.dataset,
        version=header.version,
        arrow_schema=header.schema.serialize().to_pybytes(),
        source=header.source,
        repair=header.repair,
        expected_rows=header.expected_rows,
        source_faults_json=header.source_faults_json,
        limit=header.limit,
    )


def _frames(response: audit_pb2.AuditResponse) -> Iterator[WorkProgress | AuditedRow | AuditResult]:
    match response.WhichOneof("frame"):
        case "progress":
            yield WorkProgress(response.progress.stage, response.progress.done, response.progress.total)
        case "rows":
            for row in response.rows.rows:
                yield AuditedRow(row.key, row.how, tuple(row.fields))
        case _:
            found = response.result
            yield AuditResult(
                found.rows,
                found.version_rows,
                found.only_in_source,
                found.only_in_version,
                found.differing,
                found.report_json,
            )
