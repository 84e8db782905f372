"""Versions: what a node holds of a dataset."""

from __future__ import annotations

from guotu.model.division import split_dataset
from guotu.model.errors import CorruptObject, UnknownDataset, UnknownObject, UnknownVersion
from guotu.model.ports import FeatureStore, ObjectStore
from guotu.model.records import DatasetRecord, VersionInfo
from sync.manifest import Manifest, is_manifest_name
from sync.pins import pinned_versions
from sync.pointer import Head, list_entries, read_head, read_version
from sync.signed import SignedManifest, get_manifest, manifest_key
from sync.trust import check_signature


class Versions:
    """Reads the versions that a node holds, its own and those of datasets that it replicates."""

    def __init__(self, objects: ObjectStore, store: FeatureStore) -> None:
        """Set the stores; signatures are checked with the keys that the object store has as trusted."""
        self._objects = objects
        self._store = store

    async def list_versions(self, dataset: str) -> list[VersionInfo]:
        """Return the retained versions, newest first.

        Raises:
            UnknownDataset: nothing is held under that name.
            CorruptObject: a manifest is missing or damaged.
            VersionRefused, UntrustedKey: a signature is not the owner's.
        """
        head = await self._head(dataset)
        numbers = (await list_entries(self._objects, dataset)).get(dataset, [])
        readable = {item.version for item in await self._store.versions() if item.dataset == dataset}
        pinned = (await pinned_versions(self._objects, dataset)).get(dataset, frozenset())
        retained = [number for number in reversed(numbers) if number <= head.pointer.version]
        return [
            _info(await self.read_manifest(dataset, number), number in readable, number in pinned)
            for number in retained
        ]

    async def read_manifest(self, dataset: str, version: int = 0) -> SignedManifest:
        """Return the manifest of a version, 0 for the head, its signature checked.

        Raises:
            UnknownDataset: nothing is held under that name.
            UnknownVersion: the version is not retained.
            CorruptObject: the manifest is missing or damaged.
            VersionRefused, UntrustedKey: its signature is not the owner's.
        """
        pointer = (await self._head(dataset)).pointer
        if version > pointer.version or version < 0:
            raise UnknownVersion(dataset=dataset, version=version)
        if version not in (0, pointer.version):
            entry = await read_version(self._objects, dataset, version)
            if entry is None:
                raise UnknownVersion(dataset=dataset, version=version)
            pointer = entry
        signed = await get_manifest(self._objects, pointer.manifest)
        if (signed.manifest.dataset, signed.manifest.version) != (dataset, pointer.version):
            raise CorruptObject(object=f"manifest {signed.name}", detail=f"not {dataset}@{pointer.version}")
        await check_signature(self._objects, signed)
        return signed

    async def read_named_manifest(self, dataset: str, name: str) -> SignedManifest:
        """Return a manifest of a dataset by its name (SHA-256, hex), its signature checked.

        Raises:
            UnknownObject: there is none of that name, or it is another dataset's.
            CorruptObject: it is damaged.
            VersionRefused, UntrustedKey: its signature is not the owner's.
        """
        if not is_manifest_name(name) or await self._objects.get(manifest_key(name)) is None:
            raise UnknownObject(object=f"manifest {name}")
        signed = await get_manifest(self._objects, name)
        if signed.manifest.dataset != dataset:
            raise UnknownObject(object=f"manifest {name}")
        await check_signature(self._objects, signed)
        return signed

    async def _head(self, dataset: str) -> Head:
        # A name that is not a dataset's cannot be a key either.
        head = await read_head(self._objects, dataset) if _is_dataset(dataset) else None
        if head is None:
            raise UnknownDataset(dataset=dataset)
        return head


def dataset_record(manifest: Manifest) -> DatasetRecord:
    """Return what the registry is told of a head version."""
    return DatasetRecord(
        dataset=manifest.dataset,
        collection=manifest.collection,
        node=split_dataset(manifest.dataset)[0],
        version=manifest.version,
        rows=manifest.rows,
        extent=manifest.extent,
        coverage_wkb=bytes.fromhex(manifest.coverage),
        territory_m2=manifest.territory_m2,
        manifest=manifest.name,
        digest=manifest.digest,
        published_ms=manifest.published_ms,
    )


def _info(signed: SignedManifest, queryable: bool, pinned: bool) -> VersionInfo:
    manifest = signed.manifest
    return VersionInfo(
        dataset=manifest.dataset,
        version=manifest.version,
        rows=manifest.rows,
        published_ms=manifest.published_ms,
        manifest=signed.name,
        digest=manifest.digest,
        queryable=queryable,
        message=manifest.message,
        size_bytes=sum(item.size_bytes for item in manifest.objects),
        series=manifest.series,
        change=manifest.change,
        source=manifest.source,
        source_date=manifest.source_date,
        pinned=pinned,
        base=manifest.base,
    )


def _is_dataset(dataset: str) -> bool:
    try:
        split_dataset(dataset)
    except ValueError:
        return False
    return True
