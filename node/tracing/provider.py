"""OpenTelemetry's SDK: sampled, queued, and sent by a thread of its own, so that no question waits for it."""

from __future__ import annotations

import logging
import sys

import structlog
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter, SpanExporter
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased

from guotu.wire.endpoint import TlsFiles
from node.config.tracing_section import TracingSection
from node.tracing.span_file import SpanFile

_QUEUED, _BATCH = 2048, 512
"""Spans that wait, at most; more are dropped. And those sent at once."""
_DELAY_MS, _TIMEOUT_S = 1000.0, 5
_log = structlog.get_logger(__name__)


def make_provider(section: TracingSection, node: str, software: str, tls: TlsFiles | None) -> TracerProvider:
    """Return a provider of tracers for a node of a release."""
    _tell_troubles()
    resource = Resource.create({"service.name": "guotu", "service.instance.id": node, "service.version": software})
    sampler = ParentBased(TraceIdRatioBased(section.ratio))
    provider = TracerProvider(sampler, resource, shutdown_on_exit=False)
    provider.add_span_processor(
        BatchSpanProcessor(
            _exporter(section, tls),
            max_queue_size=_QUEUED,
            schedule_delay_millis=_DELAY_MS,
            max_export_batch_size=_BATCH,
            export_timeout_millis=_TIMEOUT_S * 1000,
        )
    )
    return provider


def _exporter(section: TracingSection, tls: TlsFiles | None) -> SpanExporter:
    if section.exporter == "console":
        return ConsoleSpanExporter(out=sys.stdout, formatter=_line)
    if section.exporter == "file":
        return SpanFile(section.file, _line)
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

    secure = tls is not None and section.endpoint.startswith("https://")
    return OTLPSpanExporter(
        section.endpoint,
        insecure=section.endpoint.startswith("http://"),
        credentials=tls.client() if tls is not None and secure else None,
        timeout=_TIMEOUT_S,
        # A proxy meant for the web must not come between; see guotu.wire.endpoint.
        channel_options=(("grpc.enable_http_proxy", 0),),  # type: ignore[arg-type]
    )


def _line(span: ReadableSpan) -> str:
    return f"{span.to_json(indent=None)}\n"


class _Troubles(logging.Handler):
    """Says in the node's own log what the SDK has to say."""

    def emit(self, record: logging.LogRecord) -> None:
        _log.warning("tracing", detail=record.getMessage())


def _tell_troubles() -> None:
    logger = logging.getLogger("opentelemetry")
    logger.handlers = [_Troubles(logging.WARNING)]
    logger.propagate = False
