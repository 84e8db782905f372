"""Who stands below whom: the tree of registered nodes, by their divisions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from guotu.model.division import DivisionLevel, at_level, node_division
from guotu.model.records import NodeRecord

_LEVELS = (DivisionLevel.COUNTY, DivisionLevel.PREFECTURE, DivisionLevel.PROVINCE, DivisionLevel.NATION)


@dataclass(slots=True)
class Topology:
    """Parents by the nearest registered ancestor: a level that is missing (直辖市, a dead province) is stepped over.

    A department's node ("510000-ch") stands below the main node of its division.
    """

    nodes: Mapping[str, NodeRecord]
    _steps: dict[tuple[str, str], str | None] = field(default_factory=dict)

    def parent(self, node: str) -> str | None:
        """Return the registered node above `node` (which need not be registered itself); None at the top."""
        return next((above for above in _ancestors(node) if above in self.nodes), None)

    def step(self, root: str, owner: str) -> str | None:
        """Return the child of `root` through which `owner` is reached: the highest registered node between the two.

        None if `owner` is not below `root`. With no registered node between, `owner` is its own step, be it
        registered or not. It does not matter whether `root` is registered: it is the one that asks.
        """
        key = (root, owner)
        if key not in self._steps:
            self._steps[key] = self._find_step(root, owner)
        return self._steps[key]

    def _find_step(self, root: str, owner: str) -> str | None:
        above = _ancestors(owner)
        if root not in above:
            return None
        between = above[: above.index(root)]
        return next((node for node in reversed(between) if node in self.nodes), owner)


@lru_cache(maxsize=8192)
def _ancestors(node: str) -> tuple[str, ...]:
    """Return the main nodes that may stand above a node, nearest first."""
    division = node_division(node)
    codes: Iterator[str] = (at_level(division, level) for level in _LEVELS)
    above = tuple(dict.fromkeys(code for code in codes if code != division))
    return above if node == division else (division, *above)
