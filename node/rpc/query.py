"""guotu.v1.QueryService."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace

from federation.service import Federation
from guotu.model.answer import Batch, Frame, Trailer
from guotu.v1 import query_pb2, query_pb2_grpc
from guotu.wire.answers import ResponseT, frame_to_proto, trailer_to_proto
from guotu.wire.boundaries import boundary_to_proto
from guotu.wire.plans import plan_to_proto
from guotu.wire.questions import explain_from_proto, overlay_from_proto, query_from_proto, stats_from_proto
from node.metrics import Metrics
from node.rpc.gate import Context, Gate


class QueryServicer(query_pb2_grpc.QueryServiceServicer):
    """Answers questions."""

    def __init__(self, gate: Gate, federation: Federation, metrics: Metrics) -> None:
        self._gate = gate
        self._federation = federation
        self._metrics = metrics

    async def Query(self, request: query_pb2.QueryRequest, context: Context) -> AsyncIterator[query_pb2.QueryResponse]:
        """Retrieve features."""
        arrived = time.perf_counter()

        def work() -> AsyncIterator[query_pb2.QueryResponse]:
            frames = self._federation.query(query_from_proto(request), self._gate.timeout(context))
            return self._responses(frames, query_pb2.QueryResponse, "Query", arrived)

        async for response in self._gate.streaming(context, "Query", work, _is_aside(request)):
            yield response

    async def Aggregate(
        self, request: query_pb2.AggregateRequest, context: Context
    ) -> AsyncIterator[query_pb2.AggregateResponse]:
        """Group and aggregate."""
        arrived = time.perf_counter()

        def work() -> AsyncIterator[query_pb2.AggregateResponse]:
            frames = self._federation.stats(stats_from_proto(request), self._gate.timeout(context))
            return self._responses(frames, query_pb2.AggregateResponse, "Aggregate", arrived)

        async for response in self._gate.streaming(context, "Aggregate", work):
            yield response

    async def Overlay(
        self, request: query_pb2.OverlayRequest, context: Context
    ) -> AsyncIterator[query_pb2.OverlayResponse]:
        """Lay features over zones."""
        arrived = time.perf_counter()

        def work() -> AsyncIterator[query_pb2.OverlayResponse]:
            return self._responses(self._overlay(request, context), query_pb2.OverlayResponse, "Overlay", arrived)

        async for response in self._gate.streaming(context, "Overlay", work):
            yield response

    async def Explain(self, request: query_pb2.ExplainRequest, context: Context) -> query_pb2.ExplainResponse:
        """Explain a question."""

        async def work() -> query_pb2.ExplainResponse:
            question = await asyncio.to_thread(explain_from_proto, request)
            if not request.analyze:
                explained = await self._federation.explain(question, self._gate.timeout(context))
                return query_pb2.ExplainResponse(plan=plan_to_proto(explained, explained=True))
            plan, happened = await self._federation.analyze(question, self._gate.timeout(context))
            return query_pb2.ExplainResponse(
                plan=plan_to_proto(plan, explained=True), trailer=trailer_to_proto(happened)
            )

        return await self._gate.unary(context, "Explain", work, weighs=request.analyze)

    async def GetBoundary(
        self, request: query_pb2.GetBoundaryRequest, context: Context
    ) -> query_pb2.GetBoundaryResponse:
        """Find the boundary of a division."""

        async def work() -> query_pb2.GetBoundaryResponse:
            cut, seconds = dict(request.cut.versions), self._gate.timeout(context)
            return boundary_to_proto(await self._federation.boundary(request.division, cut, seconds))

        return await self._gate.unary(context, "GetBoundary", work, weighs=True)

    async def _overlay(self, request: query_pb2.OverlayRequest, context: Context) -> AsyncIterator[Frame]:
        question = await asyncio.to_thread(overlay_from_proto, request)  # checking many zones takes its time
        async with aclosing(self._federation.overlay(question, self._gate.timeout(context))) as frames:  # type: ignore[type-var]
            async for frame in frames:
                yield frame

    async def _responses(
        self, frames: AsyncIterator[Frame], response: type[ResponseT], method: str, arrived: float
    ) -> AsyncIterator[ResponseT]:
        queued_ms = (time.perf_counter() - arrived) * 1000  # it is asked for once the question has its turn
        try:
            async for frame in frames:
                if isinstance(frame, Batch):
                    self._metrics.rows.labels(method).inc(frame.rows.num_rows)
                    self._metrics.size.labels(method).inc(frame.rows.nbytes)
                elif isinstance(frame, Trailer) and frame.plan is not None:
                    frame = replace(frame, queued_ms=queued_ms)
                yield frame_to_proto(frame, response)
        finally:
            await frames.aclose()  # type: ignore[attr-defined]


def _is_aside(request: query_pb2.QueryRequest) -> bool:
    """Tell whether a retrieval has a turn of the other kind: one that has nodes below asked for one dataset at most."""
    options = request.options
    return bool(options.aside and options.dataset and not request.selection.boundary)
