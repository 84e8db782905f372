"""What befalls the mesh, and when: it follows from the seed alone, and can be printed."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.robustness.mesh.etcd_cluster import MEMBERS
from tests.robustness.mesh.family import BY_NODE, FAMILY, NODES

SHORTEST_S, LONGEST_S = 2.5, 7.0
"""How long a fault lasts."""
_REST_S = 6.0
"""How long whatever was hit is left in peace afterwards."""
_DATABASE = "postgresql"
_EMBEDDED = [member.node for member in FAMILY if member.store == "duckdb"]


@dataclass(frozen=True, slots=True)
class Event:
    """One fault."""

    at: float
    """Seconds after the beginning."""
    kind: str
    targets: tuple[str, ...]
    seconds: float
    """How long it lasts."""
    amount: int = 0
    """Of a delay and a clock, in milliseconds; signal of a stop."""

    def __str__(self) -> str:
        amount = f" ({self.amount})" if self.amount else ""
        return f"{self.at:6.1f} s  {self.kind:<14} {' '.join(self.targets)}{amount} for {self.seconds:.1f} s"


Choose = Callable[[random.Random], tuple[tuple[str, ...], int]]
_SIGKILL, _SIGTERM = 9, 15
_HOUR_MS, _YEAR_MS = 3_600_000, 365 * 24 * 3_600_000


def _one(names: Sequence[str], amounts: Sequence[int] = (0,)) -> Choose:
    return lambda luck: ((luck.choice(names),), luck.choice(amounts))


def _related(luck: random.Random) -> tuple[tuple[str, ...], int]:
    """Choose two nodes of which one asks the other, in either order."""
    child = luck.choice(NODES[1:])
    pair = [child, BY_NODE[child].parent]
    luck.shuffle(pair)
    return tuple(pair), 0


def _two_members(luck: random.Random) -> tuple[tuple[str, ...], int]:
    return tuple(luck.sample(MEMBERS, 2)), 0


_ANYWHERE: dict[str, Choose] = {
    "kill": _one(NODES),
    "pause": _one(NODES),
    "kill_etcd": _one(MEMBERS),
    "pause_etcd": _one(MEMBERS),
    "kill_quorum": _two_members,
    "kill_database": _one([_DATABASE]),
    "pause_database": _one([_DATABASE]),
    "full_disk": _one([member.node for member in FAMILY if member.small_disk]),
    "clock": _one(NODES, (-_HOUR_MS, _HOUR_MS, -3 * _YEAR_MS, 3 * _YEAR_MS)),
    "slow_readers": _one(NODES),
    "software": _one(_EMBEDDED, (_SIGKILL, _SIGTERM)),
}
_WITH_RELAYS: Callable[[Sequence[str]], dict[str, Choose]] = lambda relayed: {  # noqa: E731
    "delay": _one(relayed, (30, 200, 1500)),
    "silent_in": _one(relayed),
    "silent_out": _one(relayed),
}
_WITH_HOSTS: dict[str, Choose] = {
    "part_both": _related,
    "part_one": _related,
    "part_etcd": _one(MEMBERS),
    "isolate": _one(NODES),
    "lossy": _one(NODES),
}


def make_schedule(seed: int, seconds: float, relayed: Sequence[str], hosts: bool, disks: bool) -> list[Event]:
    """Return what a seed has happen.

    Args:
        seed: any number.
        seconds: how long faults begin, or longer, until each kind had its turn; what is left of it chance fills.
        relayed: nodes in front of which there is a relay.
        hosts: whether hosts can be parted.
        disks: whether disks can be filled.
    """
    luck = random.Random(seed)
    kinds = _ANYWHERE | _WITH_RELAYS(relayed) | (_WITH_HOSTS if hosts else {})
    if not disks:
        del kinds["full_disk"]
    order = list(kinds)
    luck.shuffle(order)
    gap = min(5.0, seconds / len(order))
    while len(order) < seconds / gap:
        order.append(luck.choice(list(kinds)))
    events: list[Event] = []
    free: dict[str, float] = {}
    for place in itertools.count():
        if not order:
            break
        at = place * gap + luck.uniform(0, gap / 2)
        found = _first_possible(order, kinds, luck, free, at)
        if found is None:
            continue
        kind, targets, amount = found
        lasts = luck.uniform(SHORTEST_S, LONGEST_S)
        events.append(Event(round(at, 2), kind, targets, round(lasts, 2), amount))
        free |= dict.fromkeys(_hit(targets), at + lasts + _REST_S)
    return events


def _first_possible(
    order: list[str], kinds: dict[str, Choose], luck: random.Random, free: dict[str, float], at: float
) -> tuple[str, tuple[str, ...], int] | None:
    """Take the first kind for which there is a target; the others wait for their turn."""
    for kind in order:
        targets, amount = _free_target(kinds[kind], luck, free, at)
        if targets:
            order.remove(kind)
            return kind, targets, amount
    return None


def _free_target(choose: Choose, luck: random.Random, free: dict[str, float], at: float) -> tuple[tuple[str, ...], int]:
    """Choose targets that nothing else befalls; none if there is none."""
    for _ in range(40):
        targets, amount = choose(luck)
        if all(free.get(name, 0.0) <= at for name in _hit(targets)):
            return targets, amount
    return (), 0


def _hit(targets: tuple[str, ...]) -> list[str]:
    """Return what must be left alone meanwhile: a registry that lost one member cannot lose another."""
    return ["etcd", *targets] if set(targets) & set(MEMBERS) else list(targets)
