"""Garbage: what no version needs is marked, and removed once it has been needless for the grace period.

Why nothing that is needed goes:

- Needed is what `sync.reach` finds from the heads and retained versions of all datasets, and what work under way says
  it relies on (`relied_on`). If a manifest cannot be read, nobody knows what is needed, and nothing goes.
- A publish stores its objects first and names them last. In between they look like garbage, and may get a tombstone.
  The sweep takes the publisher's turn and finds out anew what is needed before it removes anything: no publish is
  half-way then, so what a publish stored, or found in the store and left there, is either named or given up.
- A replication or an import does not hold that turn. What it stored is younger than the grace period, or is in
  `relied_on`. What it found here and saw removed at that very moment is missing when it is read, which it is before a
  head moves: it is fetched again, and nothing is published that is not here.
- A tombstone put up by a collection is never acted on by the same one, even without a grace period. Its age is counted
  on a clock that cannot be set (`sync.tombstones`): a machine's clock that jumps by years ages nothing.
- An object that is needed again loses its tombstone, and begins anew if it ever becomes garbage again.
- Removing a file leaves it to those who have it open, as POSIX has it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

import structlog

from guotu.model.ports import Clock, FeatureStore, ObjectStore
from sync.pointer import Pointer
from sync.reach import OBJECTS, NeedsOf, need_all, reach, sizes
from sync.retention import Retention, outdated_versions, retain
from sync.signed import delete_manifest, manifest_key
from sync.tombstones import Tombstone, mark, read_clock, tombstones, unmark, write_clock

_MANIFESTS = "manifests/"
_PREFIXES = (OBJECTS, _MANIFESTS, "definitions/")
_SIGNATURE = ".sig"
Turn = Callable[[], AbstractAsyncContextManager[object]]
"""Holds every publish off while it is entered."""
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Collected:
    """What a collection did, or would do. Bytes are those that manifests tell; an object that none names counts 0."""

    versions: tuple[tuple[str, int], ...] = ()
    """Let go by retention: (dataset, number)."""
    tombstoned: int = 0
    """Objects marked: they go after the grace period."""
    tombstoned_bytes: int = 0
    swept: int = 0
    """Objects removed."""
    swept_bytes: int = 0
    waiting: int = 0
    """Objects marked before whose grace period is not over."""


class Collector:
    """Collects the garbage of one object store; one collection at a time."""

    def __init__(
        self,
        objects: ObjectStore,
        store: FeatureStore,
        clock: Clock,
        retention: Retention,
        grace_s: float,
        turn: Turn,
        relied_on: Callable[[], Collection[str]] = frozenset,
        needs_of: NeedsOf = lambda dataset: need_all,
    ) -> None:
        """Set the parts.

        `relied_on` returns the keys of objects that work under way has stored or found here; `needs_of` tells of a
        replica that is limited to an area which objects it has.
        """
        self._objects = objects
        self._store = store
        self._clock = clock
        self._retention = retention
        self._grace_ms = round(grace_s * 1000)
        self._turn = turn
        self._relied_on = relied_on
        self._needs_of = needs_of
        self._one = asyncio.Lock()
        self._seen_s = clock.monotonic()

    async def collect(self, dry_run: bool = False) -> Collected:
        """Let versions go by the policy, mark, and sweep; a dry run only tells what would be done, and changes nothing.

        Raises:
            CorruptObject: a head, an entry or a manifest cannot be read; nothing was marked or removed then.
        """
        async with self._one:
            if dry_run:
                going = await outdated_versions(self._objects, self._retention, self._clock.now_ms())
                return (await self._look(going, (await self._counted())[0])).told(going)
            counted = await self._count_on()
            async with self._turn():
                going = await retain(self._objects, self._store, self._retention, self._clock.now_ms())
            found = await self._look(going, counted)
            await found.mark(self._clock.now_ms())
            async with self._turn():
                swept = await found.sweep(await self._needed(()))
        told = found.told(going, swept)
        _log.info("garbage_collected", versions=len(going), tombstoned=told.tombstoned, swept=told.swept)
        return told

    async def _counted(self) -> tuple[int, str | None, float]:
        """Return the collector's clock as it stands now, its etag, and the process's own clock in seconds."""
        counted, etag = await read_clock(self._objects)
        now_s = self._clock.monotonic()
        return counted + int(max(now_s - self._seen_s, 0.0) * 1000), etag, now_s

    async def _count_on(self) -> int:
        """Set the collector's clock; return it in milliseconds."""
        counted, etag, now_s = await self._counted()
        await write_clock(self._objects, counted, etag)
        self._seen_s = now_s
        return counted

    async def _needed(self, going: Iterable[Pointer]) -> set[str]:
        without = [(pointer.dataset, pointer.version) for pointer in going]
        found = await reach(self._objects, without, self._needs_of)
        return found.keys | set(self._relied_on())

    async def _look(self, going: Iterable[Pointer], counted_ms: int) -> _Findings:
        """Sort out what is there."""
        present = {_owner(key) for prefix in _PREFIXES for key in await self._objects.keys(prefix)}
        garbage = present - await self._needed(going)
        stated = await sizes(self._objects, [_name(key) for key in garbage if key.startswith(_MANIFESTS)])
        marked = await tombstones(self._objects)
        return _Findings(self._objects, garbage, stated, marked, counted_ms, self._grace_ms)


class _Findings:
    """What one collection found."""

    def __init__(
        self,
        objects: ObjectStore,
        garbage: set[str],
        stated: dict[str, int],
        marked: dict[str, Tombstone],
        counted_ms: int,
        grace_ms: int,
    ) -> None:
        self._objects = objects
        self._counted_ms = counted_ms
        self._sizes = stated
        # One that is ahead of the clock was put up before the clock was lost.
        timed = {key: item for key, item in marked.items() if key in garbage and item.counted_ms <= counted_ms}
        self._stale = sorted(marked.keys() - timed.keys())
        self._fresh = sorted(garbage - timed.keys())
        self._ripe = [item for key, item in sorted(timed.items()) if counted_ms - item.counted_ms >= grace_ms]
        self._waiting = len(timed) - len(self._ripe)

    async def mark(self, now_ms: int) -> None:
        """Put up tombstones for what is newly garbage, and take away those of what is not."""
        for key in self._stale:
            await unmark(self._objects, key)
        for key in self._fresh:
            await mark(self._objects, Tombstone(key, self._sizes.get(key, 0), now_ms, self._counted_ms))

    async def sweep(self, needed: set[str]) -> list[Tombstone]:
        """Remove what has been garbage for long enough and still is; returns what went."""
        swept = []
        for item in self._ripe:
            if item.key not in needed:
                await self._remove(item.key)
                swept.append(item)
            await unmark(self._objects, item.key)
        return swept

    async def _remove(self, key: str) -> None:
        if key.startswith(_MANIFESTS):
            await delete_manifest(self._objects, _name(key))
        else:
            await self._objects.delete(key)

    def told(self, going: Iterable[Pointer], swept: list[Tombstone] | None = None) -> Collected:
        """Return what was done; what would be done, if nothing was swept yet."""
        gone = self._ripe if swept is None else swept
        return Collected(
            versions=tuple((pointer.dataset, pointer.version) for pointer in going),
            tombstoned=len(self._fresh),
            tombstoned_bytes=sum(self._sizes.get(key, 0) for key in self._fresh),
            swept=len(gone),
            swept_bytes=sum(item.size_bytes for item in gone),
            waiting=self._waiting,
        )


def _owner(key: str) -> str:
    """Return the key that stands for an object; a signature goes with its manifest."""
    return manifest_key(_name(key)) if key.endswith(_SIGNATURE) else key


def _name(key: str) -> str:
    return key.rpartition("/")[2].partition(".")[0]
