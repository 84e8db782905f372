"""The schedule of faults: it follows from its seed, every kind has its turn, and nothing is hit twice at once."""

from __future__ import annotations

import pytest

from tests.robustness.mesh.etcd_cluster import MEMBERS
from tests.robustness.mesh.schedule import Event, make_schedule
from tests.robustness.test_mesh_under_faults import SECONDS

RELAYED = ("510000", "520100")
ALL = {
    "kill", "pause", "kill_etcd", "pause_etcd", "kill_quorum", "kill_database", "pause_database", "full_disk", "clock",
    "slow_readers", "software", "delay", "silent_in", "silent_out", "part_both", "part_one", "part_etcd", "isolate",
    "lossy",
}  # fmt: skip


def schedule(seed: int, seconds: float = 120.0) -> list[Event]:
    return make_schedule(seed, seconds, RELAYED, hosts=True, disks=True)


@pytest.mark.parametrize("seed", range(20))
def test_every_kind_has_its_turn(seed: int) -> None:
    assert {event.kind for event in schedule(seed, SECONDS)} == ALL


@pytest.mark.parametrize("seed", range(20))
def test_nothing_is_hit_twice_at_once(seed: int) -> None:
    busy: dict[str, float] = {}
    for event in schedule(seed):
        hit = {"etcd" if name in MEMBERS else name for name in event.targets}
        assert all(busy.get(name, 0.0) <= event.at for name in hit), str(event)
        busy |= dict.fromkeys(hit, event.at + event.seconds)


def test_the_same_seed_is_the_same_schedule() -> None:
    assert list(map(str, schedule(7))) == list(map(str, schedule(7)))
    assert list(map(str, schedule(7))) != list(map(str, schedule(8)))


def test_without_namespaces_and_disks_there_are_the_faults_that_need_none() -> None:
    kinds = {event.kind for event in make_schedule(3, 120.0, RELAYED, hosts=False, disks=False)}
    assert kinds == ALL - {"part_both", "part_one", "part_etcd", "isolate", "lossy", "full_disk"}
