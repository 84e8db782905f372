"""Worker: carries out what the state machine of one replica asks for, one work at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress

import structlog

from guotu.model.errors import GuotuError, Internal, InvalidInput, Refused
from guotu.model.records import DatasetRecord
from sync.replica.area import fingerprint_of
from sync.replica.errands import Errands
from sync.replica.events import (
    AreaChanged,
    Event,
    Failed,
    FetchDone,
    FetchProgress,
    HeadSeen,
    PeerBad,
    PlanReady,
    Proven,
    Restored,
    Staged,
    Switched,
    Tick,
    Unsubscribed,
    WindowClosed,
    WindowOpened,
)
from sync.replica.instructions import (
    Advertise,
    ApplyVersion,
    Drop,
    FetchObjects,
    Instruction,
    MoveHead,
    PlanVersions,
    Stop,
    WaitUntil,
)
from sync.replica.machine import IDLE, Backoff, ReplicaMachine
from sync.replica.plan import Step
from sync.replica.site import Site
from sync.replica.status import ReplicaStatus
from sync.replica.subscription import Subscription
from sync.stages import to_the_end

_log = structlog.get_logger(__name__)


class ReplicaWorker:
    """One replica at work."""

    def __init__(self, site: Site, dataset: str, wish: Subscription, backoff: Backoff, window_open: bool) -> None:
        """Take the subscription that it goes by, and whether bytes may be fetched now."""
        self.dataset = dataset
        self.wish = wish
        self.machine = ReplicaMachine(backoff, window_open)
        self._site = site
        self._errands = Errands(site, dataset, self._peer_bad)
        self._window_open = window_open
        self._seen: DatasetRecord | None = None
        self._steps: dict[int, Step] = {}
        self._work: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._has_turn = False
        self._closed = False
        self._loop = asyncio.get_running_loop()
        self._epoch_ms = site.clock.now_ms() - site.clock.monotonic() * 1000

    async def start(self) -> None:
        """Go on from what is here.

        Raises:
            GuotuError: the stores cannot tell.
        """
        standing = await self._errands.restore(self.wish.area)
        version, manifest = (standing.head.version, standing.head.manifest) if standing.head else (0, "")
        self.tell(Restored(self._now(), version, manifest, standing.sound))

    def see(self, record: DatasetRecord) -> None:
        """Take notice of the owner's head."""
        if record != self._seen:
            self._seen = record
            self.tell(HeadSeen(self._now(), record.version, record.manifest, record.published_ms))

    def change(self, wish: Subscription) -> None:
        """Go by another subscription."""
        before, self.wish = self.wish, wish
        if fingerprint_of(before.area) != fingerprint_of(wish.area):
            self.tell(AreaChanged(self._now()))

    def window(self, is_open: bool) -> None:
        """Take notice of whether bytes may be fetched."""
        if is_open != self._window_open:
            self._window_open = is_open
            self.tell(WindowOpened(self._now()) if is_open else WindowClosed(self._now()))

    async def drop(self) -> None:
        """End the replica and remove it; what cannot be removed is at the next start."""
        self.tell(Unsubscribed(self._now()))
        await self.idle()
        await self.close()

    async def close(self) -> None:
        """Stop; everything stays as it is, to be gone on from."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        if self._work is not None:
            self._work.cancel()
        await self.idle()

    async def idle(self) -> None:
        """Wait until no work is under way."""
        while self._work is not None and not self._work.done():
            await asyncio.wait([self._work])

    def relied_on(self) -> set[str]:
        """Return the keys of the objects that the plan under way counts on."""
        return {key for step in self._steps.values() for key in step.counts_on()}

    def status(self) -> ReplicaStatus:
        """Return how the replica stands."""
        machine, area = self.machine, self.wish.area
        return ReplicaStatus(
            dataset=self.dataset,
            subscription=self.wish.subject,
            version=machine.held,
            head=machine.head,
            lag_ms=max(0, self._now() - machine.behind_since_ms) if machine.behind_since_ms else 0,
            state=machine.phase.value,
            done_bytes=machine.done_bytes,
            total_bytes=machine.total_bytes,
            last_error=machine.reason,
            next_try_ms=machine.next_try_ms,
            area_name=area.name if area else "",
            rows=self._errands.rows,
            quarantined=tuple(self._site.sources.quarantine.reasons()),
        )

    def tell(self, event: Event) -> None:
        """Hand an event to the state machine and begin what it asks for."""
        if self._closed:
            return
        before = self.machine.phase
        instructions = self.machine.handle(event)
        if before is not self.machine.phase:
            facts = {"dataset": self.dataset, "state": self.machine.phase.value, "detail": self.machine.reason}
            _log.info("replica", **facts)
        works = [item for item in instructions if not isinstance(item, WaitUntil)]
        for item in instructions:
            if isinstance(item, WaitUntil):
                self._wait_until(item.at_ms)
        if works:
            if Stop() in works and self._work is not None:
                self._work.cancel()
            self._work = asyncio.create_task(self._run(self._work, works))

    def _wait_until(self, at_ms: int) -> None:
        if self._timer is not None:
            self._timer.cancel()
        wait_s = max(0, at_ms - self._now()) / 1000
        self._timer = self._loop.call_later(wait_s, lambda: self.tell(Tick(self._now())))

    async def _run(self, before: asyncio.Task[None] | None, instructions: Sequence[Instruction]) -> None:
        """Carry out instructions once the work before has ended; it may take a moment to stop."""
        try:
            if before is not None and before is not asyncio.current_task():
                await to_the_end(asyncio.wait([before]))
            for instruction in instructions:
                event = await self._perform(instruction)
                if event is not None:
                    self.tell(event)
            if isinstance(instructions[-1], Advertise):
                # There is nothing else to do now, so that no head that is yet to be moved waits for it.
                await self._errands.tidy()
        except GuotuError as failure:
            _log.warning("replica_failed", dataset=self.dataset, detail=failure.english)
            self.tell(self._failed(failure))
        except Exception as failure:  # a fault of our own: the replica goes on trying, the log has the trace
            _log.error("replica_failed", dataset=self.dataset, exc_info=failure)
            self.tell(self._failed(Internal(detail=f"{type(failure).__name__}: {failure}")))
        finally:
            self._give_turn_back()

    async def _perform(self, instruction: Instruction) -> Event | None:
        area = self.wish.area
        match instruction:
            case PlanVersions():
                await self._take_turn()
                plan = await self._errands.plan(instruction.version, instruction.manifest, area)
                self._steps = {step.version: step for step in plan.steps}
                return PlanReady(self._now(), tuple(self._steps), plan.total_bytes)
            case FetchObjects():
                await self._errands.fetch(self._steps[instruction.version], self._progress)
                return FetchDone(self._now())
            case ApplyVersion():
                await self._errands.apply(self._steps[instruction.version], area, self._staged)
                return Proven(self._now())
            case MoveHead():
                step = self._steps[instruction.version]
                await self._errands.move_head(step, whole=area is None)
                return Switched(self._now(), step.version, step.signed.name)
            case Advertise():
                with suppress(GuotuError):  # the directory's reader sees it at the next version, or the next start
                    await self._errands.advertise(instruction.version, whole=area is None)
            case Drop():
                await self._errands.drop()
        return None

    async def _take_turn(self) -> None:
        if not self._has_turn:
            await self._site.turns.acquire()
            self._has_turn = True

    def _give_turn_back(self) -> None:
        """Let others have their turn once nothing is under way."""
        if self._has_turn and (self._closed or self.machine.phase in IDLE):
            self._has_turn = False
            self._steps = {}
            self._site.turns.release()

    def _staged(self) -> None:
        self._loop.call_soon_threadsafe(lambda: self.tell(Staged(self._now())))

    def _progress(self, count: int) -> None:
        self.tell(FetchProgress(self._now(), count))

    def _peer_bad(self, peer: str, reason: str) -> None:
        self.tell(PeerBad(self._now(), peer, f"节点提供的数据有误 a peer served bad bytes: {reason}"))

    def _failed(self, failure: GuotuError) -> Failed:
        permanent = isinstance(failure, Refused | InvalidInput)
        return Failed(self._now(), failure.message, permanent)

    def _now(self) -> int:
        """Return the time; a clock that is set meanwhile neither hastens nor delays what is due."""
        return int(self._epoch_ms + self._site.clock.monotonic() * 1000)
