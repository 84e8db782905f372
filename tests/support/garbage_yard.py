"""A node's object store, its publisher and its collector of garbage, with a clock that can be set."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import pyarrow as pa

from sync.garbage import Collected, Collector
from sync.retention import Retention
from tests.support.publish_parts import Parts
from tests.support.sync_samples import write_spool

HOUR_S = 3600.0


class SetClock:
    """A clock whose time of day can be set, as a machine's can; its monotonic side only goes forward."""

    def __init__(self) -> None:
        self.wall_ms = 1_770_000_000_000
        self.monotonic_s = 1000.0

    def now_ms(self) -> int:
        return self.wall_ms

    def monotonic(self) -> float:
        return self.monotonic_s

    def pass_by(self, seconds: float) -> None:
        self.wall_ms += int(seconds * 1000)
        self.monotonic_s += seconds


class Yard:
    """A node's parts and its collector."""

    def __init__(self, folder: Path, keep: int = 1, grace_s: float = 24 * HOUR_S) -> None:
        self.folder, self.keep, self.grace_s = folder, keep, grace_s
        self.clock = SetClock()
        self.parts = Parts(folder)
        self.relied_on: set[str] = set()
        self.collector = self.restarted()
        self._number = 0

    def restarted(self) -> Collector:
        """Return a new process's collector."""

        def relied_on() -> Collection[str]:
            return self.relied_on

        parts = self.parts
        self.collector = Collector(
            parts.objects,
            parts.store,
            self.clock,
            Retention(self.keep),
            self.grace_s,
            parts.publisher.between,
            relied_on,
        )
        return self.collector

    async def publish(self, rows: pa.Table) -> list[str]:
        """Publish; return the keys of the version's objects."""
        self._number += 1
        spool = write_spool(self.folder / f"{self._number}.arrow", rows)
        outcome = await self.parts.publish(spool, f"attempt-{self._number}")
        assert outcome.manifest is not None
        assert outcome.published
        return [item.key for item in outcome.manifest.objects]

    async def objects(self) -> set[str]:
        return set(await self.parts.objects.keys("objects/"))

    async def later(self, seconds: float) -> Collected:
        """Collect after some time."""
        self.clock.pass_by(seconds)
        return await self.collector.collect()
