"""OpenTelemetry spans of calls and of the work behind them; the trace goes on at the next node (W3C traceparent).

Names follow the semantic conventions for RPC. No attribute carries values of data, filters or messages of errors.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from typing import Any

import grpc
import grpc.aio
from opentelemetry import context as contexts
from opentelemetry import trace
from opentelemetry.trace import SpanKind, StatusCode, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from guotu.model.errors import GuotuError
from guotu.model.tracing import Fact
from guotu.model.tracing import Span as SpanPort
from guotu.wire.request_id import current_request_id

Metadata = tuple[tuple[str, str], ...]
_OURS = "/guotu."
"""Health checks and reflection are not traced."""
_TRACE_HEADERS = ("traceparent", "tracestate")
_SERVERS_FAULT = frozenset(
    {
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.UNIMPLEMENTED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DATA_LOSS,
    }
)
"""Codes that make a server's span an error; a client's is one with any code but OK."""


@dataclass(frozen=True, slots=True)
class _Span:
    """A span as those who work see it."""

    span: trace.Span

    def tell(self, **facts: Fact) -> None:
        """Add facts, below "guotu."."""
        self.span.set_attributes({f"guotu.{name}": fact for name, fact in facts.items()})


class OpenTelemetryTracing:
    """Makes spans with a tracer; adapter of `guotu.model.tracing.Tracing`, and of `CallTracing`."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer
        self._propagator = TraceContextTextMapPropagator()

    @contextmanager
    def span(self, name: str, **facts: Fact) -> Iterator[SpanPort]:
        """Begin a piece of the work on the call under way."""
        span = self._tracer.start_span(name)
        told = _Span(span)
        told.tell(**facts)
        try:
            yield told
        except (GeneratorExit, asyncio.CancelledError):
            span.set_attribute("guotu.stopped", True)
            raise
        except BaseException as failure:
            reason = failure.reason if isinstance(failure, GuotuError) else type(failure).__name__
            span.set_status(StatusCode.ERROR, reason)
            raise
        finally:
            span.end()

    @contextmanager
    def call(self, address: str, method: str) -> Iterator[Metadata]:
        """Begin a call of "/service/method" to "host:port"; yields the metadata by which the trace goes on there."""
        span = self._tracer.start_span(method[1:], kind=SpanKind.CLIENT, attributes=_rpc(method, address))
        carrier: dict[str, str] = {}
        self._propagator.inject(carrier, trace.set_span_in_context(span))
        code = grpc.StatusCode.OK
        try:
            yield tuple(carrier.items())
        except (GeneratorExit, asyncio.CancelledError):
            code = grpc.StatusCode.CANCELLED
            raise
        except grpc.aio.AioRpcError as failure:
            code = failure.code()
            raise
        except BaseException:
            code = grpc.StatusCode.UNKNOWN
            raise
        finally:
            # A call that is stopped because another was faster, or the answer is full, has not failed.
            _end(span, code, code not in (grpc.StatusCode.OK, grpc.StatusCode.CANCELLED))

    def interceptors(self, address: str) -> tuple[grpc.aio.ServerInterceptor, ...]:
        """Return what makes a span of each call that the server at "host:port" or "unix:PATH" takes."""
        return (_ServerSpans(self, address),)

    @contextmanager
    def served(self, method: str, address: str, metadata: Mapping[str, Any], context: Any) -> Iterator[None]:
        """Take a call; its span is that of all that its task, and tasks begun there, do."""
        headers = {name: str(metadata[name]) for name in _TRACE_HEADERS if name in metadata}
        above = self._propagator.extract(headers, contexts.Context())
        span = self._tracer.start_span(method[1:], above, kind=SpanKind.SERVER, attributes=_rpc(method, address))
        # Never detached: it is the context of this call's own task, which ends with the call.
        contexts.attach(trace.set_span_in_context(span))
        code = grpc.StatusCode.OK
        try:
            yield
        except (GeneratorExit, asyncio.CancelledError):
            code = grpc.StatusCode.CANCELLED
            raise
        except BaseException:
            code = _code_of(context)
            raise
        finally:
            span.set_attribute("guotu.request_id", current_request_id())
            _end(span, code, code in _SERVERS_FAULT)


class NoCallTracing:
    """Traces no calls."""

    def interceptors(self, address: str) -> tuple[grpc.aio.ServerInterceptor, ...]:
        """Return nothing."""
        return ()

    @contextmanager
    def call(self, address: str, method: str) -> Iterator[Metadata]:
        """Yield no metadata."""
        yield ()


CallTracing = OpenTelemetryTracing | NoCallTracing


class _ServerSpans(grpc.aio.ServerInterceptor):
    """Puts each call of ours into a span."""

    def __init__(self, tracing: OpenTelemetryTracing, address: str) -> None:
        self._tracing = tracing
        self._address = address

    async def intercept_service(
        self, continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]], details: grpc.HandlerCallDetails
    ) -> Any:
        """Return the handler of a call, within a span."""
        handler = await continuation(details)
        method = details.method
        if handler is None or not method.startswith(_OURS):
            return handler
        metadata = dict(details.invocation_metadata or ())
        asked = "stream" if handler.request_streaming else "unary"
        kind = f"{asked}_{'stream' if handler.response_streaming else 'unary'}"
        behaviour = getattr(handler, kind)

        async def streamed(request: Any, context: Any) -> AsyncIterator[Any]:
            with self._tracing.served(method, self._address, metadata, context):
                async with aclosing(behaviour(request, context)) as responses:
                    async for response in responses:
                        yield response

        async def single(request: Any, context: Any) -> Any:
            with self._tracing.served(method, self._address, metadata, context):
                return await behaviour(request, context)

        make = getattr(grpc, f"{kind}_rpc_method_handler")
        wrapped = streamed if handler.response_streaming else single
        return make(wrapped, handler.request_deserializer, handler.response_serializer)


def _rpc(method: str, address: str) -> dict[str, str | int]:
    """Return the attributes of a call of "/service/method" at "host:port" or "unix:PATH"."""
    _, service, name = method.split("/")
    facts: dict[str, str | int] = {"rpc.system": "grpc", "rpc.service": service, "rpc.method": name}
    if address.startswith("unix:"):
        return {**facts, "server.address": address.removeprefix("unix:")}
    host, _, port = address.rpartition(":")
    return {**facts, "server.address": host.strip("[]"), "server.port": int(port)}


def _code_of(context: Any) -> grpc.StatusCode:
    """Return the status with which a handler ended a call; grpc.aio tells it as a number, or 0 where none was set."""
    told = context.code()
    number = told.value[0] if isinstance(told, grpc.StatusCode) else told
    found = next((code for code in grpc.StatusCode if code.value[0] == number), grpc.StatusCode.UNKNOWN)
    return grpc.StatusCode.UNKNOWN if found is grpc.StatusCode.OK else found


def _end(span: trace.Span, code: grpc.StatusCode, failed: bool) -> None:
    span.set_attribute("rpc.grpc.status_code", code.value[0])
    if failed:
        span.set_status(StatusCode.ERROR, code.name)
    span.end()
