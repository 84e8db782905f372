"""Answers' frames to protobuf and back; Arrow IPC messages for schema and batches."""

from __future__ import annotations

from typing import TypeVar

import pyarrow as pa

from guotu.model import answer as model
from guotu.model.errors import Internal
from guotu.v1 import common_pb2, query_pb2
from guotu.wire.plans import plan_from_proto, plan_to_proto
from guotu.wire.questions import cut_to_proto, mode_from_proto, mode_to_proto

Response = query_pb2.QueryResponse | query_pb2.AggregateResponse | query_pb2.OverlayResponse
ResponseT = TypeVar("ResponseT", query_pb2.QueryResponse, query_pb2.AggregateResponse, query_pb2.OverlayResponse)

_OUTCOMES = {
    model.Outcome.ANSWERED: common_pb2.OUTCOME_ANSWERED,
    model.Outcome.REPLICA: common_pb2.OUTCOME_REPLICA,
    model.Outcome.PRUNED: common_pb2.OUTCOME_PRUNED,
    model.Outcome.REFUSED: common_pb2.OUTCOME_REFUSED,
    model.Outcome.TIMED_OUT: common_pb2.OUTCOME_TIMED_OUT,
    model.Outcome.UNREACHABLE: common_pb2.OUTCOME_UNREACHABLE,
    model.Outcome.FAILED: common_pb2.OUTCOME_FAILED,
    model.Outcome.STALE_REGISTRY: common_pb2.OUTCOME_STALE_REGISTRY,
}
_UNREADABLE = (pa.ArrowException, OSError, EOFError, ValueError, TypeError, KeyError)
_OUTCOMES_BACK = {value: key for key, value in _OUTCOMES.items()}


def _member_to_proto(member: model.MemberOutcome) -> common_pb2.MemberOutcome:
    return common_pb2.MemberOutcome(
        node=member.node,
        dataset=member.dataset,
        outcome=_OUTCOMES[member.outcome],
        reason=member.reason,
        detail=member.detail,
        version=member.version,
        rows=member.rows,
        bytes=member.size_bytes,
        elapsed_ms=member.elapsed_ms,
        advertised_rows=member.advertised_rows,
        advertised_territory_m2=member.advertised_territory_m2,
        replica=member.replica,
        truncated=member.truncated,
        via=member.via,
    )


def _member_from_proto(member: common_pb2.MemberOutcome) -> model.MemberOutcome:
    return model.MemberOutcome(
        node=member.node,
        dataset=member.dataset,
        outcome=_OUTCOMES_BACK.get(member.outcome, model.Outcome.FAILED),
        reason=member.reason,
        detail=member.detail,
        version=member.version,
        rows=member.rows,
        size_bytes=member.bytes,
        elapsed_ms=member.elapsed_ms,
        advertised_rows=member.advertised_rows,
        advertised_territory_m2=member.advertised_territory_m2,
        replica=member.replica,
        truncated=member.truncated,
        via=member.via,
    )


def completeness_to_proto(completeness: model.Completeness) -> common_pb2.Completeness:
    """Return the wire value."""
    return common_pb2.Completeness(
        complete=completeness.complete,
        mode=mode_to_proto(completeness.mode),
        members=[_member_to_proto(member) for member in completeness.members],
        rows_share=completeness.rows_share,
        territory_share=completeness.territory_share,
        stale_registry=completeness.stale_registry,
        directory_as_of_ms=completeness.directory_as_of_ms,
    )


def completeness_from_proto(completeness: common_pb2.Completeness) -> model.Completeness:
    """Return the model value; `complete` and the shares follow from the members."""
    return model.Completeness(
        mode=mode_from_proto(completeness.mode),
        members=tuple(_member_from_proto(member) for member in completeness.members),
        stale_registry=completeness.stale_registry,
        directory_as_of_ms=completeness.directory_as_of_ms,
    )


def _header_to_proto(header: model.Header) -> query_pb2.AnswerHeader:
    return query_pb2.AnswerHeader(
        request_id=header.request_id,
        node=header.node,
        plan=plan_to_proto(header.plan),
        cut=cut_to_proto(header.cut),
        arrow_schema=header.schema.serialize().to_pybytes(),
    )


def _header_from_proto(header: query_pb2.AnswerHeader) -> model.Header:
    try:
        schema = pa.ipc.read_schema(pa.py_buffer(header.arrow_schema))
    except _UNREADABLE as failure:
        raise Internal(detail=f"the peer sent a schema that cannot be read: {failure}") from failure
    return model.Header(
        request_id=header.request_id,
        node=header.node,
        plan=plan_from_proto(header.plan),
        cut=dict(header.cut.versions),
        schema=schema,
    )


def _batch_to_proto(batch: model.Batch) -> query_pb2.AnswerBatch:
    encoded = batch.encoded or batch.rows.serialize().to_pybytes()
    return query_pb2.AnswerBatch(dataset=batch.dataset, arrow_batch=encoded, rows=batch.rows.num_rows)


def trailer_to_proto(trailer: model.Trailer) -> query_pb2.AnswerTrailer:
    """Return the wire value."""
    segments = [
        query_pb2.AnswerSegment(dataset=part.dataset, version=part.version, rows=part.rows, digest=part.digest)
        for part in trailer.segments
    ]
    return query_pb2.AnswerTrailer(
        completeness=completeness_to_proto(trailer.completeness),
        rows=trailer.rows,
        bytes=trailer.size_bytes,
        digest=trailer.digest,
        segments=segments,
        elapsed_ms=trailer.elapsed_ms,
        end=_end_to_proto(trailer),
        plan=None if trailer.plan is None else plan_to_proto(trailer.plan, explained=True),
        queued_ms=trailer.queued_ms,
    )


def _end_to_proto(trailer: model.Trailer) -> query_pb2.AnswerEnd | None:
    receipt = trailer.receipt
    if receipt is None and not trailer.next_page:
        return None
    statement, signature = (b"", b"") if receipt is None else (receipt.statement, receipt.signature)
    return query_pb2.AnswerEnd(next_page=trailer.next_page, receipt=statement, signature=signature)


def trailer_from_proto(trailer: query_pb2.AnswerTrailer) -> model.Trailer:
    """Return the model value."""
    return model.Trailer(
        completeness=completeness_from_proto(trailer.completeness),
        rows=trailer.rows,
        size_bytes=trailer.bytes,
        digest=trailer.digest,
        segments=tuple(model.Segment(part.dataset, part.version, part.rows, part.digest) for part in trailer.segments),
        elapsed_ms=trailer.elapsed_ms,
        next_page=trailer.end.next_page,
        receipt=model.Receipt(trailer.end.receipt, trailer.end.signature) if trailer.end.receipt else None,
        plan=plan_from_proto(trailer.plan) if trailer.HasField("plan") else None,
        queued_ms=trailer.queued_ms,
    )


def frame_to_proto(frame: model.Frame, response: type[ResponseT]) -> ResponseT:
    """Return the wire value of a frame, as a `response`."""
    if isinstance(frame, model.Batch):
        return response(batch=_batch_to_proto(frame))
    if isinstance(frame, model.Header):
        return response(header=_header_to_proto(frame))
    if isinstance(frame, model.Trailer):
        return response(trailer=trailer_to_proto(frame))
    warning = query_pb2.AnswerWarning(reason=frame.reason, message=frame.message, node=frame.node)
    return response(warning=warning)


class FrameReader:
    """Turns the responses of one answer into frames; batches are read with the header's schema, without a copy."""

    def __init__(self) -> None:
        self._schema: pa.Schema | None = None

    def read(self, response: Response) -> model.Frame:
        """Return the frame.

        Raises:
            Internal: the peer sent rows before its header, rows or a schema that are not sound, or no frame at all.
        """
        kind = response.WhichOneof("frame")
        if kind == "header":
            header = _header_from_proto(response.header)
            self._schema = header.schema
            return header
        if kind == "batch":
            return self._batch(response.batch)
        if kind == "trailer":
            return trailer_from_proto(response.trailer)
        if kind == "warning":
            warning = response.warning
            return model.Notice(warning.reason, warning.message, warning.node)
        raise Internal(detail="the peer sent a frame that this version does not know")

    def _batch(self, batch: query_pb2.AnswerBatch) -> model.Batch:
        if self._schema is None:
            raise Internal(detail="the peer sent rows before its header")
        encoded = batch.arrow_batch
        try:
            rows = pa.ipc.read_record_batch(pa.py_buffer(encoded), self._schema)
            # Offsets that point outside would be followed later, into memory that is not ours.
            rows.validate(full=True)
        except _UNREADABLE as failure:
            raise Internal(detail=f"the peer sent a batch that cannot be read: {failure}") from failure
        if rows.num_rows != batch.rows:
            raise Internal(detail=f"the peer sent a batch of {rows.num_rows} rows and said {batch.rows}")
        return model.Batch(batch.dataset, rows, encoded)
