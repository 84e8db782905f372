"""Retention: older versions go, and the objects that only they used."""

from __future__ import annotations

from collections.abc import Iterable

from guotu.model.ports import FeatureStore, ObjectStore
from sync.manifest import Manifest
from sync.pointer import Pointer, list_entries, read_version, version_key
from sync.signed import delete_manifest, get_manifest


async def retain(objects: ObjectStore, store: FeatureStore, keep: int) -> list[Pointer]:
    """Keep the `keep` newest versions of each dataset and drop the others; returns those dropped.

    Must not run beside a publish: `Publisher.retain` sees to that.

    Raises:
        ValueError: `keep` is not positive.
        CorruptObject: a manifest cannot be read, so that nothing is known to be unused; nothing was dropped then.
    """
    if keep < 1:
        raise ValueError(f"at least one version must be kept, not {keep}")
    taken = await list_entries(objects)
    outdated = [(dataset, number) for dataset, numbers in taken.items() for number in numbers[:-keep]]
    return await discard(objects, store, outdated)


async def discard(objects: ObjectStore, store: FeatureStore, outdated: Iterable[tuple[str, int]]) -> list[Pointer]:
    """Drop versions (dataset, number) from a store, with their entries, manifests and objects no other uses.

    The objects go first and the entry after them: what a crash leaves half done is found and ended next time.

    Raises:
        CorruptObject: a manifest cannot be read; nothing was dropped then.
    """
    going = set(outdated)
    if not going:
        return []
    pointers, used = await _sort_out(objects, going)
    for pointer, manifest in pointers:
        await store.drop(pointer.dataset, pointer.version)
        for item in manifest.objects:
            if item.key not in used:
                await objects.delete(item.key)
        await objects.delete(version_key(pointer.dataset, pointer.version))
        await delete_manifest(objects, pointer.manifest)
    return [pointer for pointer, _ in pointers]


async def _sort_out(
    objects: ObjectStore, going: set[tuple[str, int]]
) -> tuple[list[tuple[Pointer, Manifest]], set[str]]:
    """Read all entries; return those that go, and the keys of the objects of those that stay."""
    pointers: list[tuple[Pointer, Manifest]] = []
    used: set[str] = set()
    for dataset, numbers in (await list_entries(objects)).items():
        for number in numbers:
            pointer = await read_version(objects, dataset, number)
            if pointer is None:
                continue
            manifest = (await get_manifest(objects, pointer.manifest)).manifest
            if (dataset, number) in going:
                pointers.append((pointer, manifest))
            else:
                used.update(item.key for item in manifest.objects)
    return pointers, used
