"""Reconcile: at a node's start, what its store can answer from is made to agree with what is published."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import structlog

from guotu.model.division import split_dataset
from guotu.model.errors import GuotuError
from guotu.model.ports import FeatureStore, ObjectStore
from guotu.model.records import DatasetRecord
from sync.load import Checkpoint, make_readable
from sync.pointer import Pointer, list_entries, list_heads, read_head, version_key
from sync.retention import discard
from sync.signed import get_manifest
from sync.tidying import tidied
from sync.versions import dataset_record

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What was found at a node's start."""

    records: tuple[DatasetRecord, ...]
    """Heads that the store can answer from, of own and of replicated datasets, sorted by dataset."""
    loaded: tuple[str, ...]
    """Datasets whose head had to be loaded from the objects."""
    dropped: tuple[tuple[str, int], ...]
    """Versions (dataset, number) that went: never published, or in the store alone."""
    failed: Mapping[str, GuotuError]
    """Datasets whose head the store cannot answer from, and why; the others are not held up by them."""


async def reconcile(
    objects: ObjectStore,
    store: FeatureStore,
    node: str,
    replicas: Collection[str] = (),
    checkpoint: Checkpoint = lambda step: None,
) -> Reconciled:
    """Make an open store able to answer from each head, own and imported, and drop what no head led to.

    `replicas` are left alone, since replication looks after their heads itself. Versions above the head of another
    node's dataset are on their way here, and stay. Must not run beside a publish or a replication.
    """
    work = _Reconciliation(objects, store, node, checkpoint)
    for dataset in await list_heads(objects):
        if dataset not in replicas:
            await work.restore(dataset)
    await work.discard_unpublished()
    await work.drop_strays()
    return work.result()


class _Reconciliation:
    """One run, and its findings."""

    def __init__(
        self,
        objects: ObjectStore,
        store: FeatureStore,
        node: str,
        checkpoint: Checkpoint,
    ) -> None:
        self._objects = objects
        self._store = store
        self._node = node
        self._checkpoint = checkpoint
        self._heads: dict[str, int] = {}
        self._records: list[DatasetRecord] = []
        self._loaded: list[str] = []
        self._dropped: list[tuple[str, int]] = []
        self._failed: dict[str, GuotuError] = {}

    async def restore(self, dataset: str) -> None:
        """Make the head of a dataset readable, or take note of why it is not."""
        try:
            head = await read_head(self._objects, dataset)
            if head is not None:
                self._heads[dataset] = head.pointer.version
                await self._restore(head.pointer)
        except GuotuError as error:
            self._failed[dataset] = error
            _log.error("head_not_readable", dataset=dataset, reason=error.reason, detail=error.english)

    async def _restore(self, pointer: Pointer) -> None:
        # The entry is missing if the head moved although its writer was told otherwise and gave up.
        key = version_key(pointer.dataset, pointer.version)
        await self._objects.put_if_absent(key, pointer.to_bytes())
        manifest = (await get_manifest(self._objects, pointer.manifest)).manifest
        if await make_readable(self._objects, self._store, manifest, checkpoint=self._checkpoint):
            await tidied(self._store, pointer.dataset)
            self._loaded.append(pointer.dataset)
            _log.info("head_loaded", dataset=pointer.dataset, version=pointer.version, rows=manifest.rows)
        self._records.append(dataset_record(manifest))

    async def discard_unpublished(self) -> None:
        """Drop versions that were taken but that the head never moved to."""
        taken = await list_entries(self._objects)
        unpublished = [
            (dataset, number)
            for dataset, numbers in taken.items()
            if split_dataset(dataset)[0] == self._node
            if dataset in self._heads or dataset not in self._failed
            for number in numbers
            if number > self._heads.get(dataset, 0)
        ]
        try:
            gone = await discard(self._objects, self._store, unpublished)
        except GuotuError as error:
            _log.error("unpublished_not_dropped", reason=error.reason, detail=error.english)
            return
        self._dropped += [(pointer.dataset, pointer.version) for pointer in gone]

    async def drop_strays(self) -> None:
        """Drop what the store holds of versions that nobody took."""
        taken = await list_entries(self._objects)
        for item in await self._store.versions():
            if item.version not in taken.get(item.dataset, []):
                await self._store.drop(item.dataset, item.version)
                self._dropped.append((item.dataset, item.version))

    def result(self) -> Reconciled:
        """Return the findings."""
        for dataset, version in self._dropped:
            _log.info("version_dropped", dataset=dataset, version=version)
        return Reconciled(tuple(self._records), tuple(self._loaded), tuple(self._dropped), self._failed)
