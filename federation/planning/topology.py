"""Who stands below whom: the tree of registered nodes, by their divisions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

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
        """Return the child of `root` through which `owner` is reached, `owner` itself included.

        None if `owner` is not below `root`. An owner that is not registered is its own step.
        """
        key = (root, owner)
        if key not in self._steps:
            self._steps[key] = self._find_step(root, owner)
        return self._steps[key]

    def _find_step(self, root: str, owner: str) -> str | None:
        if root not in _ancestors(owner):
            return None
        current = owner
        while (above := self.parent(current)) is not None and above != root:
            current = above
        return current if above == root else owner


def _ancestors(node: str) -> tuple[str, ...]:
    """Return the main nodes that may stand above a node, nearest first."""
    division = node_division(node)
    codes: Iterator[str] = (at_level(division, level) for level in _LEVELS)
    above = tuple(dict.fromkeys(code for code in codes if code != division))
    return above if node == division else (division, *above)
