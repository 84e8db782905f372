"""Waiting for a condition, never for a time."""

from __future__ import annotations

import time
from collections.abc import Callable

_PAUSE_S = 0.02
SETTLE_S = 120.0
"""How long the mesh may take to agree on something, seconds."""


def wait_until(condition: Callable[[], bool], what: str, timeout: float = SETTLE_S) -> None:
    """Return once a condition holds.

    Raises:
        TimeoutError: it does not hold within `timeout` seconds; the message says `what` was waited for.
    """
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{timeout:.0f} s 内未等到 not within {timeout:.0f} s: {what}")
        time.sleep(_PAUSE_S)
