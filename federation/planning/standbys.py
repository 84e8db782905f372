"""Who may answer in the place of an owner: holders of a proven replica of the version that is pinned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from guotu.model.plan import ExpectedDataset, Standby
from guotu.model.ports import DirectoryView
from guotu.model.records import DatasetRecord

_MOST = 3
"""Standbys that a plan names of each dataset."""


def standbys_of(
    member: str,
    expected: Sequence[ExpectedDataset],
    view: DirectoryView,
    own: Mapping[str, DatasetRecord],
    planner: str,
) -> tuple[Standby, ...]:
    """Return the standbys for what is kept of a member's part, by dataset: the planning node, then others by id.

    A replica counts if it is whole and has come to the pinned version; whether it still has an older one is known to
    its holder alone. `own` are the planning node's whole replicas.
    """
    if not view.replicas and not own:
        return ()
    return tuple(
        standby for item in expected if item.keep for standby in _of_one(member, item, view, own, planner)[:_MOST]
    )


def _of_one(
    member: str, item: ExpectedDataset, view: DirectoryView, own: Mapping[str, DatasetRecord], planner: str
) -> list[Standby]:
    here = own.get(item.dataset)
    found = [Standby(item.dataset, planner, "")] if here is not None and here.version >= item.version else []
    holders = view.replicas.get(item.dataset)
    for node, record in sorted(holders.items()) if holders else ():
        if record.whole and record.version >= item.version and node in view.nodes and node not in (member, planner):
            found.append(Standby(item.dataset, node, view.nodes[node].address))
    return found
