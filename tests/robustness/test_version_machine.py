"""Whatever happens to an owner and its followers, in whatever order, versions stay whole, and in the end all agree.

Runs are seeded: `--version-runs N` sets how many (40 unless said), `--version-seed N` where they begin. A seed that
ever found a difference is kept in `KEPT`.
"""

from __future__ import annotations

import asyncio
import random
import shutil
import tempfile
from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from sync.replica.area import Area
from tests.support.histories import Layer
from tests.support.memory_store import MemoryStore
from tests.support.stores import make_store
from tests.support.sync_samples import NODE
from tests.support.version_world import AREAS, FOLLOWERS, PARTIAL, World
from tests.support.world_owner import MakeStore

KEPT: tuple[int, ...] = ()
_STEPS = 10
_PARTS = 8
_STORE_PARTS = 3
_OF_ALL = 10
"""One run in so many has the store that ships."""
_KEYS = [f"510104{number:012d}" for number in range(12)]
_LAYERS = st.dictionaries(
    st.sampled_from(_KEYS), st.tuples(st.sampled_from(["水田", "旱地", None]), st.integers(0, 399)), max_size=8
)


class VersionMachine(RuleBasedStateMachine):
    """Drives a world; Hypothesis chooses what happens."""

    make_store: MakeStore = MemoryStore

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="gv-"))
        self.runner = asyncio.Runner()
        self.world = World(self.folder, type(self).make_store)
        self.runner.run(self.world.start())

    def teardown(self) -> None:
        """Heal everything and see all agree, then clear up."""
        try:
            self.runner.run(self.world.end_well())
        finally:
            self.runner.run(self.world.stop())
            self.runner.close()
            shutil.rmtree(self.folder, ignore_errors=True)

    @rule(layer=_LAYERS, increment=st.booleans())
    def publish(self, layer: Layer, increment: bool) -> None:
        self.runner.run(self.world.publish(layer, increment))

    @rule(key=st.sampled_from(_KEYS), place=st.integers(0, 399), increment=st.booleans())
    def edit(self, key: str, place: int, increment: bool) -> None:
        self.runner.run(self.world.publish({**self.world.layer, key: ("草地", place)}, increment))

    @rule(key=st.sampled_from(_KEYS), place=st.integers(0, 399), increment=st.booleans(), at=st.integers(0, 14))
    def publisher_dies(self, key: str, place: int, increment: bool, at: int) -> None:
        self.runner.run(self.world.publish({**self.world.layer, key: ("园地", place)}, increment, cut_after=at))

    @rule(key=st.sampled_from(_KEYS), place=st.integers(0, 399), luck=st.integers(0, 1 << 30))
    def source_serves_damaged_bytes(self, key: str, place: int, luck: int) -> None:
        self.runner.run(self.world.lie({**self.world.layer, key: ("林地", place)}, random.Random(luck)))

    @rule(name=st.sampled_from(FOLLOWERS))
    def replicate(self, name: str) -> None:
        self.runner.run(self.world.settle(name))

    @rule(name=st.sampled_from(FOLLOWERS), at=st.integers(0, 12))
    def follower_dies(self, name: str, at: int) -> None:
        self.world.switches[name].arm(at)

    @rule(name=st.sampled_from((NODE, *FOLLOWERS)))
    def restart(self, name: str) -> None:
        self.runner.run(self.world.restart_owner() if name == NODE else self.world.restart(name))

    @rule()
    def part(self) -> None:
        self.runner.run(self.world.owner.disconnect())

    @rule()
    def heal(self) -> None:
        self.runner.run(self.world.heal())

    @rule(area=st.sampled_from(AREAS))
    def change_area(self, area: Area) -> None:
        self.runner.run(self.world.limit(PARTIAL, area))

    @rule(name=st.sampled_from((NODE, *FOLLOWERS)), luck=st.integers(0, 1 << 30))
    def damage(self, name: str, luck: int) -> None:
        self.world.damage(name, random.Random(luck))

    @rule(name=st.sampled_from((NODE, *FOLLOWERS)))
    @precondition(lambda self: self.world.published)
    def collect(self, name: str) -> None:
        self.runner.run(self.world.collect(name))

    @rule(jump_ms=st.sampled_from((-(10**11), -3_600_000, 3_600_000, 10**11)))
    def clocks_jump(self, jump_ms: int) -> None:
        self.world.jump(jump_ms)

    @invariant()
    def holds(self) -> None:
        self.runner.run(self.world.check())


class StoreMachine(VersionMachine):
    """Drives a world whose nodes have the store that ships."""

    make_store = staticmethod(partial(make_store, "duckdb"))


def run_seeded(machine: type[VersionMachine], number: int, runs: int) -> None:
    """Run a machine `runs` times, as one seed has it."""
    chosen = settings(
        max_examples=runs,
        stateful_step_count=_STEPS,
        deadline=None,
        database=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
        print_blob=True,
    )
    run_state_machine_as_test(seed(number)(machine), settings=chosen)


@pytest.mark.parametrize("part", [*range(_PARTS), *(f"kept-{number}" for number in KEPT)])
def test_seeded_runs(part: int | str, request: pytest.FixtureRequest) -> None:
    wanted = request.config.getoption("--version-runs")
    runs = max(2, (wanted - wanted // _OF_ALL) // _PARTS)
    first = request.config.getoption("--version-seed")
    run_seeded(VersionMachine, first + part if isinstance(part, int) else int(part.removeprefix("kept-")), runs)


@pytest.mark.parametrize("part", range(_STORE_PARTS))
def test_seeded_runs_with_the_store_that_ships(part: int, request: pytest.FixtureRequest) -> None:
    """A few of all runs: this store takes a third of a second to open. The first of each part has no steps."""
    runs = request.config.getoption("--version-runs") // _OF_ALL // _STORE_PARTS + 1
    run_seeded(StoreMachine, request.config.getoption("--version-seed") + part, runs)
