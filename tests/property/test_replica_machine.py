"""Laws of a replica's state machine, whatever happens to it in whatever order."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

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
    FetchObjects,
    Instruction,
    MoveHead,
    PlanVersions,
    Stop,
    WaitUntil,
)
from sync.replica.machine import IDLE, Backoff, Phase, ReplicaMachine

_BACKOFF = Backoff(first_ms=10, most_ms=80, slow_ms=1_000)
_WORK = (PlanVersions, FetchObjects, ApplyVersion, MoveHead)


class World:
    """Carries out what a machine asks for, as far as a test lets it."""

    def __init__(self, held: int = 0, sound: bool = True) -> None:
        self.machine = ReplicaMachine(_BACKOFF)
        self.now = 1
        self.work: Instruction | None = None
        self.said: list[Instruction] = []
        self.held = held
        self.tell(Restored(self.now, held, _name(held), sound))

    def tell(self, event: Event) -> list[Instruction]:
        said = list(self.machine.handle(event))
        for item in said:
            if isinstance(item, Stop):
                self.work = None
            elif isinstance(item, _WORK):
                assert self.work is None, f"{item} while {self.work} is under way"
                self.work = item
        self.said += said
        return said

    def later(self, ms: int) -> int:
        self.now += ms
        return self.now

    def head(self, version: int) -> list[Instruction]:
        return self.tell(HeadSeen(self.later(1), version, _name(version), self.now))

    def finish(self, fault: str = "") -> None:
        """End the work under way."""
        work, self.work = self.work, None
        if work is None:
            return
        now = self.later(1)
        if fault:
            self.tell(Failed(now, fault, permanent=fault == "refused"))
            return
        match work:
            case PlanVersions():
                first = min(self.machine.held + 1, work.version)
                self.tell(PlanReady(now, tuple(range(first, work.version + 1)), 10))
            case FetchObjects():
                self.tell(FetchProgress(now, 10))
                self.tell(FetchDone(now))
            case ApplyVersion():
                self.tell(Staged(now))
                self.tell(Proven(now))
            case MoveHead():
                self.held = max(self.held, work.version)
                self.tell(Switched(now, work.version, _name(work.version)))

    def settle(self) -> None:
        """Let everything go well from now on."""
        self.tell(WindowOpened(self.later(1)))
        for _ in range(500):
            if self.work is not None:
                self.finish()
            elif self.machine.next_try_ms:
                self.now = max(self.now, self.machine.next_try_ms)
                self.tell(Tick(self.now))
            else:
                return
        raise AssertionError("it never settles")


def _name(version: int) -> str:
    return f"{version:064x}" if version else ""


_STEPS = st.one_of(
    st.tuples(st.just("head"), st.integers(1, 30)),
    st.tuples(st.just("finish"), st.just(0)),
    st.tuples(st.just("fail"), st.just(0)),
    st.tuples(st.just("refuse"), st.just(0)),
    st.tuples(st.just("tick"), st.integers(1, 2_000)),
    st.tuples(st.sampled_from(["open", "close", "area"]), st.just(0)),
)


def _take(world: World, step: tuple[str, int]) -> None:
    kind, number = step
    match kind:
        case "head":
            world.head(number)
        case "finish":
            world.finish()
        case "fail" | "refuse":
            world.finish("refused" if kind == "refuse" else "away")
        case "tick":
            world.tell(Tick(world.later(number)))
        case "open":
            world.tell(WindowOpened(world.later(1)))
        case "close":
            world.tell(WindowClosed(world.later(1)))
        case "area":
            world.tell(AreaChanged(world.later(1)))


@given(st.lists(_STEPS, max_size=60), st.integers(0, 3), st.booleans())
def test_versions_never_go_back_and_the_newest_head_is_reached(
    steps: list[tuple[str, int]], held: int, sound: bool
) -> None:
    world, newest, seen = World(held, sound), held, held
    for step in steps:
        _take(world, step)
        seen = max(seen, step[1] if step[0] == "head" else 0)
        assert world.machine.held >= newest
        newest = world.machine.held
    world.settle()
    assert (world.machine.held, world.machine.phase) == (seen, Phase.CURRENT if seen else Phase.WAITING)
    assert world.machine.behind_since_ms == 0
    told = [item.version for item in world.said if isinstance(item, Advertise)]
    assert told == sorted(told)
    assert not seen or told[-1] == seen


@given(st.lists(_STEPS, max_size=40), st.lists(_STEPS, max_size=20))
def test_nothing_is_asked_for_after_the_subscription_ended(
    before: list[tuple[str, int]], after: list[tuple[str, int]]
) -> None:
    world = World()
    for step in before:
        _take(world, step)
    assert [type(item).__name__ for item in world.tell(Unsubscribed(world.later(1)))] == ["Stop", "Drop"]
    count = len(world.said)
    for step in after:
        _take(world, step)
    assert world.said[count:] == []


@given(st.lists(_STEPS, max_size=60))
def test_a_failure_leads_to_a_retry_or_to_stuck_with_a_reason(steps: list[tuple[str, int]]) -> None:
    world = World()
    for step in steps:
        busy = world.work is not None
        _take(world, step)
        if busy and step[0] in ("fail", "refuse"):
            assert world.machine.phase in (Phase.WAITING, Phase.STUCK)
            assert world.machine.reason in ("away", "refused")
            assert world.now < world.machine.next_try_ms <= world.now + _BACKOFF.slow_ms
            assert isinstance(world.said[-1], WaitUntil)
        assert (world.work is None) == (world.machine.phase in IDLE)


@given(st.lists(_STEPS, max_size=60))
def test_bytes_are_asked_for_only_while_the_window_is_open(steps: list[tuple[str, int]]) -> None:
    world, is_open = World(), True
    for step in steps:
        count = len(world.said)
        _take(world, step)
        is_open = {"open": True, "close": False}.get(step[0], is_open)
        asked = [item for item in world.said[count:] if isinstance(item, PlanVersions | FetchObjects)]
        assert is_open or not asked
        assert is_open or not isinstance(world.work, PlanVersions | FetchObjects)


def test_waits_double_up_to_a_cap_and_begin_anew_after_a_version() -> None:
    world, waits = World(), []
    world.head(1)
    for _ in range(6):
        world.finish("away")
        waits.append(world.machine.next_try_ms - world.now)
        world.now = world.machine.next_try_ms
        world.tell(Tick(world.now))
    assert waits == [10, 20, 40, 80, 80, 80]
    world.settle()
    world.head(2)
    world.finish("away")
    assert world.machine.next_try_ms - world.now == 10


def test_a_refusal_waits_long_unless_the_head_changes() -> None:
    world = World()
    world.head(1)
    world.finish("refused")
    assert (world.machine.phase, world.machine.reason) == (Phase.STUCK, "refused")
    assert world.machine.next_try_ms - world.now == _BACKOFF.slow_ms
    assert world.tell(Tick(world.now + _BACKOFF.slow_ms - 1)) == [WaitUntil(world.machine.next_try_ms)]
    assert world.head(2) == [PlanVersions(2, _name(2))]


def test_a_head_seen_in_the_middle_is_planned_for_afterwards() -> None:
    world = World()
    world.head(1)
    world.finish()
    assert world.head(2) == []
    for _ in range(3):
        world.finish()
    assert world.machine.held == 1
    assert world.work == PlanVersions(2, _name(2))


def test_a_closed_window_stops_a_fetch_and_not_a_switch() -> None:
    world = World()
    world.head(1)
    world.finish()
    assert world.tell(WindowClosed(world.later(1))) == [Stop()]
    assert world.tell(WindowOpened(world.later(1))) == [PlanVersions(1, _name(1))]
    world.finish()
    world.finish()
    assert world.tell(WindowClosed(world.later(1))) == []
    world.finish()
    world.finish()
    assert world.machine.held == 1


def test_a_version_that_is_here_already_is_held_and_not_planned_for_again() -> None:
    """Its head was moved in the moment in which the work was stopped, and nobody heard of that."""
    world = World()
    world.head(2)
    world.work = None
    assert world.tell(PlanReady(world.later(1), (), 0)) == [Advertise(2)]
    assert (world.machine.held, world.machine.phase) == (2, Phase.CURRENT)
    assert world.machine.behind_since_ms == 0
    assert world.head(3) == [PlanVersions(3, _name(3))]


def test_another_version_under_the_held_number_is_told() -> None:
    world = World(held=3)
    world.tell(HeadSeen(world.later(1), 3, "f" * 64, 1))
    assert world.machine.phase is Phase.STUCK
    assert "3" in world.machine.reason
    world.head(4)
    world.settle()
    assert (world.machine.held, world.machine.phase) == (4, Phase.CURRENT)


def test_bad_peers_are_told_while_others_go_on() -> None:
    world = World()
    world.head(1)
    world.finish()
    world.tell(PeerBad(world.later(1), "110000", "110000 lies"))
    assert (world.machine.phase, world.machine.reason) == (Phase.FETCHING, "110000 lies")
    world.settle()
    assert world.machine.reason == ""


def test_lag_counts_from_when_the_missing_version_was_published() -> None:
    world = World(held=1)
    world.tell(HeadSeen(1_000, 2, _name(2), 400))
    world.tell(HeadSeen(1_100, 3, _name(3), 1_050))
    assert world.machine.behind_since_ms == 400
