"""One member's stream: read ahead by a task of its own into a bounded queue, so that members work side by side."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import aclosing

from federation.execution.deadline import Deadline
from federation.execution.outcomes import StepResult
from guotu.model.answer import Batch, Frame, Notice, Trailer
from guotu.model.errors import DeadlineExceeded, GuotuError, Internal
from guotu.model.plan import PlanStep

_READ_AHEAD = 4
"""Batches (about 1 MiB each) that wait for the merge."""


class MemberStream:
    """Reads one step's frames; after the end, `result()` tells what became of it."""

    def __init__(self, step: PlanStep, frames: AsyncIterator[Frame], deadline: Deadline) -> None:
        self.step = step
        self.notices: list[Notice] = []
        self._frames = frames
        self._deadline = deadline
        self._queue: asyncio.Queue[Batch | None] = asyncio.Queue(_READ_AHEAD)
        self._trailer: Trailer | None = None
        self._failure: GuotuError | None = None
        self._delivered: set[str] = set()
        self._started = time.perf_counter()
        self._elapsed_ms = 0.0
        self._ended = False
        self._task = asyncio.create_task(self._run(), name=f"member {step.node}")

    async def _run(self) -> None:
        try:
            async with asyncio.timeout(self._deadline.member_share()), aclosing(self._frames) as frames:  # type: ignore[type-var]
                async for frame in frames:
                    await self._take(frame)
            if self._trailer is None:
                self._failure = Internal(detail="the member ended its answer without a trailer")
        except TimeoutError:
            self._failure = DeadlineExceeded(node=self.step.node, seconds=round(self._deadline.seconds, 3))
        except GuotuError as failure:
            self._failure = failure
        self._ended = True
        self._elapsed_ms = (time.perf_counter() - self._started) * 1000
        await self._queue.put(None)

    async def _take(self, frame: Frame) -> None:
        if isinstance(frame, Batch):
            self._delivered.add(frame.dataset)
            await self._queue.put(frame)
        elif isinstance(frame, Trailer):
            self._trailer = frame
        elif isinstance(frame, Notice):
            self.notices.append(frame)

    async def batches(self) -> AsyncIterator[Batch]:
        """Yield the member's rows; ends early, without raising, where the member was lost."""
        while (batch := await self._queue.get()) is not None:
            yield batch

    async def next_batch(self) -> Batch | None:
        """Return the next rows; None at the end, also where the member was lost."""
        return await self._queue.get()

    @property
    def failed(self) -> bool:
        """Tell whether the member is known to be lost, or told that its part is not whole."""
        told = self._trailer is not None and not self._trailer.completeness.complete
        return self._failure is not None or told

    def result(self) -> StepResult:
        """Return what became of the step; a stream still running counts as not needed."""
        return StepResult(
            step=self.step,
            elapsed_ms=self._elapsed_ms or (time.perf_counter() - self._started) * 1000,
            trailer=self._trailer,
            failure=self._failure,
            needed=self._ended,
            delivered=frozenset(self._delivered),
        )

    async def cancel(self) -> None:
        """Stop reading; the member is told."""
        if not self._task.done():
            self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
