"""Commit: the conditional writes that make a version the head, in an order that a crash cannot spoil.

The manifest, then the entry that takes the version number, then the head. Only the last step publishes.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from guotu.model.errors import GuotuError, PublishConflict
from guotu.model.ports import FeatureStore, ObjectStore
from sync.pointer import Pointer, head_key, read_head, read_version, version_key
from sync.signed import SignedManifest, put_manifest

Checkpoint = Callable[[str], None]
"""Called with the name of each step once it is done."""


async def commit(
    objects: ObjectStore, signed: SignedManifest, pointer: Pointer, etag: str | None, checkpoint: Checkpoint
) -> None:
    """Make `pointer` the head of its dataset, in place of the head that was read with `etag` (None: no head).

    Raises:
        PublishConflict: someone else took the version or moved the head.
    """
    await put_manifest(objects, signed)
    checkpoint("manifest-stored")
    key, data = version_key(pointer.dataset, pointer.version), pointer.to_bytes()
    await _conditionally(pointer, objects.put_if_absent(key, data), lambda: _entry(objects, pointer))
    checkpoint("version-taken")
    key = head_key(pointer.dataset)
    await _conditionally(pointer, objects.put_if_match(key, data, etag), lambda: _head(objects, pointer))
    checkpoint("head-moved")


async def withdraw(objects: ObjectStore, store: FeatureStore, pointer: Pointer) -> None:
    """Give back the version number and the staged rows of a commit that failed; nothing if it did not."""
    if await _head(objects, pointer) == pointer:
        return
    await store.drop(pointer.dataset, pointer.version)
    if await _entry(objects, pointer) == pointer:
        await objects.delete(version_key(pointer.dataset, pointer.version))


async def _conditionally(
    pointer: Pointer, write: Awaitable[bool], read_back: Callable[[], Awaitable[Pointer | None]]
) -> None:
    """Write; where it fails or is refused, what is there decides: it is ours if only the answer was lost."""
    try:
        if await write:
            return
    except GuotuError:
        if await read_back() == pointer:
            return
        raise
    present = await read_back()
    if present != pointer:
        version = present.version if present else pointer.version
        raise PublishConflict(dataset=pointer.dataset, version=version)


async def _entry(objects: ObjectStore, pointer: Pointer) -> Pointer | None:
    return await read_version(objects, pointer.dataset, pointer.version)


async def _head(objects: ObjectStore, pointer: Pointer) -> Pointer | None:
    head = await read_head(objects, pointer.dataset)
    return None if head is None else head.pointer
