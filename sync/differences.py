"""Differences: how one version of a dataset that is held differs from another."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pyarrow as pa

from guotu.model.collection import Collection
from guotu.model.errors import InvalidQuestion, UnknownVersion
from guotu.model.ports import FeatureStore, ObjectStore
from sync.definitions import get_definition
from sync.manifest import Manifest
from sync.pointer import read_head, read_version
from sync.signed import get_manifest


@dataclass(frozen=True, slots=True)
class Difference:
    """Two versions to compare, and the definition that the rows of both are shown with: that of the newer one."""

    dataset: str
    since: int
    until: int
    collection: Collection


class Differences:
    """Compares versions that a store can answer from."""

    def __init__(self, objects: ObjectStore, store: FeatureStore) -> None:
        self._objects = objects
        self._store = store

    async def open(self, dataset: str, since: int, until: int) -> Difference:
        """Find two versions; `until` 0 is the head.

        Raises:
            UnknownVersion: one of them cannot be answered from.
            InvalidQuestion: they are of different series, so that their rows cannot be compared.
            CorruptObject: a manifest or a definition is missing or damaged.
        """
        head = await read_head(self._objects, dataset)
        newest = 0 if head is None else head.pointer.version
        until = until or newest
        readable = {item.version for item in await self._store.versions() if item.dataset == dataset}
        manifests = []
        for version in (since, until):
            if version not in readable or version > newest:
                raise UnknownVersion(dataset=dataset, version=version)
            manifests.append(await self._manifest(dataset, version))
        series = sorted({manifest.series for manifest in manifests})
        if len(series) > 1:
            detail = f"版本 {since} 与 {until} 属不同系列，无法比较 they are of different series: {series}"
            raise InvalidQuestion(part="diff", detail=detail)
        newer = max(manifests, key=lambda manifest: manifest.version)
        return Difference(dataset, since, until, await get_definition(self._objects, newer.definition))

    def batches(self, found: Difference) -> AsyncIterator[pa.RecordBatch]:
        """Stream what differs, by key; schema `guotu.model.schema.change_schema`.

        Raises:
            UnknownVersion: one of the versions is gone by now.
        """
        return self._store.changes(found.dataset, found.since, found.until, found.collection)

    async def _manifest(self, dataset: str, version: int) -> Manifest:
        entry = await read_version(self._objects, dataset, version)
        if entry is None:
            raise UnknownVersion(dataset=dataset, version=version)
        return (await get_manifest(self._objects, entry.manifest)).manifest
