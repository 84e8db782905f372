"""Advertiser: writes a node's dataset records to the registry, forward only."""

from __future__ import annotations

from enum import StrEnum

import structlog

from guotu.model.division import split_dataset
from guotu.model.records import DatasetRecord
from guotu.wire.records import dataset_from_bytes, dataset_to_bytes
from registry.claim import Claim
from registry.etcd import Etcd
from registry.etcd_values import Compare, Pair, Put
from registry.keys import DATASETS, dataset_key, node_key

_log = structlog.get_logger(__name__)


class Advertised(StrEnum):
    """What became of a dataset record."""

    STORED = "stored"
    """The registry has it."""
    QUEUED = "queued"
    """It will be written when etcd answers and the node is registered."""
    SUPERSEDED = "superseded"
    """The registry has a later version, or another history of the same version, which stays."""


class Advertiser:
    """Keeps what a node has to say about its datasets, and writes what the registry does not have yet.

    A write holds only if the node's key is still that of this claim (the fence) and the record has not changed since it
    was looked at. Methods that write raise RegistryUnavailable if etcd does not answer.
    """

    def __init__(self, etcd: Etcd, node: str) -> None:
        """Take the client and whose datasets these are."""
        self._etcd = etcd
        self._node = node
        self._records: dict[str, DatasetRecord] = {}
        self._due: set[str] = set()

    @property
    def due(self) -> int:
        """Return how many records wait to be written."""
        return len(self._due)

    def add(self, record: DatasetRecord) -> bool:
        """Take a record to be written; False if one of a later version was given before.

        Raises:
            ValueError: it is not of this node.
        """
        if split_dataset(record.dataset) != (self._node, record.collection):
            raise ValueError(f"dataset {record.dataset} does not belong to node {self._node}")
        known = self._records.get(record.dataset)
        if known is not None and known.version > record.version:
            return False
        self._records[record.dataset] = record
        self._due.add(record.dataset)
        return True

    def all_due(self) -> None:
        """Have every record looked at again: the registry may have lost some."""
        self._due.update(self._records)

    async def write(self, dataset: str, fence: int) -> Advertised:
        """Write one record under the fence of a claim."""
        return await self._advance(dataset, await self._etcd.get(dataset_key(dataset)), fence)

    async def write_due(self, claim: Claim) -> None:
        """Write all that wait, as long as the claim is held."""
        if not self._due:
            return
        found: dict[str, Pair] = {}
        async for page in self._etcd.pages(DATASETS + self._node.encode() + b"/"):
            found |= {pair.key[len(DATASETS) :].decode(): pair for pair in page.pairs}
        for dataset in sorted(self._due):
            if claim.held:
                await self._advance(dataset, found.get(dataset), claim.fence)

    async def _advance(self, dataset: str, found: Pair | None, fence: int) -> Advertised:
        record = self._records[dataset]
        value = dataset_to_bytes(record)
        if found is not None and found.value == value:
            return self._done(record, Advertised.STORED)
        if found is not None and _is_ahead(found.value, record):
            _log.warning("dataset_superseded_in_registry", dataset=dataset, version=record.version)
            return self._done(record, Advertised.SUPERSEDED)
        conditions = [
            Compare(node_key(self._node), fence),
            Compare(dataset_key(dataset), found.mod_revision if found else 0),
        ]
        if await self._etcd.transact(conditions, [Put(dataset_key(dataset), value)]):
            return self._done(record, Advertised.STORED)
        return Advertised.QUEUED

    def _done(self, record: DatasetRecord, outcome: Advertised) -> Advertised:
        """Take a record off the list, unless a later one came in the meantime."""
        if self._records[record.dataset] is record:
            self._due.discard(record.dataset)
        return outcome


def _is_ahead(value: bytes, record: DatasetRecord) -> bool:
    """Tell whether the registry's record must stay: a later version, or the same version with another manifest."""
    try:
        held = dataset_from_bytes(value)
    except ValueError:
        return False
    return held.version > record.version or (held.version == record.version and held.manifest != record.manifest)
