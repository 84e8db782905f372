"""Retention: which versions are let go, and letting them go. What only they used is left to `sync.garbage`."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

from guotu.model.errors import CorruptObject
from guotu.model.ports import FeatureStore, ObjectStore
from sync.pins import pinned_versions
from sync.pointer import Pointer, list_entries, list_heads, read_head, read_version, version_key
from sync.signed import delete_manifest, get_manifest

_BEIJING = timezone(timedelta(hours=8))
"""China's standard time, the same all year: where a month ends does not depend on a machine's zone."""
_LAST_MS = 253_370_764_800_000
"""The year 9999 begins, milliseconds since 1970-01-01 UTC."""


@dataclass(frozen=True, slots=True)
class Retention:
    """Which versions of each dataset stay; the head and pinned ones always do."""

    keep: int = 0
    """So many of the newest; 0 for all."""
    keep_months: int = 0
    """Besides, the last version of each of so many months before the present one (Beijing time)."""

    def __post_init__(self) -> None:
        if self.keep < 0 or self.keep_months < 0:
            raise ValueError(f"not a retention: {self}")


@dataclass(frozen=True, slots=True)
class Dated:
    """A version's number and when it was published, milliseconds since 1970-01-01 UTC."""

    version: int
    published_ms: int


def outdated(
    policy: Retention, versions: Sequence[Dated], head: int, pinned: Collection[int], now_ms: int
) -> tuple[int, ...]:
    """Return the numbers of the versions that a policy lets go, ascending.

    A version above the head is on its way and stays. Months are counted back from the earlier of now and the head's
    own time, so that a clock that is ahead takes no month from the versions published before it went wrong.
    """
    done = sorted((item for item in versions if item.version <= head), key=lambda item: item.version)
    if not policy.keep:
        return ()
    stay = {head, *pinned, *(item.version for item in done[-policy.keep :])}
    if policy.keep_months:
        newest = min((now_ms, *(item.published_ms for item in done if item.version == head)))
        first = _month(newest) - policy.keep_months
        # Later versions of a month take the place of those before them.
        last = {_month(item.published_ms): item.version for item in done if _month(item.published_ms) >= first}
        stay.update(last.values())
    return tuple(item.version for item in done if item.version not in stay)


def _month(published_ms: int) -> int:
    """Return the number of a month, counted from the year 0; a time that no calendar has counts as its last day."""
    day = datetime.fromtimestamp(min(max(published_ms, 0), _LAST_MS) / 1000, UTC).astimezone(_BEIJING)
    return day.year * 12 + day.month - 1


async def outdated_versions(objects: ObjectStore, policy: Retention, now_ms: int) -> list[Pointer]:
    """Return the versions of all datasets, own and replicated, that a policy lets go.

    Raises:
        CorruptObject: a head, an entry or a manifest cannot be read.
    """
    found = []
    pinned = await pinned_versions(objects)
    for dataset in await list_heads(objects):
        head = await read_head(objects, dataset)
        if head is not None and policy.keep:
            pointers = await _entries(objects, dataset, head.pointer.version)
            dated = await _dated(objects, policy, pointers)
            going = outdated(policy, dated, head.pointer.version, pinned.get(dataset, ()), now_ms)
            found += [pointers[number] for number in going]
    return found


async def retain(objects: ObjectStore, store: FeatureStore, policy: Retention, now_ms: int) -> list[Pointer]:
    """Let go of the versions that a policy does not keep; returns them.

    They can no longer be read or listed then. Their manifests and objects stay until `sync.garbage` finds that nothing
    needs them: a version that stays may be made of them. Must not run beside a publish.

    Raises:
        CorruptObject: a head, an entry or a manifest cannot be read; nothing was let go then.
    """
    going = await outdated_versions(objects, policy, now_ms)
    for pointer in going:
        # The entry goes last, so that what a crash leaves half done is found and ended next time.
        await store.drop(pointer.dataset, pointer.version)
        await objects.delete(version_key(pointer.dataset, pointer.version))
    return going


async def discard(objects: ObjectStore, store: FeatureStore, outdated: Iterable[tuple[str, int]]) -> list[Pointer]:
    """Drop versions (dataset, number) that were never published, with their manifests and entries; returns them.

    Nothing else can need them. Their objects may be those of other versions too, and are left to `sync.garbage`.
    """
    gone = []
    for dataset, number in sorted(set(outdated)):
        pointer = await _read_whole(objects, dataset, number)
        await store.drop(dataset, number)
        if pointer is not None:
            await delete_manifest(objects, pointer.manifest)
            gone.append(pointer)
        await objects.delete(version_key(dataset, number))
    return gone


async def _read_whole(objects: ObjectStore, dataset: str, number: int) -> Pointer | None:
    """Return an entry; None if there is none or it is damaged."""
    try:
        return await read_version(objects, dataset, number)
    except CorruptObject:
        return None


async def _entries(objects: ObjectStore, dataset: str, head: int) -> dict[int, Pointer]:
    """Return the retained versions of a dataset by number, up to the head."""
    found = {}
    for number in (await list_entries(objects, dataset)).get(dataset, []):
        pointer = await read_version(objects, dataset, number) if number <= head else None
        if pointer is not None:
            found[number] = pointer
    return found


async def _dated(objects: ObjectStore, policy: Retention, pointers: dict[int, Pointer]) -> list[Dated]:
    """Return versions with their times, where the policy asks for them."""
    if not policy.keep_months:
        return [Dated(number, 0) for number in pointers]
    manifests = {number: await get_manifest(objects, pointer.manifest) for number, pointer in pointers.items()}
    return [Dated(number, signed.manifest.published_ms) for number, signed in manifests.items()]
