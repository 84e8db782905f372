"""Follower: keeps holdings in step with etcd, by a watch and by full reads."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable

import structlog

from registry.doubt import Doubt
from registry.etcd import MANY, Etcd
from registry.etcd_values import Compacted, Event, Page
from registry.holdings import Holdings
from registry.keys import PREFIXES, ROOT
from registry.tables import Table

_log = structlog.get_logger(__name__)
_SLICE = 5_000
"""Names looked at before other tasks get their turn."""


class Follower:
    """Brings holdings up to date and keeps them so until something breaks."""

    def __init__(self, etcd: Etcd, holdings: Holdings, doubt: Doubt, changed: Callable[[], None]) -> None:
        """Take what to follow, what to keep in step, and whom to tell of changes."""
        self._etcd = etcd
        self._holdings = holdings
        self._doubt = doubt
        self._changed = changed
        self._reading = asyncio.Lock()
        self.standing = False
        """True while a watch stands that has missed nothing."""
        self.broken = False
        """True from when a watch breaks until the next full read."""
        self.read_seconds = 0.0
        """How long the last full read took."""
        self._read_at = time.monotonic()

    @property
    def doubtful(self) -> bool:
        """Tell whether the last full read was not believed."""
        return self._doubt.active

    @property
    def read_age(self) -> float:
        """Return the seconds since the last full read."""
        return time.monotonic() - self._read_at

    async def follow(self) -> None:
        """Catch up, then watch until the watch breaks.

        Raises:
            RegistryUnavailable: etcd does not answer, or no more.
            Compacted: what is missing is gone from history; calling again reads all.
        """
        if not await self._history_continues():
            await self.read_all()
        try:
            async for batch in self._etcd.watch(ROOT, self._holdings.revision + 1):
                for event in batch.events:
                    self._holdings.apply(event)
                if batch.events and batch.whole:
                    self._holdings.revision = max(self._holdings.revision, batch.events[-1].mod_revision)
                self.standing = True
                self._changed()
        finally:
            self.broken = self.broken or self.standing
            self.standing = False

    async def _history_continues(self) -> bool:
        """Tell whether a watch from where the holdings are would miss nothing."""
        if not self._holdings.revision:
            return False
        try:
            header = await self._etcd.probe(revision=self._holdings.revision)
        except Compacted:
            return False
        return header.cluster == self._holdings.cluster

    async def read_all(self) -> None:
        """Read everything at one revision and set the holdings right.

        The first read brings values; later ones bring keys with their revisions and then the values that differ.

        Raises:
            RegistryUnavailable: etcd does not answer.
            Compacted: the revision was compacted in the middle.
        """
        async with self._reading:
            started = time.monotonic()
            asked_at = self._holdings.revision
            header = await self._etcd.probe()
            known = len(self._holdings) > 0
            self._holdings.begin_read(header, asked_at)
            absent = {prefix: await self._read(prefix, header.revision, known) for prefix in PREFIXES}
            self._drop(absent, header.revision)
            self._holdings.end_read(header.revision)
            self._read_at = time.monotonic()
            self.read_seconds = self._read_at - started
            self.broken = False
            self._changed()

    async def _read(self, prefix: bytes, revision: int, known: bool) -> list[str]:
        """Read one prefix; returns the names held that it does not have."""
        table = self._holdings.tables[prefix]
        seen = _Names()
        async for page in self._etcd.pages(prefix, revision, keys_only=known):
            if known:
                await self._fetch(_changed_keys(table, prefix, page))
            for pair in page.pairs:
                seen.add(pair.key[len(prefix) :].decode(errors="replace"))
                if not known:
                    self._holdings.apply(Event(pair.key, pair.value, pair.mod_revision))
        return await _absent(table, seen, revision) if known else []

    async def _fetch(self, keys: list[bytes]) -> None:
        for start in range(0, len(keys), MANY):
            for pair in await self._etcd.get_many(keys[start : start + MANY]):
                self._holdings.apply(Event(pair.key, pair.value, pair.mod_revision))

    def _drop(self, absent: dict[bytes, list[str]], revision: int) -> None:
        """Remove what the read did not have, if that can be believed."""
        tables = self._holdings.tables
        held = {prefix.decode(): len(tables[prefix]) for prefix in absent}
        lacking = {prefix.decode(): len(names) for prefix, names in absent.items()}
        if not self._doubt.believes(held, lacking, time.monotonic()):
            _log.warning("registry_read_doubted", held=held, lacking=lacking)
            return
        for prefix, names in absent.items():
            for name in names:
                # The watch may have brought it back in the meantime.
                if (tables[prefix].revision(name) or 0) <= revision:
                    tables[prefix].drop(name)


class _Names:
    """A set of names "a" or "a/b", kept as parts, since few parts make many names."""

    def __init__(self) -> None:
        self._parts: dict[str, set[str]] = {}

    def add(self, name: str) -> None:
        head, _, tail = name.partition("/")
        self._parts.setdefault(tail, set()).add(sys.intern(head))

    def __contains__(self, name: str) -> bool:
        head, _, tail = name.partition("/")
        return head in self._parts.get(tail, ())


def _changed_keys(table: Table, prefix: bytes, page: Page) -> list[bytes]:
    """Return the keys of a page that the table does not have at that revision or a later one."""
    changed = []
    for pair in page.pairs:
        held = table.revision(pair.key[len(prefix) :].decode(errors="replace"))
        if held is None or held < pair.mod_revision:
            changed.append(pair.key)
    return changed


async def _absent(table: Table, seen: _Names, revision: int) -> list[str]:
    """Return the names held since `revision` or before that were not seen."""
    absent = []
    for position, name in enumerate(table.names()):
        if position % _SLICE == _SLICE - 1:
            await asyncio.sleep(0)
        if name not in seen and (table.revision(name) or 0) <= revision:
            absent.append(name)
    return absent
