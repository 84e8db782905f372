"""Who may answer in the place of an owner: holders of a proven replica of the version that is pinned."""

from __future__ import annotations

from collections.abc import Mapping

from guotu.model.division import split_dataset
from guotu.model.gateway import is_open_to
from guotu.model.plan import ExpectedDataset, Standby
from guotu.model.ports import DirectoryView
from guotu.model.records import DatasetRecord, ReplicaRecord

_MOST = 3
"""Standbys that a plan names of each dataset."""


class Standbys:
    """Names standbys for one planning node; those of a member's whole part are kept while nothing changed."""

    def __init__(self, planner: str) -> None:
        self._planner = planner
        self._kept: dict[tuple[str, str], tuple[tuple[object, ...], tuple[Standby, ...]]] = {}

    def of(
        self, member: str, expected: tuple[ExpectedDataset, ...], view: DirectoryView, own: Mapping[str, DatasetRecord]
    ) -> tuple[Standby, ...]:
        """Return the standbys for what is kept of a member's part, by dataset.

        The planning node comes first, then others by id, those that are being drained last.

        A replica counts if it is whole, has come to the pinned version, and, where it is at the owner's head, has the
        digest that the owner advertises: another history under the same numbers does not. Whether it still has an older
        version is known to its holder alone. A holder that is reached only through another counts for that one alone.
        `own` are the planning node's whole replicas.
        """
        if not (view.replicas or own) or not expected:
            return ()
        place = member, split_dataset(expected[0].dataset)[1]
        heads = view.datasets.get(place[1])
        # None of these is ever changed: whoever has another has made it anew.
        source = expected, view.replicas, view.nodes, heads, own
        kept = self._kept.get(place)
        if kept is not None and all(one is other for one, other in zip(kept[0], source, strict=True)):
            return kept[1]
        wanted = [item for item in expected if item.keep]
        found = tuple(standby for item in wanted for standby in _of_one(member, item, view, own, self._planner)[:_MOST])
        if len(wanted) == len(expected):
            self._kept[place] = source, found
        return found


def _of_one(
    member: str, item: ExpectedDataset, view: DirectoryView, own: Mapping[str, DatasetRecord], planner: str
) -> list[Standby]:
    head = view.datasets.get(split_dataset(item.dataset)[1], {}).get(item.dataset)

    def serves(record: DatasetRecord | ReplicaRecord) -> bool:
        strange = head is not None and record.version == head.version and record.digest != head.digest
        return record.version >= item.version and not strange

    here = own.get(item.dataset)
    found = [Standby(item.dataset, planner, "")] if here is not None and serves(here) else []
    holders = view.replicas.get(item.dataset)
    able = [node for node, record in holders.items() if record.whole and serves(record)] if holders else []
    there = [view.nodes[node] for node in able if node in view.nodes and node not in (member, planner)]
    there = sorted(filter(lambda record: is_open_to(record, planner), there), key=lambda one: (one.draining, one.node))
    return [*found, *(Standby(item.dataset, record.node, record.address) for record in there)]
