"""Selection: which versions of a dataset a package holds, and what they are made of."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from guotu.model.errors import CorruptObject, UnknownDataset, UnknownVersion
from guotu.model.ports import ObjectStore
from sync.chain import check_link
from sync.manifest import ObjectRef
from sync.package.index import Slice
from sync.pointer import Pointer, read_head
from sync.signed import SignedManifest, get_manifest, manifest_key


@dataclass(frozen=True, slots=True)
class Selection:
    """Versions of one dataset, oldest first."""

    slice: Slice
    manifests: tuple[SignedManifest, ...]

    @property
    def objects(self) -> list[ObjectRef]:
        """What a receiver needs: deltas, and the base where it has nothing that a delta could change."""
        needed: list[ObjectRef] = []
        for number, signed in enumerate(self.manifests):
            alone = number == 0 and not self.slice.since
            needed += signed.manifest.bases if alone or not signed.manifest.deltas else signed.manifest.deltas
        return needed


async def select(objects: ObjectStore, dataset: str, since: int | None) -> Selection:
    """Choose the versions after `since` (0: from the first on), or from the nearest base on, up to the head.

    Raises:
        UnknownDataset: it is not held here.
        UnknownVersion: a version after `since` is not retained, or `since` itself is still to come.
        CorruptObject: a manifest is damaged.
        VersionRefused: two versions do not follow each other.
    """
    head = await read_head(objects, dataset)
    if head is None:
        raise UnknownDataset(dataset=dataset)
    until = head.pointer.version
    if since is not None and not 0 <= since <= until:
        raise UnknownVersion(dataset=dataset, version=since)
    chain = await _chain(objects, head.pointer, since)
    names = tuple(signed.name for signed in chain)
    return Selection(Slice(dataset, since or 0, until, names), tuple(chain))


async def _chain(objects: ObjectStore, head: Pointer, since: int | None) -> list[SignedManifest]:
    """Return the manifests after a version, or from the nearest base that is here on; oldest first."""
    chain: list[SignedManifest] = []
    name = head.manifest
    for version in range(head.version, since or 0, -1):
        if await objects.get(manifest_key(name)) is None:
            raise UnknownVersion(dataset=head.dataset, version=version)
        signed = await get_manifest(objects, name)
        if (signed.manifest.dataset, signed.manifest.version) != (head.dataset, version):
            raise CorruptObject(object=f"manifest {name}", detail=f"not {head.dataset}@{version}")
        if chain:
            check_link(signed, chain[-1].manifest)
        chain.append(signed)
        if since is None and signed.manifest.base and await _are_here(objects, signed.manifest.bases):
            break
        name = signed.manifest.parent
    return chain[::-1]


async def _are_here(objects: ObjectStore, references: Iterable[ObjectRef]) -> bool:
    """Tell whether the objects are here; a replica that came to a version by its delta lacks its base."""
    return all([item.key in await objects.keys(item.key) for item in references])
