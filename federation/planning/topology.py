"""Who stands below whom: the tree of registered nodes, by their divisions and by what they say of themselves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from guotu.model.division import DivisionLevel, at_level, node_division, stands_above
from guotu.model.gateway import gateway
from guotu.model.records import DatasetRecord, NodeRecord

_LEVELS = (DivisionLevel.COUNTY, DivisionLevel.PREFECTURE, DivisionLevel.PROVINCE, DivisionLevel.NATION)
Claims = Mapping[str, tuple[str, ...]]
"""Where nodes also stand, by node."""


@dataclass(slots=True)
class Topology:
    """Parents by the nearest registered ancestor: a level that is missing (直辖市, a dead province) is stepped over.

    A department's node ("510000-ch") stands below the main node of its division; one that is reached only through
    another stands below that one. A node may also stand under others; then there are several ways to it from above,
    and it is reached by one of them: that of the divisions if it leads there, else the first that does.
    """

    nodes: Mapping[str, NodeRecord]
    claims: Claims = field(default_factory=dict)
    """Of nodes that are not registered; the others' records tell."""
    _steps: dict[tuple[str, str], str | None] = field(default_factory=dict)

    def without(self, gone: frozenset[str]) -> Topology:
        """Return the tree as it is without some nodes."""
        rest = {name: record for name, record in self.nodes.items() if name not in gone}
        stood = {name: self.nodes[name].also_under for name in gone if name in self.nodes}
        return Topology(rest, {**self.claims, **stood})

    def parent(self, node: str) -> str | None:
        """Return the registered node above `node` (which need not be registered itself); None at the top."""
        return next((above for above in self._line(node) if above in self.nodes), None)

    def step(self, root: str, owner: str) -> str | None:
        """Return the node that `root` asks for what `owner` has: the highest registered node between the two.

        If that one lies behind another, it is the one that is dialed for it. None if `owner` is not below `root`. With
        no registered node between, `owner` is its own step, be it registered or not. It does not matter whether `root`
        is registered: it is the one that asks.
        """
        key = (root, owner)
        if key not in self._steps:
            self._steps[key] = self._find_step(root, owner)
        return self._steps[key]

    def _find_step(self, root: str, owner: str) -> str | None:
        between = self._between(root, owner)
        if between is None:
            return None
        child = next((node for node in reversed(between) if node in self.nodes), owner)
        door, record = gateway(child, root, self.nodes)
        return child if record is None else door

    def _between(self, root: str, owner: str) -> tuple[str, ...] | None:
        """Return the nodes, registered or not, on the way from `owner` up to `root`; None if it does not lead there."""
        line = self._line(owner)
        if root in line:
            return line[: line.index(root)]
        for place, node in enumerate((owner, *line)):
            for other in self._also_under(node):
                if other == root:
                    return line[:place]
                beyond = self._between(root, other)
                if beyond is not None:
                    return (*line[:place], other, *beyond)
        return None

    def _line(self, node: str) -> tuple[str, ...]:
        """Return the nodes that may stand above a node, nearest first, by divisions and by whom it is reached."""
        above: list[str] = []
        while True:
            record = self.nodes.get(node)
            through = "" if record is None else record.reached_through
            if not through or not stands_above(through, node):
                through = next(iter(_ancestors(node)), "")
            if not through:
                return tuple(above)
            above.append(through)
            node = through

    def _also_under(self, node: str) -> Iterator[str]:
        record = self.nodes.get(node)
        claimed = self.claims.get(node, ()) if record is None else record.also_under
        return (other for other in claimed if stands_above(other, node))


def claims_of(datasets: Iterable[DatasetRecord], nodes: Mapping[str, NodeRecord]) -> Claims:
    """Return where nodes that are not registered also stand, as their datasets tell."""
    return {item.node: item.also_under for item in datasets if item.also_under and item.node not in nodes}


@lru_cache(maxsize=8192)
def _ancestors(node: str) -> tuple[str, ...]:
    """Return the main nodes that may stand above a node, nearest first."""
    division = node_division(node)
    codes: Iterator[str] = (at_level(division, level) for level in _LEVELS)
    above = tuple(dict.fromkeys(code for code in codes if code != division))
    return above if node == division else (division, *above)
