"""Fetch: an object by its hash, block by block, from several peers at once."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from guotu.model.errors import CorruptObject
from guotu.model.ports import ObjectStore
from sync.commit import Checkpoint
from sync.manifest import ObjectRef
from sync.replica.partial import PartialFile
from sync.replica.transfer import FindSources, Limits, Told, ToldBad, Transfer, together

_OBJECTS_AT_ONCE = 2
"""While one is checked and stored, another is on its way."""


class ObjectFetcher:
    """Brings objects into the object store; all fetches of a node share its limits."""

    def __init__(
        self, limits: Limits, objects: ObjectStore, folder: Path, checkpoint: Checkpoint = lambda step: None
    ) -> None:
        """Set the parts; `folder` keeps partial files."""
        self.limits = limits
        self._objects = objects
        self._folder = folder
        self._checkpoint = checkpoint
        self._locks: dict[str, asyncio.Lock] = {}
        self._users: Counter[str] = Counter()

    async def fetch_all(self, items: Sequence[ObjectRef], sources: FindSources, told: Told, bad: ToldBad) -> None:
        """Have several objects in the object store; see `fetch`."""
        waiting = deque(items)

        async def work() -> None:
            while waiting:
                await self.fetch(waiting.popleft(), sources, told, bad)

        await together([work() for _ in range(min(len(items), _OBJECTS_AT_ONCE))])

    async def fetch(self, item: ObjectRef, sources: FindSources, told: Told, bad: ToldBad) -> None:
        """Have an object in the object store. `told` hears of bytes that need not come any more, `bad` of (peer, why).

        Raises:
            Unavailable: no peer could give it; what came is kept for the next attempt.
            StoreFailure: it cannot be written.
            CorruptObject: its manifest contradicts itself: the blocks are right, what they make has another hash.
        """
        # Two datasets may share an object; the second waits and finds it there.
        lock = self._locks.setdefault(item.sha256, asyncio.Lock())
        self._users[item.sha256] += 1
        try:
            async with lock:
                await self._fetch(item, sources, told, bad)
        finally:
            self._users[item.sha256] -= 1
            if not self._users[item.sha256]:
                del self._users[item.sha256], self._locks[item.sha256]

    async def _fetch(self, item: ObjectRef, sources: FindSources, told: Told, bad: ToldBad) -> None:
        if await is_here(self._objects, item):
            told(item.size_bytes)
            return
        partial = PartialFile(self._folder, item)
        told(await asyncio.to_thread(partial.resume))
        await Transfer(self.limits, item, partial, sources, told, bad).run()
        self._checkpoint("blocks-fetched")
        if not await asyncio.to_thread(partial.is_whole):
            await asyncio.to_thread(partial.remove)
            raise CorruptObject(object=item.name, detail="its blocks are as signed, but not the whole")
        await self._objects.put_file(item.key, partial.path)
        self._checkpoint("object-stored")
        with suppress(OSError):  # what is left lying is swept in time
            await asyncio.to_thread(partial.remove)


async def is_here(objects: ObjectStore, item: ObjectRef) -> bool:
    """Tell whether the object store has an object."""
    return item.key in await objects.keys(item.key)
