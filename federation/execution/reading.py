"""A scan of the store, and what the store took for it."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Self

import pyarrow as pa


class Reading:
    """Passes the batches of a scan on; `seconds` is the time that was waited for them."""

    def __init__(self, rows: AsyncIterator[pa.RecordBatch]) -> None:
        self._rows = rows
        self.seconds = 0.0

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> pa.RecordBatch:
        started = time.perf_counter()
        try:
            return await anext(self._rows)
        finally:
            self.seconds += time.perf_counter() - started

    async def aclose(self) -> None:
        """End the scan."""
        await self._rows.aclose()  # type: ignore[attr-defined]
