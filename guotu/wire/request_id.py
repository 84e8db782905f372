"""The request id that follows a question through all nodes, as gRPC metadata and in logs."""

from __future__ import annotations

import re
import uuid
from contextvars import ContextVar

METADATA_KEY = "x-request-id"
_SAFE = re.compile(r"[A-Za-z0-9._-]{1,64}")
_current: ContextVar[str] = ContextVar("guotu_request_id", default="")


def new_request_id() -> str:
    """Return a fresh id."""
    return uuid.uuid4().hex[:16]


def accept_request_id(offered: str | None) -> str:
    """Take a caller's id if it is short and plain, else a fresh one; it becomes the current id."""
    chosen = offered if offered and _SAFE.fullmatch(offered) else new_request_id()
    _current.set(chosen)
    return chosen


def current_request_id() -> str:
    """Return the id of the question being answered; a fresh one outside of any."""
    return _current.get() or accept_request_id(None)
