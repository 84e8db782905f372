"""Objects check: what the versions of a dataset are made of, against its names; damaged objects are got anew."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

from guotu.model.ports import ObjectStore
from sync.chain import chain_to_base
from sync.datafile import file_sha256
from sync.load import Needs
from sync.manifest import ObjectRef
from sync.pointer import Head, list_entries, read_version
from sync.reach import OBJECTS
from sync.signed import manifest_key

Refetch = Callable[[str, ObjectRef], Awaitable[bool]]
"""Fetches an object of a dataset anew into the object store; tells whether it did."""


async def objects_of(objects: ObjectStore, head: Head, needs: Needs, own: bool) -> list[ObjectRef]:
    """Return the objects that must be here for the head and all retained versions before it.

    An owner has all objects of each, and of those on its way back to a base. A replica came by some of them: it must
    have the deltas back to a base whose rows are here, and these; what it has besides counts too.

    Raises:
        CorruptObject: an entry or a manifest is missing or damaged.
        VersionRefused: two manifests do not follow each other.
    """
    dataset, names = head.pointer.dataset, [head.pointer.manifest]
    for number in (await list_entries(objects, dataset)).get(dataset, []):
        entry = await read_version(objects, dataset, number)
        if entry is not None and number < head.pointer.version:
            names.append(entry.manifest)
    present = None if own else set(await objects.keys(OBJECTS))
    found: dict[str, ObjectRef] = {}
    for name in names:
        found |= {item.key: item for item in await _needed_for(objects, name, needs, present)}
    return list(found.values())


async def _needed_for(objects: ObjectStore, name: str, needs: Needs, present: set[str] | None) -> list[ObjectRef]:
    """Return the objects for one version; `present` are the keys that a replica has, None for an owner."""
    chain = [signed.manifest for signed in await chain_to_base(objects, name)]
    if present is None:
        return [item for manifest in chain for item in manifest.objects if needs(item)]
    while chain[0].deltas and not all(item.key in present for item in filter(needs, chain[0].bases)):
        if await objects.get(manifest_key(chain[0].parent)) is None:
            break
        chain = [signed.manifest for signed in await chain_to_base(objects, chain[0].parent)] + chain
    came_by = [*chain[0].bases, *(item for manifest in chain[1:] for item in manifest.deltas)]
    besides = [item for manifest in chain for item in manifest.objects if item.key in present]
    return [item for item in (*came_by, *besides) if needs(item)]


async def damaged_among(
    objects: ObjectStore, references: list[ObjectRef], progress: Callable[[str, int, int], None]
) -> list[ObjectRef]:
    """Return the objects that are missing or are not what their name says; tells `progress` "objects" in bytes."""
    done, total, damaged = 0, sum(item.size_bytes for item in references), []
    for item in references:
        progress("objects", done, total)
        if not await _is_sound(objects, item):
            damaged.append(item)
        done += item.size_bytes
    progress("objects", done, total)
    return damaged


async def replaced(objects: ObjectStore, dataset: str, item: ObjectRef, refetch: Refetch) -> bool:
    """Get a damaged object anew; tells whether it is sound now. If not, what was there is put back."""
    path = await objects.local_path(item.key)
    with tempfile.TemporaryDirectory(prefix="guotu-") as folder:
        copy = Path(folder) / "damaged"
        if path is not None:
            await asyncio.to_thread(shutil.copyfile, path, copy)
        # A key that exists is left alone by who stores, so the damaged bytes have to make room.
        await objects.delete(item.key)
        if await refetch(dataset, item) and await _is_sound(objects, item):
            return True
        await objects.delete(item.key)
        if path is not None:
            await objects.put_file(item.key, copy)
    return False


async def _is_sound(objects: ObjectStore, item: ObjectRef) -> bool:
    path = await objects.local_path(item.key)
    return path is not None and await asyncio.to_thread(file_sha256, path) == item.sha256
