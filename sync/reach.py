"""Reach: which manifests, definitions and objects are needed by what a node holds."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from guotu.model.errors import CorruptObject
from guotu.model.ports import ObjectStore
from sync.definitions import definition_key
from sync.load import Needs
from sync.manifest import Manifest, ObjectRef
from sync.pointer import list_entries, list_heads, read_head, read_version
from sync.signed import get_manifest, manifest_key, signature_key

OBJECTS = "objects/"
NeedsOf = Callable[[str], Needs]
"""Tells of a dataset which objects can have rows that are held here."""


def need_all(item: ObjectRef) -> bool:
    """Need every object."""
    return True


@dataclass(slots=True)
class Reach:
    """What is needed, by key."""

    keys: set[str] = field(default_factory=set)
    names: set[str] = field(default_factory=set)
    """Manifests whose way to a base was followed."""

    def add(self, name: str, manifest: Manifest) -> None:
        """Need a manifest and all that it names."""
        self.names.add(name)
        self.keys |= {manifest_key(name), signature_key(name), definition_key(manifest.definition)}
        self.keys.update(item.key for item in manifest.objects)


async def reach(
    objects: ObjectStore, without: Iterable[tuple[str, int]] = (), needs_of: NeedsOf = lambda dataset: need_all
) -> Reach:
    """Return what the heads and the retained versions need, own and replicated: each with its way back to a base.

    A replica that came by deltas may have the manifest of a base without its rows: its way leads on, to a base whose
    rows are here. `without` are versions (dataset, number) that count as let go. Versions above a head are on their way
    here: the manifests before theirs may not have come yet, which ends the way.

    Raises:
        CorruptObject: a head, an entry or a manifest is missing or damaged, so that nobody knows what is needed.
    """
    found, going, present = Reach(), set(without), set(await objects.keys(OBJECTS))
    entries = await list_entries(objects)
    heads = await list_heads(objects)
    for dataset in sorted({*entries, *heads}):
        head = await read_head(objects, dataset) if dataset in heads else None
        way = _Way(objects, found, present, needs_of(dataset))
        if head is not None:
            await way.follow(head.pointer.manifest, strictly=True)
        for number in entries.get(dataset, []):
            pointer = None if (dataset, number) in going else await read_version(objects, dataset, number)
            if pointer is not None:
                published = head is not None and number <= head.pointer.version
                await way.follow(pointer.manifest, strictly=published)
    return found


@dataclass(frozen=True, slots=True)
class _Way:
    """The ways back of one dataset."""

    objects: ObjectStore
    found: Reach
    present: set[str]
    needs: Needs

    async def follow(self, name: str, strictly: bool) -> None:
        """Need a manifest, and those before it down to the nearest base whose rows are here.

        Raises:
            CorruptObject: one of them, down to the nearest base, is missing or damaged; that ends a way not followed
                strictly only if it is damaged.
        """
        while name and name not in self.found.names:
            if not strictly and await self.objects.get(manifest_key(name)) is None:
                return
            manifest = (await get_manifest(self.objects, name)).manifest
            self.found.add(name, manifest)
            if manifest.base:
                if not manifest.deltas or all(item.key in self.present for item in filter(self.needs, manifest.bases)):
                    return
                strictly = False
            name = manifest.parent


async def sizes(objects: ObjectStore, names: Iterable[str]) -> dict[str, int]:
    """Return the bytes of objects by key, as manifests that may be damaged state them."""
    stated: dict[str, int] = {}
    for name in names:
        try:
            manifest = (await get_manifest(objects, name)).manifest
        except CorruptObject:
            continue
        stated |= {item.key: item.size_bytes for item in manifest.objects}
    return stated
