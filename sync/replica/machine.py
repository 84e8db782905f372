"""The state machine of one replica: events in, instructions out; no clock, no I/O."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

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


class Phase(StrEnum):
    """What a replica is doing."""

    WAITING = "waiting"
    PLANNING = "planning"
    FETCHING = "fetching"
    STAGING = "staging"
    PROVING = "proving"
    SWITCHING = "switching"
    CURRENT = "current"
    STUCK = "stuck"


IDLE = frozenset({Phase.WAITING, Phase.CURRENT, Phase.STUCK})
"""Phases in which nothing is under way."""
_WITH_BYTES = frozenset({Phase.PLANNING, Phase.FETCHING})


@dataclass(frozen=True, slots=True)
class Backoff:
    """When to try again, milliseconds."""

    first_ms: int = 1_000
    """After the first failure; doubles with each that follows."""
    most_ms: int = 60_000
    slow_ms: int = 900_000
    """After a refusal that trying again will hardly change."""
    spread: float = 0.0
    """Share, 0 to 1, by which this replica waits longer than others, so that not all come back at once."""

    def after(self, failures: int) -> int:
        """Return the wait after so many failures in a row (at least 1)."""
        doubled = self.first_ms << min(failures - 1, 30)
        return int(min(doubled, self.most_ms) * (1 + self.spread))


class ReplicaMachine:
    """One replica. Versions only go up; a failure leads to another try, or to STUCK with a reason and a slow one."""

    def __init__(self, backoff: Backoff | None = None, window_open: bool = True) -> None:
        self.phase = Phase.WAITING
        self.held = 0
        """Version that can be answered from; 0 for none."""
        self.head = 0
        """The owner's head, as last known."""
        self.reason = ""
        """Of the last failure, until a version has been reached."""
        self.next_try_ms = 0
        """When the next try is due; 0 if none is."""
        self.behind_since_ms = 0
        """Since when the owner has had a version that is not held; 0 if it has none."""
        self.done_bytes = 0
        self.total_bytes = 0
        self.ended = False
        self._backoff = backoff or Backoff()
        self._window_open = window_open
        self._head_manifest = ""
        self._held_manifest = ""
        self._planned, self._aim = "", 0
        """Manifest and number of the version that is, or was last, planned for."""
        self._steps: tuple[int, ...] = ()
        self._failures = 0
        self._unsound = False

    def handle(self, event: Event) -> tuple[Instruction, ...]:
        """Take an event; return what is to be done now. Events out of their phase change nothing."""
        if self.ended:
            return ()
        match event:
            case Restored():
                return self._restored(event)
            case HeadSeen():
                return self._head_seen(event)
            case Failed():
                return self._failed(event)
            case AreaChanged():
                return self._area_changed(event)
            case WindowOpened() | WindowClosed() | Tick():
                return self._time(event)
            case Unsubscribed():
                self.ended, self.phase = True, Phase.WAITING
                return (Stop(), Drop())
        return self._worked(event)

    def _worked(self, event: Event) -> tuple[Instruction, ...]:
        """The work under way got on."""
        match self.phase, event:
            case Phase.PLANNING, PlanReady():
                return self._planned_for(event)
            case Phase.FETCHING, FetchProgress():
                self.done_bytes += event.count
            case ((Phase.PLANNING | Phase.FETCHING), PeerBad()):
                self.reason = event.reason
            case Phase.FETCHING, FetchDone():
                self.phase = Phase.STAGING
                return (ApplyVersion(self._steps[0]),)
            case Phase.STAGING, Staged():
                self.phase = Phase.PROVING
            case ((Phase.STAGING | Phase.PROVING), Proven()):
                self.phase = Phase.SWITCHING
                return (MoveHead(self._steps[0]),)
            case Phase.SWITCHING, Switched():
                return self._switched(event)
        return ()

    def _restored(self, event: Restored) -> tuple[Instruction, ...]:
        self.held, self._held_manifest, self._unsound = event.version, event.manifest, not event.sound
        told = (Advertise(self.held),) if self.held and event.sound else ()
        return (*told, *self._consider(event.now_ms))

    def _head_seen(self, event: HeadSeen) -> tuple[Instruction, ...]:
        if event.version < self.head or event.manifest == self._head_manifest:
            return ()
        self.head, self._head_manifest = event.version, event.manifest
        if self._is_behind() and not self.behind_since_ms:
            self.behind_since_ms = min(event.now_ms, event.published_ms)
        if self.phase is Phase.STUCK:
            self.next_try_ms = 0
        return self._consider(event.now_ms)

    def _area_changed(self, event: AreaChanged) -> tuple[Instruction, ...]:
        self._unsound = True
        self._failures = self.next_try_ms = 0
        stop = () if self.phase in IDLE else (Stop(),)
        self.phase = Phase.WAITING
        return (*stop, *self._consider(event.now_ms))

    def _time(self, event: WindowOpened | WindowClosed | Tick) -> tuple[Instruction, ...]:
        if isinstance(event, WindowClosed):
            self._window_open = False
            if self.phase in _WITH_BYTES:
                self._rest()
                return (Stop(),)
        elif isinstance(event, WindowOpened):
            self._window_open = True
        return self._consider(event.now_ms)

    def _planned_for(self, event: PlanReady) -> tuple[Instruction, ...]:
        if not event.versions:
            return self._found(event.now_ms)
        self._steps = event.versions
        self.done_bytes, self.total_bytes = 0, event.total_bytes
        return self._next_step(event.now_ms)

    def _found(self, now_ms: int) -> tuple[Instruction, ...]:
        """Take note that what was planned for is here; also a version whose head moved when its work was stopped."""
        told: tuple[Instruction, ...] = ()
        if self._aim > self.held:
            self.held, self._held_manifest = self._aim, self._planned
            self._failures, self.reason = 0, ""
            told = (Advertise(self.held),)
        if not self._is_behind():
            self.behind_since_ms = 0
        self._unsound = False
        self._rest()
        return (*told, *self._consider(now_ms))

    def _next_step(self, now_ms: int) -> tuple[Instruction, ...]:
        if self._steps and self._window_open:
            self.phase = Phase.FETCHING
            return (FetchObjects(self._steps[0]),)
        self._unsound = self._unsound and bool(self._steps)
        self._rest()
        return self._consider(now_ms)

    def _switched(self, event: Switched) -> tuple[Instruction, ...]:
        if event.version > self.held:
            self.held, self._held_manifest = event.version, event.manifest
        self._steps = self._steps[1:]
        self._failures, self.reason = 0, ""
        if not self._is_behind():
            self.behind_since_ms = 0
        told = (Advertise(self.held),) if event.version == self.held else ()
        return (*told, *self._next_step(event.now_ms))

    def _failed(self, event: Failed) -> tuple[Instruction, ...]:
        if self.phase in IDLE:
            return ()
        overtaken = self._is_behind() and self._planned != self._head_manifest
        self._rest()
        self.reason = event.reason
        if event.permanent and not overtaken:
            self.phase = Phase.STUCK
            self.next_try_ms = event.now_ms + self._backoff.slow_ms
        else:
            self._failures += 1
            self.next_try_ms = event.now_ms + self._backoff.after(self._failures)
        return (WaitUntil(self.next_try_ms),)

    def _rest(self) -> None:
        self.phase, self._steps, self.next_try_ms = Phase.WAITING, (), 0

    def _is_behind(self) -> bool:
        return self.head > self.held

    def _consider(self, now_ms: int) -> tuple[Instruction, ...]:
        """Begin what there is to do, if nothing is under way and its time has come."""
        if self.phase not in IDLE:
            return ()
        if not self._is_behind() and not (self._unsound and self.held):
            self._settle()
            return ()
        if now_ms < self.next_try_ms:
            return (WaitUntil(self.next_try_ms),)
        if not self._window_open:
            self.phase, self.next_try_ms = Phase.WAITING, 0
            return ()
        self.phase, self.next_try_ms = Phase.PLANNING, 0
        if self._is_behind():
            self._planned, self._aim = self._head_manifest, self.head
            return (PlanVersions(self.head, self._head_manifest),)
        self._planned, self._aim = self._held_manifest, self.held
        return (PlanVersions(self.held, self._held_manifest),)

    def _settle(self) -> None:
        """Rest at the head; a head of the same number that is another version is nothing that waiting could mend."""
        self.next_try_ms = 0
        self.phase = Phase.CURRENT if self.held else Phase.WAITING
        if self.held and self.head == self.held and self._head_manifest != self._held_manifest:
            self.phase = Phase.STUCK
            self.reason = (
                f"版本 {self.held} 与所有者公布的不是同一份，须核对\n"
                f"version {self.held} here is not the one that its owner advertises; ask the owner"
            )
