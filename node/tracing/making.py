"""The tracing of a node, as configured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from guotu.model.tracing import NoTracing, Tracing
from guotu.wire.endpoint import TlsFiles
from guotu.wire.tracing import CallTracing, NoCallTracing, OpenTelemetryTracing
from node.config.tracing_section import TracingSection


@dataclass(frozen=True, slots=True)
class NodeTracing:
    """What makes a node's spans."""

    work: Tracing
    calls: CallTracing
    close: Callable[[], None]
    """Sends what is left, for some seconds at most; blocks."""


def make_tracing(section: TracingSection, node: str, software: str, tls: TlsFiles | None) -> NodeTracing:
    """Return what makes the spans of a node, of a release; `tls` is its identity for collectors behind https."""
    if section.exporter == "off":
        return NodeTracing(NoTracing(), NoCallTracing(), lambda: None)
    from node.tracing.provider import make_provider

    provider = make_provider(section, node, software, tls)
    tracing = OpenTelemetryTracing(provider.get_tracer("guotu", software))
    return NodeTracing(tracing, tracing, provider.shutdown)
