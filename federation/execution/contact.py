"""A question put to a member: whether it is asked at all, how soon it gives a sign of life, and one retry."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing

from federation.execution.breaker import Breaker
from federation.execution.deadline import Deadline
from federation.execution.punctuality import Punctuality
from guotu.model.answer import Batch, Frame, Trailer
from guotu.model.errors import DeadlineExceeded, GuotuError, NodeUnavailable, Overloaded
from guotu.model.plan import PlanStep

_PROBE_S = 1.0
"""How long a probe waits for a sign of life: the member was silent, and may still be."""


class Contact:
    """Asks one member; its breaker and its punctuality learn from that."""

    def __init__(
        self,
        step: PlanStep,
        ask: Callable[[], AsyncIterator[Frame]],
        deadline: Deadline,
        punctuality: Punctuality,
        alone: Callable[[], bool],
    ) -> None:
        """Take the step, how it is asked, by when, what is known of members, and what tells if nobody else has all."""
        self._step = step
        self._alone = alone
        self._asked = time.monotonic()
        self._ask = ask
        self._deadline = deadline
        self._punctuality = punctuality
        self._breaker: Breaker = punctuality.breaker(step.node, step.address)

    async def frames(self) -> AsyncIterator[Frame]:
        """Yield the member's frames.

        Raises:
            CircuitOpen: it did not answer lately, and is not asked.
            Overloaded: it is not to be asked yet, or said so now, and cannot well be waited for.
            DeadlineExceeded: it gave no sign of life, for which it has half of its share of the deadline.
            what the member raises.
        """
        until = time.monotonic() + self._deadline.patience()
        probing = await self._enter(until)
        patience = min(_left(until), _PROBE_S) if probing else _left(until)
        signed, rows = False, False
        try:
            async with aclosing(self._opened(patience)) as frames:
                async for frame in frames:
                    seconds = self._waited_s()
                    if not signed:
                        signed = True
                        self._breaker.answered()
                        self._punctuality.sign(self._step.address, seconds)
                    if not rows and begins(frame):
                        rows = True
                        self._punctuality.begin(self._step.address, seconds)
                    yield frame
        except GuotuError as failure:
            if not signed or isinstance(failure, NodeUnavailable):
                # If this node is late to notice the end of its wait, that is no silence of the member's.
                self._breaker.failed(failure, min(self._waited_s(), patience))
            raise
        except (asyncio.CancelledError, GeneratorExit):
            if not signed:
                self._breaker.abandoned(min(self._waited_s(), patience))
            raise
        except Exception:
            self._breaker.answered()
            raise
        if not signed:
            self._breaker.answered()

    async def _enter(self, until: float) -> bool:
        """Have the breaker let the question through, once the time is over that a busy member told to others."""
        try:
            return self._breaker.enter()
        except Overloaded as busy:
            await self._pause(busy, _left(until))
            return False

    async def _opened(self, patience: float) -> AsyncGenerator[Frame, None]:
        """Ask, and once more where no connection came about, or the member is busy; nothing has been received then."""
        until = time.monotonic() + patience
        try:
            first, frames = await self._first(patience)
        except NodeUnavailable:
            if not self._breaker.may_retry():
                raise
            first, frames = await self._first(_left(until))
        except Overloaded as busy:
            await self._pause(busy, _left(until))
            first, frames = await self._first(_left(until))
        async with aclosing(frames):  # type: ignore[type-var]
            if first is not None:
                yield first
            async for frame in frames:
                yield frame

    async def _pause(self, busy: Overloaded, patience: float) -> None:
        """Wait until a busy member may be asked again, if it has then as long again to give a sign of life.

        That is in the time which it may be silent for, so that nobody waits longer because of it.

        Raises:
            Overloaded: that would be too late, others have all of its part, or too many were put to it once more.
        """
        if busy.retry_s > patience / 2 or not self._alone() or not self._breaker.may_retry():
            raise busy
        self._breaker.failed(busy, self._waited_s())
        # Who is stopped in the pause has not been waiting for the member's silence.
        self._asked = time.monotonic() + busy.retry_s
        await asyncio.sleep(busy.retry_s)

    def _waited_s(self) -> float:
        return time.monotonic() - self._asked

    async def _first(self, patience: float) -> tuple[Frame | None, AsyncIterator[Frame]]:
        """Ask and wait for the first frame, which a member sends before any work."""
        frames = self._ask()
        try:
            async with asyncio.timeout(patience):
                return await anext(frames, None), frames
        except TimeoutError:
            await frames.aclose()  # type: ignore[attr-defined]
            raise DeadlineExceeded(node=self._step.node, seconds=round(patience, 3)) from None
        except BaseException:
            await frames.aclose()  # type: ignore[attr-defined]
            raise


def _left(until: float) -> float:
    return max(until - time.monotonic(), 0.0)


def begins(frame: Frame) -> bool:
    """Tell whether an answer begins with a frame: with rows, or with its trailer."""
    return isinstance(frame, Trailer) or (isinstance(frame, Batch) and frame.rows.num_rows > 0)
