"""Finding: what an attempt would make of the head."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa
import shapely

from guotu.model.coverage import territory_m2
from guotu.model.errors import StoreFailure
from guotu.model.ports import FeatureStore
from guotu.model.records import Change, Extent
from sync.attempt import Attempt, Misfit
from sync.before import Before, Form
from sync.changes import Changes
from sync.commit import Checkpoint
from sync.increment import Increment, read_deletes, read_stated
from sync.portions import Parts, Portions
from sync.proof import digest_of_state
from sync.setdigest import SetDigest
from sync.spool import Spool
from sync.stages import Stages, closed_after
from sync.survey import Survey, survey
from sync.territory import enclosing, joined_coverage


@dataclass(frozen=True, slots=True)
class Finding:
    """What the next version is."""

    found: Survey
    changes: Changes | None
    """None if nothing was compared."""
    change: Change | None
    """Without areas; see `measured`."""
    digest: SetDigest
    rows: int
    extent: Extent | None
    coverage_wkb: bytes
    """Polygon that covers every feature, little-endian ISO WKB, EPSG:4490 lon/lat; empty if there is no extent."""
    territory_m2: float
    misfits: tuple[Misfit, ...] = ()

    def measured(self) -> Finding:
        """Return the same with the areas of the change, which were measured meanwhile. To be called in a thread."""
        if self.changes is None or self.change is None:
            return self
        return replace(self, change=self.changes.measured(self.change))


@dataclass(frozen=True, slots=True)
class Finder:
    """Surveys a spool and compares it with the head."""

    store: FeatureStore
    attempt: Attempt
    before: Before | None
    form: Form
    folder: Path
    """For scratch files."""
    stages: Stages
    checkpoint: Checkpoint

    async def find(self, spool: Spool) -> Finding:
        """Return what the rows of a spool would make of the head.

        Raises:
            InvalidInput: what an increment states is not as described.
            StoreFailure: the store failed, does not hold what it should, or two rows have one key.
        """
        if self.attempt.increment:
            return await self._find_increment(spool)
        found = await self._survey(spool)
        changes = await self._begin(spool, found)
        if changes is not None and self.before is not None:
            await self._compare(spool, found, changes, self.before)
        return self._finding(found, changes, ())

    async def _find_increment(self, spool: Spool) -> Finding:
        """Look the head's rows up while the new ones are surveyed."""
        attempt, version = self.attempt, 0 if self.before is None else self.before.manifest.version
        held = Increment(self.store, attempt.dataset, version, attempt.collection)
        stated = None if attempt.stated is None else read_stated(attempt.stated, attempt.collection, spool.rows)
        deletes = None if attempt.deletes is None else read_deletes(attempt.deletes, attempt.collection)
        parts = Parts(spool.keys(), stated, deletes)
        async with Portions(held, attempt.collection, parts) as portions:
            found = await self._survey(spool)
            changes = await self._begin(spool, found)
            await self._hold(held, parts, portions, found, changes)
        return self._finding(found, changes, tuple(held.misfits))

    async def _survey(self, spool: Spool) -> Survey:
        found = await self.stages.compute(
            "digest",
            spool.rows,
            lambda advance: survey(spool, self.folder, advance, summed=not self.form.delta),
        )
        self.checkpoint("surveyed")
        return found

    async def _begin(self, spool: Spool, found: Survey) -> Changes | None:
        if self.before is None or not self.form.compares:
            return None
        digest = await self._head_digest(self.before) if self.form.delta else None
        return Changes(self.folder / "changes", spool, found, digest)

    async def _head_digest(self, before: Before) -> SetDigest:
        pointer = before.head.pointer
        digest = digest_of_state(await self.store.state(pointer.dataset, pointer.version))
        if digest.hex != before.manifest.digest:
            raise StoreFailure(detail=f"the sums of {pointer.dataset}@{pointer.version} are not those of its rows")
        return digest

    async def _compare(self, spool: Spool, found: Survey, changes: Changes, before: Before) -> None:
        """Find the change of a whole layer."""
        pointer, done = before.head.pointer, 0
        differences = self.store.compare(
            pointer.dataset, pointer.version, before.collection, lambda: found.hashed_keys(spool)
        )
        async with self.stages.told("compare", spool.rows) as tell, closed_after(differences):
            async for batch in differences:
                await self.stages.off(changes.take, batch)
                done += batch.num_rows
                tell(min(done, spool.rows))

    async def _hold(
        self, held: Increment, parts: Parts, portions: Portions, found: Survey, changes: Changes | None
    ) -> None:
        """Hold an increment against the head."""
        async with self.stages.told("compare", parts.rows) as tell:
            if parts.deletes is not None:
                held.check_apart(parts.keys, parts.deletes.column(self.attempt.collection.key))
            async for portion in portions:
                states = held.states(portion.keys, portion.start, found, portion.stated, portion.head)
                await self._take(changes, states)
                if portion.deletes is not None:
                    await self._take(changes, held.deletes(portion.deletes, portion.head))
                tell(min(portion.start + len(portion.keys), parts.rows))

    async def _take(self, changes: Changes | None, batch: pa.RecordBatch) -> None:
        if changes is not None and batch.num_rows:
            await self.stages.off(changes.take, batch)

    def _finding(self, found: Survey, changes: Changes | None, misfits: tuple[Misfit, ...]) -> Finding:
        change = None if changes is None else changes.finish()
        rows, extent, polygon = found.rows, found.extent, found.coverage.polygon()
        digest = found.digest or SetDigest()
        if changes is not None and changes.digest is not None:
            digest = changes.digest
        if self.attempt.increment and self.before is not None and change is not None:
            rows = self.before.manifest.rows + change.inserts - change.deletes
            extent = enclosing(self.before.manifest.extent, extent) if rows else None
            polygon = joined_coverage(bytes.fromhex(self.before.manifest.coverage), polygon) if rows else None
        wkb = b"" if polygon is None else shapely.to_wkb(polygon, byte_order=1, flavor="iso")
        return Finding(found, changes, change, digest, rows, extent, wkb, round(territory_m2(polygon), 2), misfits)
