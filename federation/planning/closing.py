"""A closed cut: exactly the datasets that it names have a part in the answer, whatever has come or gone since."""

from __future__ import annotations

from itertools import groupby, pairwise
from operator import itemgetter

from federation.planning.prune import MAY_MATCH
from federation.planning.topology import Topology
from guotu.model.division import split_dataset
from guotu.model.plan import ExpectedDataset
from guotu.model.question import Cut

Members = dict[str, tuple[ExpectedDataset, ...]]
"""What is expected through each child, by child and owner in ascending order."""


def closed(members: Members, cut: Cut, collection: str, topology: Topology, root: str) -> Members:
    """Return what a cut expects below a node: of those advertised what it names, and what is advertised no longer."""
    left = dict(cut)
    expected: Members = {}
    for child, items in members.items():
        named = tuple(item for item in items if left.pop(item.dataset, None) is not None)
        if named:
            expected[child] = items if len(named) == len(items) else named
    for dataset, version in left.items():
        owner, of_collection = split_dataset(dataset)
        through = topology.step(root, owner) if of_collection == collection else None
        if through is not None:
            expected[through] = (*expected.get(through, ()), unadvertised(dataset, version))
    return {child: _ordered(expected[child]) for child in sorted(expected)}


def by_owner(members: Members) -> list[tuple[str, tuple[ExpectedDataset, ...]]]:
    """Return children and what is expected of them so that owners ascend, as rows and their pages do.

    They do where children stand by divisions alone. Else a child may be named for several parts.
    """
    parts = list(members.items())
    if all(_owner(before[-1]) < _owner(after[0]) for (_, before), (_, after) in pairwise(parts)):
        return parts
    items = sorted((_owner(item), child, item) for child, part in parts for item in part)
    runs = groupby(items, key=itemgetter(1))
    return [(child, tuple(item for _, _, item in run)) for child, run in runs]


def unadvertised(dataset: str, version: int) -> ExpectedDataset:
    """Return what is expected of a dataset of which nothing is known but that it had this version."""
    return ExpectedDataset(dataset, version, 0, 0.0, True, MAY_MATCH, advertised=False)


def _ordered(items: tuple[ExpectedDataset, ...]) -> tuple[ExpectedDataset, ...]:
    """Return them in ascending order; the same tuple if they are, since what was made for it is kept by it."""
    ordered = tuple(sorted(items, key=_owner))
    return items if ordered == items else ordered


def _owner(item: ExpectedDataset) -> str:
    return split_dataset(item.dataset)[0]
