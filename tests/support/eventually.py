"""Waiting for a condition, never for a time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


async def eventually(condition: Callable[[], T], within: float = 10.0) -> T:
    """Return the condition's value as soon as it is true; AssertionError if it is not within so many seconds."""
    deadline = time.monotonic() + within
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not within {within} s"
        await asyncio.sleep(0.005)
    return value


async def comes_to(wanted: object, look: Callable[[], Awaitable[object]]) -> bool:
    """Tell whether what is looked at becomes what is wanted within 3 s, far less than a slow scan takes."""
    for _ in range(300):
        if await look() == wanted:
            return True
        await asyncio.sleep(0.01)
    return False
