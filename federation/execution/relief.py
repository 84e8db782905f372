"""Relief: a member is asked first; where it is lost or late before its first rows, its standbys answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace

from federation.execution.cause import Cause
from federation.execution.opening import Opening
from federation.execution.outcomes import unreadable
from federation.execution.punctuality import Punctuality
from guotu.model.answer import Frame, Trailer
from guotu.model.errors import CircuitOpen, GuotuError, Internal
from guotu.model.plan import Decision, Plan, PlanStep

Detour = tuple[PlanStep, ...]


@dataclass(frozen=True, slots=True)
class StandIn:
    """An answer in a member's place."""

    frames: AsyncIterator[Frame]
    all_begin: Callable[[], Awaitable[bool]]
    """Waits until each of those asked has begun or failed, and tells whether all begin; once there are first rows."""


class Relief:
    """One step that others can stand in for. Rows come from the member or from these others, never from both.

    A member that is late is not given up: whoever has rows first answers, and the other is stopped. That is done only
    where the standbys cover all of its part, and for a bounded share of the questions. A member that gives way is
    asked second, under the same rules.
    """

    def __init__(
        self,
        step: PlanStep,
        own: Callable[[], AsyncIterator[Frame]],
        stand_in: Callable[[Detour], StandIn],
        around: Callable[[], Detour],
        punctuality: Punctuality,
        plan: Plan,
        gives_way: Cause | None = None,
    ) -> None:
        """Take a step of a plan, how the member and how its standbys begin, and why these are asked first, if so."""
        self._step = step
        self._own = own
        self._stand_in = stand_in
        self._around = around
        self._punctuality = punctuality
        self._plan = plan
        self._gives_way = gives_way
        self._openings: list[Opening] = []
        self._overtaken: tuple[Opening, float] | None = None
        self._detour: Detour = ()

    async def frames(self) -> AsyncIterator[Frame]:
        """Yield the frames of who answers; the trailer of standbys tells why it is they.

        Raises:
            what the member raises, where nobody may take its place; what the standbys raise.
        """
        try:
            answering, cause = await self._answering()
            for opening in self._openings:
                if opening is not answering:
                    opening.overtaken()
            async for frame in answering.frames():
                if isinstance(frame, Trailer) and cause is not None:
                    told = cause.completeness(frame.completeness, self._step, self._plan.node, self._detour)
                    frame = replace(frame, completeness=told)
                yield frame
        finally:
            self._note_silence()
            for opening in self._openings:
                opening.begun.cancel()
            for opening in self._openings:
                await opening.close()

    def _note_silence(self) -> None:
        """Note that a member that was overtaken has given no sign of life to this moment."""
        if self._overtaken is not None:
            owner, seconds = self._overtaken
            if not owner.signed.is_set():
                self._punctuality.silent(self._step.address, seconds)

    async def _answering(self) -> tuple[Opening, Cause | None]:
        """Return who answers, and why, if it is not the member."""
        stale = self._plan.stale_registry
        if self._step.decision is Decision.MISSING:
            return self._cover(()), Cause.of_missing(self._step, stale)
        if self._gives_way is not None:
            return await self._cover_first(self._gives_way)
        address = self._step.address
        self._punctuality.asked(address)
        owner, cover = self._open(Opening(self._own())), None
        doubt = self._punctuality.doubt(address)
        # Those behind a member are asked without it where it does not answer, not because it is late.
        detour = self._around() if doubt is not None else ()
        covered = self._step.covered or is_covered(self._step, detour)
        late = (doubt or await self._to_be_overtaken(owner)) if covered else None
        if late is not None:
            cover = self._cover(detour, beside=True)
            if await self._beaten(owner, cover):
                if doubt is None:
                    self._overtaken = owner, owner.waited_s
                    self._punctuality.overtaken(address, owner.signed.is_set(), owner.waited_s)
                return cover, late
        cause = await self._cause(owner)
        if cause is None:
            return owner, None
        await owner.close()
        return await self._last(cover), cause

    async def _cover_first(self, why: Cause) -> tuple[Opening, Cause | None]:
        """Ask the standbys, and the member once they fail or are late."""
        cover, address = self._cover((), beside=True), self._step.standbys[0].address
        self._punctuality.asked(address)
        begun = await cover.begins(self._punctuality.begin_wait(address, plainly=True))
        if not begun and not self._punctuality.may_ask_more(address, plainly=True):
            await asyncio.wait((cover.begun,))
        if cover.begun.done() and _helps(cover):
            return cover, why
        owner = self._open(Opening(self._own()))
        if await self._beaten(owner, cover):
            return cover, why
        cause = await self._cause(owner)
        return (owner, None) if cause is None else (await self._last(cover), cause)

    async def _last(self, cover: Opening | None) -> Opening:
        """Return who answers once the member does not: those who do not help either, if there is no other way."""
        if cover is None:
            return self._cover(self._around())
        detour = () if self._detour else self._around()
        if not detour:
            return cover
        await cover.close()
        return self._cover(detour)

    def _cover(self, detour: Detour, beside: bool = False) -> Opening:
        """Begin to ask others; `beside` the member, which may have what one of them turns out to lack."""
        self._detour = detour
        stand_in = self._stand_in(detour)
        return self._open(Opening(stand_in.frames, stand_in.all_begin if beside else None))

    def _open(self, opening: Opening) -> Opening:
        self._openings.append(opening)
        return opening

    async def _to_be_overtaken(self, owner: Opening) -> Cause | None:
        """Wait until others may be asked beside a member that is late; None if it has begun or failed before."""
        if self._step.decision is Decision.LOCAL:
            return None
        for plainly in (False, True):
            late = await self._late(owner, plainly)
            if late is None or self._punctuality.may_ask_more(self._step.address, plainly):
                return late
        return None

    async def _late(self, owner: Opening, plainly: bool) -> Cause | None:
        """Wait as long as the member usually takes, or until it is plainly late; None if it has begun or failed."""
        address = self._step.address
        if await owner.signs(self._punctuality.sign_wait(address, plainly)):
            await owner.begins(self._punctuality.begin_wait(address, plainly))
        return None if owner.begun.done() else Cause.lateness(owner.waited_s)

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
        await asyncio.wait((owner.begun,))
        cause = self._judge(owner)
        if cause is not None and cause.of_member and not isinstance(owner.begun.exception(), CircuitOpen):
            self._punctuality.failed(self._step.address, cause)
        return cause

    def _judge(self, owner: Opening) -> Cause | None:
        """Return why a member that has begun, or failed, does not answer; None if it does.

        Raises:
            what the member raised, where nobody may take its place.
        """
        failure, stale = owner.begun.exception(), self._plan.stale_registry
        if failure is not None:
            told = failure if isinstance(failure, GuotuError) else unreadable(self._step.node, failure)
            cause = Cause.of_error(told, stale)
            if cause is None:
                raise failure
            return cause
        first = owner.begun.result()
        if first is None:
            return Cause.of_error(Internal(detail="the member ended its answer without a trailer"), stale)
        return Cause.of_trailer(first, self._step) if isinstance(first, Trailer) else None


def _helps(cover: Opening) -> bool:
    """Tell whether standbys have begun to answer for all that they were asked for."""
    return cover.begun.exception() is None and cover.begun.result() is not None and not cover.partial


def is_covered(step: PlanStep, detour: tuple[PlanStep, ...]) -> bool:
    """Tell whether there is somebody else for everything that is kept of a step."""
    held = {standby.dataset for standby in step.standbys}
    for part in detour:
        reached = part.decision is Decision.ASK or part.covered
        held.update(part.versions if reached else ())
    return all(item.dataset in held for item in step.expected if item.keep)
