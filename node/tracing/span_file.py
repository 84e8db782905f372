"""Spans in a file, for networks without a collector."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import structlog
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

MOST_BYTES = 64 << 20
_log = structlog.get_logger(__name__)


class SpanFile(SpanExporter):
    """Appends lines; a full file becomes FILE.1, in place of the one before."""

    def __init__(self, path: Path, line: Callable[[ReadableSpan], str], most_bytes: int = MOST_BYTES) -> None:
        self._path = path
        self._line = line
        self._most = most_bytes
        self._written = True

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Append spans; tells failure where they cannot be written, as on a full disk, and logs the first of a row."""
        try:
            if self._path.exists() and self._path.stat().st_size >= self._most:
                self._path.replace(self._path.with_name(f"{self._path.name}.1"))
            with self._path.open("a", encoding="utf-8") as file:
                file.writelines(map(self._line, spans))
        except OSError as failure:
            if self._written:
                _log.warning("tracing", detail=f"spans are dropped: {self._path}: {failure.strerror}")
            self._written = False
            return SpanExportResult.FAILURE
        self._written = True
        return SpanExportResult.SUCCESS
