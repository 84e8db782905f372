"""Who may answer in the place of an owner: holders of a proven replica of the version that is pinned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from guotu.model.division import split_dataset
from guotu.model.plan import ExpectedDataset, Standby
from guotu.model.ports import DirectoryView
from guotu.model.records import DatasetRecord, ReplicaRecord

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

    A replica counts if it is whole, has come to the pinned version, and, where it is at the owner's head, has the
    digest that the owner advertises: another history under the same numbers does not. Whether it still has an older
    version is known to its holder alone. `own` are the planning node's whole replicas.
    """
    if not view.replicas and not own:
        return ()
    return tuple(
        standby for item in expected if item.keep for standby in _of_one(member, item, view, own, planner)[:_MOST]
    )


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
    for node, record in sorted(holders.items()) if holders else ():
        if record.whole and serves(record) and node in view.nodes and node not in (member, planner):
            found.append(Standby(item.dataset, node, view.nodes[node].address))
    return found
