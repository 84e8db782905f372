"""Writing: the files of a version, in a scratch folder."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from guotu.model.ports import FeatureStore
from guotu.model.schema import arrow_schema
from sync.attempt import Attempt
from sync.bases import base_due, drawn, merged, new_states, untouched
from sync.before import Before, Form
from sync.changes import Changes
from sync.datafile import Advance, DataFile, Division
from sync.delta import write_deltas
from sync.finding import Finding
from sync.layout import ordered_windows, stream_windows, write_chunks
from sync.manifest import BASE, DELTA, Manifest, ObjectRef
from sync.spool import Spool
from sync.stages import Stages, closed_after
from sync.survey import order_of


@dataclass(frozen=True, slots=True)
class Written:
    """The files of a version."""

    base: bool
    """True if chunks hold all rows (an empty version has none)."""
    chunks: tuple[DataFile, ...]
    deltas: tuple[DataFile, ...]

    @property
    def references(self) -> tuple[ObjectRef, ...]:
        """Return how the manifest names them."""
        return (*(item.reference(BASE) for item in self.chunks), *(item.reference(DELTA) for item in self.deltas))

    @property
    def files(self) -> tuple[DataFile, ...]:
        """Return all files."""
        return (*self.chunks, *self.deltas)


@dataclass(frozen=True, slots=True)
class Writer:
    """Writes what was found."""

    store: FeatureStore
    attempt: Attempt
    before: Before | None
    form: Form
    folder: Path
    stages: Stages

    async def write(self, spool: Spool, finding: Finding, chain: list[Manifest]) -> Written:
        """Write a delta, a base, or both; `chain` is from the nearest base to the head, empty if there is no head.

        Raises:
            StoreFailure: a base is due, and the store gives back other rows than were published.
        """
        deltas: tuple[DataFile, ...] = ()
        if self.form.delta and finding.changes is not None and finding.change is not None:
            deltas = await self._deltas(finding.changes, finding.change.count)
            if not base_due(chain, sum(item.size_bytes for item in deltas)):
                return Written(False, (), deltas)
        if self.attempt.increment and self.before is not None and finding.changes is not None:
            chunks = await self._merged(finding.changes, self.before, finding.rows)
        else:
            chunks = await self._whole(spool, finding)
        return Written(True, chunks, deltas)

    async def _files(self, rows: int, write: Callable[[Advance], Iterator[DataFile]]) -> tuple[DataFile, ...]:
        return await self.stages.compute("write", rows, lambda advance: tuple(write(advance)))

    async def _deltas(self, changes: Changes, count: int) -> tuple[DataFile, ...]:
        def write(advance: Advance) -> Iterator[DataFile]:
            division = Division(count, self.folder, "delta", advance)
            return write_deltas(changes.windows(), self.attempt.collection, division)

        return await self._files(count, write)

    async def _whole(self, spool: Spool, finding: Finding) -> tuple[DataFile, ...]:
        """Write base chunks from a spool of all rows."""
        found, collection = finding.found, self.attempt.collection
        order = await self.stages.compute("layout", spool.rows, lambda advance: order_of(spool, found.places))

        def write(advance: Advance) -> Iterator[DataFile]:
            windows = ordered_windows(spool.take, order, found.sizes)
            return write_chunks(windows, collection, Division(spool.rows, self.folder, "chunk", advance))

        return await self._files(spool.rows, write)

    async def _merged(self, changes: Changes, before: Before, rows: int) -> tuple[DataFile, ...]:
        """Write base chunks from the rows of the head and what changes."""
        collection, loop = self.attempt.collection, asyncio.get_running_loop()
        stored = self.store.stored(before.manifest.dataset, before.manifest.version, collection)

        def write(advance: Advance) -> Iterator[DataFile]:
            stays = untouched(drawn(stored, loop), changes.keys(), collection)
            batches = merged(stays, new_states(changes.windows(), collection), collection)
            windows = stream_windows(batches, arrow_schema(collection))
            return write_chunks(windows, collection, Division(rows, self.folder, "chunk", advance))

        async with closed_after(stored):
            return await self._files(rows, write)
