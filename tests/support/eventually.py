"""Waiting for a condition, never for a time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")
LONG_S = 60.0
"""How long a busy machine may take for what takes an idle one a moment."""


async def eventually(condition: Callable[[], T], within: float = LONG_S) -> T:
    """Return the condition's value as soon as it is true; AssertionError if it is not within so many seconds."""
    deadline = time.monotonic() + within
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not within {within} s"
        await asyncio.sleep(0.005)
    return value


async def comes_to(wanted: object, look: Callable[[], Awaitable[object]], within: float = LONG_S) -> bool:
    """Tell whether what is looked at becomes what is wanted within so many seconds."""
    deadline = time.monotonic() + within
    while await look() != wanted:
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(0.01)
    return True
