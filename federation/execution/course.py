"""The course of a step: who was asked for it and when frames came; kept only where a question is analysed."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterable
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from operator import attrgetter

from federation.execution.cause import LATE, OWNER
from federation.execution.outcomes import StepResult
from guotu.model.answer import Batch, Frame, Header, Trailer
from guotu.model.attempt import Attempt, Ending
from guotu.model.errors import GuotuError, Internal
from guotu.model.plan import Decision, Plan, PlanStep

MOST_STEPS = 16_384
"""Steps of all levels that a trailer tells of; a mesh of 3,200 nodes has some 6,500."""


@dataclass(slots=True)
class _Watched:
    """One attempt under way; times in seconds of the performance counter."""

    standby: bool
    asked: float = 0.0
    sign: float | None = None
    first_rows: float | None = None
    last: float = 0.0
    held: float = 0.0
    rows: int = 0
    size_bytes: int = 0
    plan: Plan | None = None
    trailer: Trailer | None = None
    reason: str = ""

    async def frames(self, source: AsyncIterator[Frame]) -> AsyncIterator[Frame]:
        """Pass frames on, and note when they came."""
        self.asked = self.last = time.perf_counter()
        try:
            async with aclosing(source) as frames:  # type: ignore[type-var]
                async for frame in frames:
                    self.last = time.perf_counter()
                    self._note(frame)
                    yield frame
                    self.held += time.perf_counter() - self.last
        except Exception as failure:
            self.reason = failure.reason if isinstance(failure, GuotuError) else Internal.reason
            raise
        finally:
            if self.trailer is None:
                self.last = time.perf_counter()

    def _note(self, frame: Frame) -> None:
        self.sign = self.sign or self.last
        if isinstance(frame, Batch):
            self.first_rows = self.first_rows or self.last
            self.rows += frame.rows.num_rows
            self.size_bytes += len(frame.encoded) or frame.rows.nbytes
        elif isinstance(frame, Header):
            self.plan = frame.plan
        elif isinstance(frame, Trailer):
            self.trailer = frame

    def gave(self, result: StepResult) -> bool:
        """Tell whether the step's answer, as far as there is one, is this one's."""
        if self.trailer is not None and self.trailer is result.trailer:
            return True
        return self.plan is not None and self.plan is result.plan

    def told(self, result: StepResult, overtaken: bool, cause: str, began: float) -> Attempt:
        """Return what became of it."""
        elsewhere = result.step.decision is Decision.ASK and not self.standby
        there, here = (self.trailer, None) if elsewhere else (None, self.trailer)
        ending, reason = self._ending(result, overtaken)
        return Attempt(
            node=self._node(result.step),
            ending=ending,
            standby=self.standby,
            reason=reason,
            cause=cause if self.standby else "",
            asked_ms=_ms(self.asked - began),
            sign_ms=None if self.sign is None else _ms(self.sign - self.asked),
            rows_ms=None if self.first_rows is None else _ms(self.first_rows - self.asked),
            ended_ms=_ms(self.last - self.asked),
            held_ms=_ms(min(self.held, self.last - self.asked)),
            queued_ms=0.0 if there is None else _ms(there.queued_ms / 1000),
            node_ms=0.0 if there is None else _ms(there.elapsed_ms / 1000),
            store_ms=0.0 if here is None else _ms(here.store_ms / 1000),
            rows=self.rows,
            size_bytes=self.size_bytes,
        )

    def _node(self, step: PlanStep) -> str:
        if not self.standby:
            return step.node
        nodes = {inner.node for inner in self.plan.steps} if self.plan is not None else set()
        return nodes.pop() if len(nodes) == 1 else ""

    def _ending(self, result: StepResult, overtaken: bool) -> tuple[Ending, str]:
        if self.reason:
            return Ending.FAILED, self.reason
        if overtaken:
            return Ending.OVERTAKEN, ""
        if self.trailer is not None:
            return Ending.ANSWERED, ""
        if result.failure is not None:
            return Ending.FAILED, result.failure.reason
        return Ending.STOPPED, ""


@dataclass(slots=True)
class Course:
    """All attempts at one step."""

    began: float
    """When the asking node began to answer, on the performance counter, seconds."""
    _attempts: list[_Watched] = field(default_factory=list)

    def watch(self, frames: AsyncIterator[Frame], standby: bool) -> AsyncIterator[Frame]:
        """Note the frames of the member itself, or of those who stand in for it."""
        watched = _Watched(standby)
        self._attempts.append(watched)
        return watched.frames(frames)

    def told(self, result: StepResult) -> PlanStep:
        """Return the step with what became of it, and the plan of who answered."""
        asked = sorted((attempt for attempt in self._attempts if attempt.asked), key=attrgetter("asked"))
        gave = next((attempt for attempt in asked if attempt.gave(result)), None)
        cause = _cause(asked, result)
        attempts = tuple(
            attempt.told(result, gave is not None and attempt is not gave, cause, self.began) for attempt in asked
        )
        return replace(result.step, plan=None if gave is None else _plan(gave), attempts=attempts)


def _cause(asked: list[_Watched], result: StepResult) -> str:
    """Return why standbys were asked: what the member said or, if it was asked first and said nothing, that it is late.

    Standbys that answered tell so themselves.
    """
    members = () if result.trailer is None else result.trailer.completeness.members
    said = [attempt.reason for attempt in asked if attempt.reason and not attempt.standby]
    told = [member.reason.removeprefix(OWNER) for member in members if member.reason.startswith(OWNER)]
    if said or told:
        return (said or told)[0]
    return "" if not asked or asked[0].standby else LATE


def _plan(gave: _Watched) -> Plan | None:
    """Return the plan with what became of its steps, if its trailer told."""
    return gave.plan if gave.trailer is None else gave.trailer.plan or gave.plan


def bounded(steps: Iterable[PlanStep], most: int = MOST_STEPS) -> tuple[PlanStep, ...]:
    """Return the steps; where they are too many with those below, the greatest plans below are left out."""
    told = list(steps)
    weights = [_weight(step) for step in told]
    excess = sum(weights) - most
    for place in sorted(range(len(told)), key=weights.__getitem__, reverse=True):
        if excess <= 0:
            break
        excess -= weights[place] - 1
        told[place] = replace(told[place], plan=None)
    return tuple(told)


def _weight(step: PlanStep) -> int:
    return 1 + (0 if step.plan is None else sum(map(_weight, step.plan.steps)))


def _ms(seconds: float) -> float:
    """Return milliseconds to the microsecond."""
    return round(seconds * 1000, 3)
