"""Staging: rows go into a store out of sight, and are summed up on their way, so that the version can be proven."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from guotu.model.collection import Collection
from guotu.model.errors import CorruptObject, StoreFailure
from guotu.model.ports import FeatureStore
from sync.ahead import ahead
from sync.datafile import Advance
from sync.delta import changes_of_delta
from sync.manifest import Manifest
from sync.prepared import Keep, stored_rows_of_chunks
from sync.proof import Replaced, check_digest, digest_of_state, effect_on, summed
from sync.setdigest import SetDigest


@dataclass(frozen=True, slots=True)
class Staging:
    """One version on its way into a store; what fails leaves nothing staged."""

    store: FeatureStore
    manifest: Manifest
    collection: Collection
    """As the version was published with."""
    keep: Keep | None = None
    """Which rows are held; None for all. What is held in part cannot be proven against the publisher's digest."""
    advance: Advance = lambda rows: None
    """Told after each batch how many rows or changes were read; in any thread."""

    async def base(self, paths: Sequence[Path]) -> SetDigest:
        """Stage the version whole, from its chunks; returns the sums of what is staged.

        Raises:
            CorruptObject: a file is not a chunk, or the rows are not those that the manifest tells of.
            StoreFailure: the store failed, or staged another number of rows.
        """
        digest = SetDigest()

        def rows() -> Iterator[pa.RecordBatch]:
            digest.clear()
            chunks = stored_rows_of_chunks(paths, self.collection, self.keep)
            return self._told(ahead(summed(chunks, self.collection.key, digest)))

        staged = await self.store.stage(self.manifest.dataset, self.manifest.version, self.collection, rows)
        return await self._proven(staged, digest)

    async def delta(self, paths: Sequence[Path]) -> SetDigest:
        """Stage the version as what its deltas change; returns the sums of what is then there.

        Raises:
            CorruptObject: a file is not a delta, replaces rows that are not there, or leads to other rows than the
                manifest tells of.
            UnknownVersion: the version before cannot be read.
            StoreFailure: the store failed, or another number of rows comes out.
        """
        dataset, version, replaced = self.manifest.dataset, self.manifest.version, Replaced()

        def changes() -> Iterator[pa.RecordBatch]:
            replaced.clear()
            return self._told(ahead(changes_of_delta(paths, self.collection, self.keep, replaced)))

        before = digest_of_state(await self.store.state(dataset, version - 1))
        staged = await self.store.stage_change(dataset, version, self.collection, changes, rebase=self.manifest.base)
        after, present = await effect_on(before, self.store, self.manifest, self.collection)
        return await self._proven(staged, after, replaced == present)

    async def _proven(self, staged: int, digest: SetDigest, fits: bool = True) -> SetDigest:
        try:
            self._check(staged, digest, fits)
        except (CorruptObject, StoreFailure):
            await self.store.drop(self.manifest.dataset, self.manifest.version)
            raise
        return digest

    def _check(self, staged: int, digest: SetDigest, fits: bool) -> None:
        if self.keep is not None:
            return
        name = f"{self.manifest.dataset}@{self.manifest.version}"
        if not fits:
            raise CorruptObject(object=name, detail="its delta replaces other rows than those of the version before")
        check_digest(digest, self.manifest)
        if staged != self.manifest.rows:
            raise StoreFailure(detail=f"{staged} rows staged of {self.manifest.rows} in {name}")

    def _told(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            self.advance(batch.num_rows)
            yield batch
