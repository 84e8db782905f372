"""guotu.v1.AuditService: rows from elsewhere against versions held here, on the node's own socket only."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing

import pyarrow as pa

from guotu.model.definition import collection_to_json
from guotu.model.errors import InvalidQuestion
from guotu.v1 import audit_pb2, audit_pb2_grpc, progress_pb2
from node.audit import AuditDesk, AuditOrder, AuditOutcome
from node.rpc.batches import read_batch, read_faults, read_schema
from node.rpc.gate import Context, Gate
from node.rpc.work import Work
from sync.audit import DIFFERING, ONLY_IN_SOURCE, ONLY_IN_VERSION, AuditedRow

_MOST_TOLD = 100_000
_ROWS_A_FRAME = 500
_Requests = AsyncIterator[audit_pb2.AuditRequest]


class AuditServicer(audit_pb2_grpc.AuditServiceServicer):
    """Serves the operator."""

    def __init__(self, gate: Gate, desk: AuditDesk) -> None:
        self._gate = gate
        self._desk = desk

    async def GetAuditedVersion(
        self, request: audit_pb2.GetAuditedVersionRequest, context: Context
    ) -> audit_pb2.GetAuditedVersionResponse:
        """Return a version and the definition that its rows have."""

        async def work() -> audit_pb2.GetAuditedVersionResponse:
            found = await self._desk.open(request.dataset, request.version)
            return audit_pb2.GetAuditedVersionResponse(
                version=found.version,
                manifest=found.manifest,
                rows=found.rows,
                definition_json=collection_to_json(found.collection),
            )

        return await self._gate.unary(context, "GetAuditedVersion", work)

    async def Audit(self, request_iterator: _Requests, context: Context) -> AsyncIterator[audit_pb2.AuditResponse]:
        """Compare rows with a version."""
        async for response in self._gate.streaming(context, "Audit", lambda: self._audit(request_iterator)):
            yield response

    async def _audit(self, requests: _Requests) -> AsyncIterator[audit_pb2.AuditResponse]:
        first = await anext(requests, None)
        if first is None or first.WhichOneof("frame") != "header":
            raise InvalidQuestion(part="audit", detail="the first frame must be the header")
        order = _order(first.header)
        work = Work(lambda report: self._desk.audit(order, _batches(requests, order.schema), report))
        async with aclosing(work.frames()) as frames:  # type: ignore[type-var]
            async for frame in frames:
                if isinstance(frame, progress_pb2.WorkProgress):
                    yield audit_pb2.AuditResponse(progress=frame)
                    continue
                rows = frame.audit.rows
                for start in range(0, len(rows), _ROWS_A_FRAME):
                    yield audit_pb2.AuditResponse(rows=_rows_to_proto(rows[start : start + _ROWS_A_FRAME]))
                yield audit_pb2.AuditResponse(result=_result_to_proto(frame))


async def _batches(requests: _Requests, schema: pa.Schema) -> AsyncIterator[pa.RecordBatch]:
    """Yield all batches.

    Raises:
        InvalidQuestion: the input ended without its finish, or rows are missing.
    """
    rows = 0
    async for request in requests:
        if request.WhichOneof("frame") == "finish":
            if request.finish.rows != rows:
                raise InvalidQuestion(part="audit", detail=f"{request.finish.rows} rows were sent, {rows} came")
            return
        batch = read_batch(request.arrow_batch, schema)
        rows += batch.num_rows
        yield batch
    raise InvalidQuestion(part="audit", detail="the input ended without its finish")


def _order(header: audit_pb2.AuditHeader) -> AuditOrder:
    if not 1 <= header.limit <= _MOST_TOLD:
        raise InvalidQuestion(part="limit", detail=f"1 to {_MOST_TOLD}")
    return AuditOrder(
        dataset=header.dataset,
        version=header.version,
        schema=read_schema(header.arrow_schema),
        source=header.source,
        repair=header.repair,
        expected_rows=header.expected_rows,
        source_faults=read_faults(header.source_faults_json),
        limit=header.limit,
    )


def _rows_to_proto(rows: list[AuditedRow]) -> audit_pb2.AuditedRows:
    made = [audit_pb2.AuditedRow(key=item.key, how=item.how, fields=item.fields) for item in rows]
    return audit_pb2.AuditedRows(rows=made)


def _result_to_proto(outcome: AuditOutcome) -> audit_pb2.AuditResult:
    counts = outcome.audit.counts
    return audit_pb2.AuditResult(
        rows=outcome.report.rows,
        version_rows=outcome.version_rows,
        only_in_source=counts[ONLY_IN_SOURCE],
        only_in_version=counts[ONLY_IN_VERSION],
        differing=counts[DIFFERING],
        report_json=outcome.report.to_json(),
    )
