"""Relief: a member is asked first; where it is lost or late before its first rows, its standbys answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress

from federation.execution.cause import Cause
from federation.execution.deadline import Deadline
from federation.execution.opening import Opening
from federation.execution.outcomes import unreadable
from federation.execution.punctuality import Punctuality
from guotu.model.answer import Frame, Trailer
from guotu.model.errors import DeadlineExceeded, GuotuError, Internal
from guotu.model.plan import Decision, PlanStep

StandIn = Callable[[Cause], AsyncIterator[Frame]]
"""Begins to answer in the member's place."""


class Relief:
    """One step that others can stand in for. Rows come from the member or from these others, never from both.

    A member that is late is not given up: whoever has rows first answers, and the other is stopped. That is done only
    where the standbys cover all of its part, and for a bounded share of the questions.
    """

    def __init__(
        self,
        step: PlanStep,
        own: Callable[[], AsyncIterator[Frame]],
        stand_in: StandIn,
        covered: Callable[[], bool],
        deadline: Deadline,
        punctuality: Punctuality,
        stale_registry: bool,
    ) -> None:
        self._step = step
        self._own = own
        self._stand_in = stand_in
        self._covered = covered
        self._deadline = deadline
        self._punctuality = punctuality
        self._stale = stale_registry

    async def frames(self) -> AsyncIterator[Frame]:
        """Yield the frames of who answers.

        Raises:
            what the member raises, where nobody may take its place; what the standbys raise.
        """
        openings: list[Opening] = []
        try:
            async for frame in (await self._answering(openings)).frames():
                yield frame
        finally:
            for opening in openings:
                await opening.close()

    async def _answering(self, openings: list[Opening]) -> Opening:
        """Return who answers; all that was begun is noted in `openings`."""
        if self._step.decision is Decision.MISSING:
            return self._open(self._stand_in(Cause.of_missing(self._step, self._stale)), openings)
        self._punctuality.asked()
        owner = self._open(self._own(), openings)
        doubt = self._punctuality.doubt(self._step.address)
        late = doubt or await self._late(owner)
        # Many are asked on a detour: not because a member is late, but where it has just been found not to answer.
        covered = self._step.covered or (doubt is not None and self._covered())
        if late is not None and covered and self._punctuality.may_ask_more(self._step.address):
            cover = self._open(self._stand_in(late), openings)
            if await self._beaten(owner, cover):
                if doubt is None and not owner.signed.is_set():
                    self._punctuality.failed(self._step.address, late)
                return cover
        cause = await self._cause(owner)
        if cause is None:
            return owner
        self._punctuality.failed(self._step.address, cause)
        await owner.close()
        return self._open(self._stand_in(cause), openings)

    @staticmethod
    def _open(frames: AsyncIterator[Frame], openings: list[Opening]) -> Opening:
        opening = Opening(frames)
        openings.append(opening)
        return opening

    async def _late(self, owner: Opening) -> Cause | None:
        """Wait as long as the member usually takes; returns that it is late, None if it has begun or failed."""
        if self._step.decision is Decision.LOCAL:
            return None
        started, address = time.monotonic(), self._step.address
        with suppress(DeadlineExceeded):
            await owner.signs(self._punctuality.sign_wait(address), self._step.node)
            if owner.signed.is_set():
                self._punctuality.sign(address, time.monotonic() - started)
            await asyncio.wait((owner.begun,), timeout=self._punctuality.begin_wait(address))
        if owner.begun.done():
            self._note(owner, started)
            return None
        return Cause.lateness(time.monotonic() - started)

    def _note(self, owner: Opening, started: float) -> None:
        if not owner.begun.cancelled() and owner.begun.exception() is None:
            self._punctuality.begin(self._step.address, time.monotonic() - started)

    async def _beaten(self, owner: Opening, cover: Opening) -> bool:
        """Wait until one of the two has begun to answer; tells whether it was not the member."""
        waiting = {owner.begun, cover.begun}
        while waiting:
            done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            if owner.begun in done and self._judge(owner) is None:
                return False
            if cover.begun in done and _helps(cover):
                return True
        return False

    async def _cause(self, owner: Opening) -> Cause | None:
        """Wait for the member as long as it may be waited for; returns why it does not answer, None if it does.

        Raises:
            what the member raises, where nobody may take its place.
        """
        try:
            if self._step.decision is not Decision.LOCAL:
                await owner.signs(self._deadline.patience(), self._step.node)
        except DeadlineExceeded as silence:
            return Cause.of_error(silence, self._stale)
        await asyncio.wait((owner.begun,))
        return self._judge(owner)

    def _judge(self, owner: Opening) -> Cause | None:
        """Return why a member that has begun, or failed, does not answer; None if it does.

        Raises:
            what the member raised, where nobody may take its place.
        """
        failure = owner.begun.exception()
        if failure is not None:
            told = failure if isinstance(failure, GuotuError) else unreadable(self._step.node, failure)
            cause = Cause.of_error(told, self._stale)
            if cause is None:
                raise failure
            return cause
        first = owner.begun.result()
        if first is None:
            return Cause.of_error(Internal(detail="the member ended its answer without a trailer"), self._stale)
        return Cause.of_trailer(first, self._step) if isinstance(first, Trailer) else None


def _helps(cover: Opening) -> bool:
    """Tell whether standbys have begun to answer for all that they were asked for."""
    if cover.begun.exception() is not None:
        return False
    first = cover.begun.result()
    return first is not None and not (isinstance(first, Trailer) and not first.completeness.complete)
