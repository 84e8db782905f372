"""A real receiver of OTLP spans: the TraceService of OpenTelemetry's own protocol on a gRPC server of its own."""

from __future__ import annotations

import threading
from concurrent import futures
from dataclasses import dataclass
from typing import Any

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from opentelemetry.proto.common.v1 import common_pb2


@dataclass(frozen=True, slots=True)
class Received:
    """One span that came, and who sent it."""

    name: str
    kind: int
    trace: str
    span: str
    parent: str
    failed: bool
    facts: dict[str, Any]
    resource: dict[str, Any]

    @property
    def node(self) -> str:
        return str(self.resource["service.instance.id"])


def _facts(pairs: Any) -> dict[str, Any]:
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: common_pb2.AnyValue) -> Any:
    return getattr(value, str(value.WhichOneof("value")))


class Collector(trace_service_pb2_grpc.TraceServiceServicer):
    """Takes spans on a free port of 127.0.0.1; use it as a context manager."""

    def __init__(self) -> None:
        self._came = threading.Condition()
        self._spans: list[Received] = []
        self._server = grpc.server(futures.ThreadPoolExecutor(2))
        trace_service_pb2_grpc.add_TraceServiceServicer_to_server(self, self._server)
        self.endpoint = f"http://127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"

    def __enter__(self) -> Collector:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Take no more; a second time changes nothing."""
        self._server.stop(None).wait()

    def Export(self, request: Any, context: Any) -> trace_service_pb2.ExportTraceServiceResponse:
        with self._came:
            for part in request.resource_spans:
                resource = _facts(part.resource.attributes)
                for scope in part.scope_spans:
                    self._spans += [_received(span, resource) for span in scope.spans]
            self._came.notify_all()
        return trace_service_pb2.ExportTraceServiceResponse()

    def trace_of(self, fact: str, value: object, spans: int, seconds: float = 60.0) -> list[Received]:
        """Wait until the trace whose root has a fact has so many spans; return these."""

        def found() -> list[Received]:
            roots = [span for span in self._spans if span.facts.get(fact) == value and not span.parent]
            return [span for span in self._spans if roots and span.trace == roots[-1].trace]

        with self._came:
            assert self._came.wait_for(lambda: len(found()) >= spans, seconds), self._spans
            return found()

    @property
    def spans(self) -> list[Received]:
        with self._came:
            return list(self._spans)


def _received(span: Any, resource: dict[str, Any]) -> Received:
    return Received(
        span.name,
        span.kind,
        span.trace_id.hex(),
        span.span_id.hex(),
        span.parent_span_id.hex(),
        span.status.code == 2,
        _facts(span.attributes),
        resource,
    )
