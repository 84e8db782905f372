"""Structured logs on stderr: JSON or text, each line with the node and the request id."""

from __future__ import annotations

import logging
import sys

import structlog


def configure_logs(node: str, level: str, as_json: bool) -> None:
    """Set up structlog for the process.

    Args:
        node: id that every line carries.
        level: "debug", "info", "warning" or "error".
        as_json: one JSON object a line, else text for people.
    """
    renderer: structlog.types.Processor = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if as_json
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    structlog.contextvars.bind_contextvars(node=node)
