"""The newest versions that a node has, as tables for others are to show them."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from guotu.model.collection import Collection, Field
from guotu.model.definition import collection_to_json
from guotu.model.errors import UnknownDataset
from guotu.model.ports import Catalogue, FeatureStore, ObjectStore
from node.stores.material import Release
from sync.definitions import get_definition
from sync.pointer import read_head
from sync.signed import get_manifest


class Heads:
    """Reads heads of datasets, own and replicated; what a manifest says is read once."""

    def __init__(self, objects: ObjectStore, store: FeatureStore, catalogue: Catalogue) -> None:
        self._objects = objects
        self._store = store
        self._catalogue = catalogue
        self._read: dict[str, Release] = {}

    async def release(self, dataset: str) -> Release:
        """Return the head of a dataset, described as the catalogue does now; the store may not have its rows yet.

        Raises:
            UnknownDataset: the node does not have it.
            CorruptObject: its manifest or definition is missing or damaged.
        """
        head = await read_head(self._objects, dataset)
        if head is None:
            self._read.pop(dataset, None)
            raise UnknownDataset(dataset=dataset)
        known = self._read.get(dataset)
        if known is None or known.manifest != head.pointer.manifest:
            manifest = (await get_manifest(self._objects, head.pointer.manifest)).manifest
            collection = await get_definition(self._objects, manifest.definition)
            known = Release(dataset, manifest.version, head.pointer.manifest, "", manifest.published_ms, collection)
        collection = described(known.collection, self._catalogue.get(known.collection.id))
        if not known.description or collection != known.collection:
            digest = hashlib.sha256(collection_to_json(collection)).hexdigest()
            known = replace(known, description=digest, collection=collection)
        self._read[dataset] = known
        return known

    async def newest_readable(self) -> dict[str, int]:
        """Return the newest version of each dataset that the store can answer from, be it the head or not."""
        return {item.dataset: item.version for item in await self._store.versions()}


def described(definition: Collection, current: Collection | None) -> Collection:
    """Return the definition of a version with what may change without a new one, as the catalogue has it now."""
    if current is None:
        return definition

    def named(field: Field) -> Field:
        now = current.field(field.name)
        return field if now is None else replace(field, title=now.title, note=now.note)

    return replace(
        definition,
        title=current.title,
        title_en=current.title_en,
        classification=current.classification,
        source=current.source,
        fields=tuple(map(named, definition.fields)),
    )
