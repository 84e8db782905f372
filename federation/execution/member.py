"""One member's stream: read ahead by a task of its own into a bounded queue, so that members work side by side."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import aclosing

from federation.execution.contact import begins
from federation.execution.deadline import Deadline
from federation.execution.outcomes import StepResult, unreadable
from guotu.model.answer import Batch, Frame, Notice, Trailer
from guotu.model.errors import DeadlineExceeded, GuotuError, Internal
from guotu.model.plan import Plan, PlanStep

_READ_AHEAD = 4
"""Batches (about 1 MiB each) that wait for the merge."""


class MemberStream:
    """Reads one step's frames; after the end, `result()` tells what became of it."""

    def __init__(self, step: PlanStep, frames: AsyncIterator[Frame], deadline: Deadline) -> None:
        self.step = step
        self.notices: list[Notice] = []
        self.failed = False
        """True once the member is known to be lost, or told that its part is not whole."""
        self.begun = asyncio.Event()
        """Set once there are rows, or the end."""
        self._frames = frames
        self._deadline = deadline
        self._queue: asyncio.Queue[Batch | None] = asyncio.Queue(_READ_AHEAD)
        self._plan: Plan | None = None
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
                self._fail(Internal(detail="the member ended its answer without a trailer"))
        except TimeoutError:
            self._fail(DeadlineExceeded(node=self.step.node, seconds=round(self._elapsed_s(), 3)))
        except GuotuError as failure:
            self._fail(failure)
        except Exception as failure:
            self._fail(unreadable(self.step.node, failure))
        self._ended = True
        self.begun.set()
        self._elapsed_ms = self._elapsed_s() * 1000
        await self._queue.put(None)

    async def _take(self, frame: Frame) -> None:
        if begins(frame):
            self.begun.set()
        if isinstance(frame, Batch):
            await self._queue.put(frame)
        elif isinstance(frame, Trailer):
            self._trailer = frame
            self.failed = self.failed or not frame.completeness.complete
        elif isinstance(frame, Notice):
            self.notices.append(frame)
        else:
            self._plan = frame.plan

    def _fail(self, failure: GuotuError) -> None:
        """Note a failure; one after the trailer changes nothing: the trailer has told what became of the member."""
        if self._trailer is None:
            self._failure = failure
            self.failed = True

    def _elapsed_s(self) -> float:
        return time.perf_counter() - self._started

    async def batches(self) -> AsyncIterator[Batch]:
        """Yield the member's rows; ends early, without raising, where the member was lost."""
        while (batch := await self.next_batch()) is not None:
            yield batch

    async def next_batch(self) -> Batch | None:
        """Return the next rows; None (once) at the end, also where the member was lost."""
        batch = await self._queue.get()
        if batch is not None:
            self._delivered.add(batch.dataset)
        return batch

    @property
    def ready(self) -> bool:
        """Tell whether `next_batch` would return at once."""
        return not self._queue.empty()

    async def settle(self) -> None:
        """Read on to the end, and keep nothing of it, where only that tells whether the answer may pass for one.

        So it is where rows were taken from which some dataset's may be missing, and where a version was asked for that
        is not known to have been: who filled the answer before does not make it one.
        """
        kept = [expected for expected in self.step.expected if expected.keep]
        doubtful = not all(expected.advertised for expected in kept)
        if doubtful or (len(kept) > 1 and self._delivered):
            while not (self._ended and self._queue.empty()):
                await self._queue.get()

    def withhold(self) -> None:
        """Note that the rows read are not in the answer."""
        self._delivered.clear()

    def result(self) -> StepResult:
        """Return what became of the step; a stream still running counts as not needed."""
        return StepResult(
            step=self.step,
            plan=self._plan,
            elapsed_ms=self._elapsed_ms or self._elapsed_s() * 1000,
            trailer=self._trailer,
            failure=self._failure,
            needed=self._ended,
            delivered=frozenset(self._delivered),
        )

    def cancel(self) -> asyncio.Task[None]:
        """Begin to stop reading, which tells the member; returns the task that ends when that is done."""
        self._task.cancel()
        return self._task
