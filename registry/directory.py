"""The directory: who is out there, as this node knows it, with etcd or without."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from guotu.model.errors import RegistryUnavailable
from guotu.model.ports import DirectoryView
from registry.cache import Snapshot, load, save
from registry.doubt import Doubt
from registry.etcd import Etcd
from registry.etcd_values import Compacted
from registry.follower import Follower
from registry.holdings import Holdings
from registry.keys import COLLECTIONS, REPLICAS

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class DirectoryOptions:
    """How a directory follows the registry; times in seconds."""

    reconcile: float = 60.0
    """Between full reads, give or take a fifth; stretched so that they take no more than `read_share` of the time."""
    read_share: float = 0.01
    probe: float = 1.0
    """Between questions to etcd whether it is there."""
    stale_after: float = 1.5
    """Once etcd has not answered for this long, the view says that it is stale."""
    batch: float = 0.02
    """Between one view and the next; changes in between come together."""
    doubt_reads: int = 3
    """Reads in a row that must agree before most of the directory is dropped."""
    doubt_seconds: float = 12.0
    """Least time that these reads must span."""
    cache: float = 5.0
    """Least time between writings of the file; stretched where one takes more than a two-hundredth of it."""
    cache_age: float = 300.0
    """The file is written anew after this time even if nothing changed, so that its date is true."""
    hot_records: int = 16_384
    """Dataset records kept unpacked, some 2 KiB each."""


class EtcdDirectory:
    """`guotu.model.ports.Directory` on etcd.

    With etcd away, the view keeps everything and says that it is stale; nobody is removed because etcd cannot be asked.
    """

    def __init__(self, etcd: Etcd, cache: Path | None, options: DirectoryOptions | None = None) -> None:
        """Take the client (which stays the caller's to close) and the file of the last good directory."""
        self._etcd = etcd
        self._cache = cache
        self._options = options or DirectoryOptions()
        self._holdings = Holdings(self._options.hot_records)
        doubt = Doubt(
            self._options.doubt_reads,
            self._options.doubt_seconds,
            lasting=COLLECTIONS.decode(),
            fleeting=REPLICAS.decode(),
        )
        self._follower = Follower(etcd, self._holdings, doubt, self._changed)
        self._view = DirectoryView(nodes={}, datasets={}, replicas={}, stale=True, as_of_ms=0)
        self._missed: float | None = float("-inf")
        self._agreed_ms = 0
        self._first = asyncio.Event()
        self._publishing: asyncio.TimerHandle | None = None
        self._dirty = False
        self._tasks: list[asyncio.Task[None]] = []
        self._listeners: list[Callable[[], None]] = []

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call a listener, in the event loop, each time that the view has become another."""
        self._listeners.append(listener)

    def view(self) -> DirectoryView:
        """Return the present view; immutable."""
        return self._view

    def collections(self) -> Mapping[str, bytes]:
        """Return the collections' records (protobuf) by id, as of the last change; immutable."""
        return self._holdings.collections.view()

    async def start(self, timeout: float = 60.0) -> None:
        """Load the last good directory, then follow etcd.

        Returns as soon as the directory is up to date, or etcd turns out to be away (the view is stale then), at the
        latest after `timeout` seconds.
        """
        if self._cache is not None:
            self._agreed_ms = await asyncio.to_thread(load, self._cache, self._holdings)
            self._publish()
        loops: tuple[Coroutine[Any, Any, None], ...] = (
            self._follow_on(),
            self._probe_on(),
            self._reconcile_on(),
            self._save_on(),
        )
        self._tasks = [asyncio.create_task(loop) for loop in loops]
        for task in self._tasks:
            task.add_done_callback(_report)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self._first.wait()
        self._publish()

    async def close(self) -> None:
        """Stop following and write the file."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        self._publish()
        if self._dirty:
            await self._save()

    def _changed(self) -> None:
        """Hear that holdings changed or that the watch stands; a view follows shortly."""
        self._compare(answered=True)
        self._dirty = True
        if self._publishing is None:
            self._publishing = asyncio.get_running_loop().call_later(self._options.batch, self._publish)

    def _compare(self, answered: bool) -> None:
        """Note whether the holdings are what etcd has: it answers, a watch stands, the last full read is believed.

        Staleness counts from the first time that they were not. Silence of this process itself (a busy event loop) is
        not taken for silence of etcd.
        """
        if answered and self._follower.standing and not self._follower.doubtful:
            self._missed, self._agreed_ms = None, time.time_ns() // 1_000_000
            self._first.set()
        elif self._missed is None:
            self._missed = time.monotonic()

    def _publish(self) -> None:
        """Make the holdings the view, once they have been read in full."""
        if self._publishing is not None:
            self._publishing.cancel()
            self._publishing = None
        stale = self._missed is not None and time.monotonic() - self._missed > self._options.stale_after
        if stale != self._view.stale:
            (_log.warning if stale else _log.info)("directory", stale=stale, as_of_ms=self._agreed_ms)
        if self._agreed_ms:
            held, before = self._holdings, self._view
            self._view = DirectoryView(
                held.nodes.view(), held.datasets.view(), held.replicas.view(), stale, self._agreed_ms
            )
            pairs = zip(_tables(before), _tables(self._view), strict=True)
            if any(old is not new for old, new in pairs):
                for listener in self._listeners:
                    listener()

    async def _follow_on(self) -> None:
        """Follow for ever; what breaks is begun again."""
        failures = 0
        while True:
            began = time.monotonic()
            try:
                await self._follower.follow()
            except Compacted:
                _log.info("registry_history_compacted", revision=self._holdings.revision)
            except RegistryUnavailable as failure:
                failures = 1 if time.monotonic() - began > 5 else failures + 1
                log = _log.warning if failures == 1 else _log.debug
                log("registry_watch_broken", detail=str(failure.facts["detail"]), failures=failures)
                self._compare(answered=False)
                if failures >= self._etcd.endpoint_count:
                    self._first.set()
            await asyncio.sleep(min(1.0, 0.1 + 0.1 * failures) * random.uniform(0.5, 1.5))

    async def _probe_on(self) -> None:
        """Ask etcd whether it is there, more often while it is not, and say so in the view."""
        while True:
            self._compare(answered=await self._answers())
            self._publish()
            await asyncio.sleep(self._options.probe / (1 if self._missed is None else 4))

    async def _answers(self) -> bool:
        """Tell whether etcd answers, with the history that is followed."""
        asked_at = self._holdings.revision
        try:
            header = await self._etcd.probe(self._options.probe)
        except RegistryUnavailable:
            return False
        return self._holdings.continues(header, asked_at)

    async def _reconcile_on(self) -> None:
        """Read everything from time to time, soon after the watch broke, and again while a read is in doubt."""
        jitter = random.uniform(0.8, 1.2)
        while True:
            await asyncio.sleep(min(0.5, self._options.reconcile / 4))
            if self._follower.standing and self._follower.read_age > jitter * self._read_due():
                with contextlib.suppress(RegistryUnavailable, Compacted):
                    await self._follower.read_all()
                jitter = random.uniform(0.8, 1.2)

    def _read_due(self) -> float:
        """Return after how many seconds the next full read shall follow the last."""
        taken = self._follower.read_seconds
        if self._follower.doubtful:
            return max(self._options.doubt_seconds / (2 * self._options.doubt_reads), taken)
        regular = max(self._options.reconcile, taken / self._options.read_share)
        return min(regular, max(1.0, 10 * taken)) if self._follower.broken else regular

    async def _save_on(self) -> None:
        """Write the file when something changed, and when it has become old."""
        saved = time.monotonic()
        taken = 0.0
        while True:
            await asyncio.sleep(min(max(self._options.cache, 200 * taken), self._options.cache_age))
            started = time.monotonic()
            if self._dirty or started - saved > self._options.cache_age:
                await self._save()
                saved = time.monotonic()
                taken = saved - started

    async def _save(self) -> None:
        if self._cache is None or not self._agreed_ms or self._follower.doubtful:
            return
        self._dirty = False
        snapshot = Snapshot.of(self._holdings, self._agreed_ms)
        writing = asyncio.ensure_future(asyncio.to_thread(save, self._cache, snapshot))
        try:
            await asyncio.shield(writing)
        except OSError as fault:
            self._dirty = True
            _log.warning("directory_cache_not_written", path=str(self._cache), fault=str(fault))
        except asyncio.CancelledError:
            # The thread goes on; without waiting for it, it could write over what is written after it.
            await asyncio.gather(writing, return_exceptions=True)
            self._dirty = True
            raise


def _tables(view: DirectoryView) -> tuple[object, ...]:
    """Return what a view shows; each is the same object as before if nothing in it has changed."""
    return view.nodes, view.datasets, view.replicas


def _report(task: asyncio.Task[None]) -> None:
    """Log what ended a task that should never end."""
    if not task.cancelled() and (fault := task.exception()) is not None:
        _log.error("directory_task_failed", exc_info=fault)
