"""Replica advertiser: keeps what a node says of its replicas in the registry, on the node's own lease."""

from __future__ import annotations

import asyncio

from guotu.model.records import ReplicaRecord
from guotu.wire.records import replica_to_bytes
from registry.claim import Claim
from registry.etcd import MANY, Etcd
from registry.etcd_values import Compare, Delete, Pair, Put
from registry.keys import node_key, replica_key


class ReplicaAdvertiser:
    """Writes what the registry does not have yet, and removes what is no longer held.

    Only the holder writes its keys, and only while the node's key is still that of its claim (the fence); one write
    runs at a time, so that a later one is never overtaken. Records go with the lease, so they are written again when
    the node has a new one. Methods that write raise RegistryUnavailable if etcd does not answer.
    """

    def __init__(self, etcd: Etcd, node: str) -> None:
        """Take the client and whose replicas these are."""
        self._etcd = etcd
        self._node = node
        self._records: dict[str, ReplicaRecord] = {}
        self._due: set[str] = set()
        self._writing = asyncio.Lock()

    @property
    def due(self) -> frozenset[str]:
        """Return the datasets whose records wait to be written or removed."""
        return frozenset(self._due)

    def add(self, record: ReplicaRecord) -> None:
        """Take a record to be written.

        Raises:
            ValueError: it is not of this node.
        """
        if record.node != self._node:
            raise ValueError(f"replica of {record.dataset} at {record.node} does not belong to node {self._node}")
        replica_key(record.dataset, record.node)
        self._records[record.dataset] = record
        self._due.add(record.dataset)

    def remove(self, dataset: str) -> None:
        """Take a record out of the registry.

        Raises:
            ValueError: it is not a dataset id.
        """
        replica_key(dataset, self._node)
        self._records.pop(dataset, None)
        self._due.add(dataset)

    def all_due(self) -> None:
        """Have every record looked at again: the registry may have lost some."""
        self._due.update(self._records)

    async def write_due(self, claim: Claim) -> None:
        """Write and remove all that waits, as long as the claim is held."""
        async with self._writing:
            waiting = sorted(self._due)
            for start in range(0, len(waiting), MANY):
                if claim.held:
                    await self._write(waiting[start : start + MANY], claim.fence, claim.lease)

    async def _write(self, datasets: list[str], fence: int, lease: int) -> None:
        """Bring the registry's records of some datasets in line, in one transaction."""
        wanted = {dataset: self._records.get(dataset) for dataset in datasets}
        keys = {dataset: replica_key(dataset, self._node) for dataset in datasets}
        found = {pair.key: pair for pair in await self._etcd.get_many(list(keys.values()))}
        operations = [
            operation
            for dataset, key in keys.items()
            if (operation := _operation(key, wanted[dataset], found.get(key), lease)) is not None
        ]
        held = Compare(node_key(self._node), fence)
        if not operations or await self._etcd.transact([held], operations):
            # What was changed in the meantime waits for the next write.
            self._due.difference_update(name for name, record in wanted.items() if self._records.get(name) is record)


def _operation(key: bytes, wanted: ReplicaRecord | None, found: Pair | None, lease: int) -> Put | Delete | None:
    """Return what to do so that the registry has what is wanted; None if it has."""
    if wanted is None:
        return None if found is None else Delete(key)
    value = replica_to_bytes(wanted)
    if found is not None and (found.value, found.lease) == (value, lease):
        return None
    return Put(key, value, lease)
