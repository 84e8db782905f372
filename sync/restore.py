"""Restore: a store that cannot answer from a version learns it from the objects."""

from __future__ import annotations

import asyncio
from pathlib import Path

from guotu.model.collection import Collection
from guotu.model.errors import CorruptObject, InvalidCatalogue, StoreFailure
from guotu.model.ports import FeatureStore, ObjectStore
from sync.definition import definition_hash
from sync.layout import file_sha256
from sync.manifest import Manifest, ObjectRef


async def make_readable(objects: ObjectStore, store: FeatureStore, collection: Collection, manifest: Manifest) -> bool:
    """Make a store able to answer from a version; tells whether anything had to be loaded.

    Raises:
        CorruptObject: an object is missing or is not what the manifest says.
        InvalidCatalogue: the collection's definition is another than the version was published with.
        StoreFailure: the store failed, or holds another number of rows afterwards.
    """
    dataset, version = manifest.dataset, manifest.version
    if any((item.dataset, item.version) == (dataset, version) for item in await store.versions()):
        return False
    if definition_hash(collection) != manifest.definition:
        detail = f"the definition of {collection.id} is not that of {dataset}@{version}"
        raise InvalidCatalogue(source=collection.id, detail=detail)
    chunks = [await _verified(objects, item) for item in manifest.objects]
    await stage_whole(store, collection, manifest, chunks)
    await store.activate(dataset, version)
    return True


async def stage_whole(store: FeatureStore, collection: Collection, manifest: Manifest, chunks: list[Path]) -> None:
    """Stage a version from its chunks.

    Raises:
        StoreFailure: the store failed, or staged another number of rows; nothing is left staged then.
    """
    rows = await store.stage(manifest.dataset, manifest.version, collection, chunks)
    if rows != manifest.rows:
        await store.drop(manifest.dataset, manifest.version)
        raise StoreFailure(detail=f"{rows} rows staged of {manifest.rows} in {manifest.dataset}")


async def _verified(objects: ObjectStore, item: ObjectRef) -> Path:
    """Return where an object can be read, its bytes checked."""
    path = await objects.local_path(item.key)
    if path is None:
        raise CorruptObject(object=item.key, detail="missing")
    if await asyncio.to_thread(file_sha256, path) != item.sha256:
        raise CorruptObject(object=item.key, detail="its bytes have another hash")
    return path
