"""Verify: what a node really has of a dataset, row by row and object by object, against what its publisher signed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import structlog

from guotu.model.collection import Collection
from guotu.model.errors import CorruptObject, UnknownDataset
from guotu.model.ports import FeatureStore, ObjectStore
from guotu.model.schema import HASH
from sync.chain import chain_to_base
from sync.definitions import get_definition
from sync.load import Needs
from sync.manifest import ObjectRef
from sync.objects_check import Refetch, damaged_among, objects_of, replaced
from sync.pointer import read_head
from sync.prepared import Keep
from sync.proof import digest_of_state
from sync.reach import need_all
from sync.replay import Replay, replay_to
from sync.rows_check import Difference, Flags, RowsCheck, differing, part_schema, stored_part, told
from sync.setdigest import BUCKETS, SetDigest
from sync.signed import SignedManifest
from sync.tidying import tidied
from sync.trust import check_signature

MAX_KEYS = 1_000
"""Differing keys told by name."""
Progress = Callable[[str, int, int], None]
"""Told a stage ("objects": bytes; "rows", "compare", "check": rows), what is done of it and what there is to do."""
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Verification:
    """What was found, and what was put right."""

    dataset: str
    version: int
    rows: int
    """Stored; after a repair, those stored then."""
    digest: str
    """Set digest of the rows stored, hex; after a repair, of those stored then."""
    expected: str
    """Set digest that the manifest states; of an area, that of the sums kept when it was fetched."""
    buckets: tuple[int, ...]
    """Buckets that differed, ascending."""
    keys: tuple[Difference, ...]
    """The first 1,000 keys that differed; none where damaged objects hide which they are."""
    differing: int
    """Keys that differed in all."""
    repaired: int
    """Rows put right."""
    damaged_objects: tuple[str, ...]
    """Keys of objects that were missing or not what their name says; "state of ..." for the sums kept."""
    refetched_objects: int

    @property
    def sound(self) -> bool:
        """True if everything is right now."""
        mended = self.differing == self.repaired and len(self.damaged_objects) == self.refetched_objects
        return self.digest == self.expected and mended


@dataclass(frozen=True, slots=True)
class Held:
    """Which rows and objects of a dataset a node has."""

    keep: Keep | None = None
    """None: all rows."""
    needs: Needs = need_all
    own: bool = True
    """True for the owner, who has all objects; a replica has those that it came by."""


HELD_WHOLE = Held()


class Verifier:
    """Verifies heads of datasets, own or replicated."""

    def __init__(
        self,
        objects: ObjectStore,
        store: FeatureStore,
        held: Held = HELD_WHOLE,
        refetch: Refetch | None = None,
        progress: Progress = lambda stage, done, total: None,
    ) -> None:
        """Set the parts; `refetch` gets objects from peers, without it damaged ones stay.

        `progress` is called in the event loop.
        """
        self._objects = objects
        self._store = store
        self._held = held
        self._refetch = refetch
        self._progress = progress

    async def verify(self, dataset: str, repair: bool = False) -> Verification:
        """Look at all objects and rows; with `repair`, put right what differs.

        Memory holds a batch of rows, and of what differs a part at a time. Readers go on, and see mended rows at once.

        Raises:
            UnknownDataset: the node does not hold it.
            UnknownVersion: the head cannot be read, or another version took its place meanwhile.
            UntrustedKey, VersionRefused: the head's manifest is not its owner's, or does not follow those before it.
            CorruptObject: a manifest or a definition is missing or damaged.
        """
        head = await read_head(self._objects, dataset)
        if head is None:
            raise UnknownDataset(dataset=dataset)
        signed = (await chain_to_base(self._objects, head.pointer.manifest))[-1]
        await check_signature(self._objects, signed)
        references = await objects_of(self._objects, head, self._held.needs, self._held.own)
        damaged = await damaged_among(self._objects, references, self._progress)
        anew = await self._fetched_anew(dataset, damaged) if repair else 0
        collection = await get_definition(self._objects, signed.manifest.definition)
        sums = await self._sums(signed)
        rows = _Rows(self._store, signed, collection, self._progress, sums, self._held.keep is None)
        await rows.scan("rows")
        rows.suspects = rows.suspect()
        if rows.suspects.any() and anew == len(damaged):
            await rows.compare(await self._replay(signed, collection), repair)
        if rows.repaired:
            await tidied(self._store, dataset)
            await rows.scan("check")
        lost = [] if sums else [f"state of {dataset}@{signed.manifest.version}"]
        return rows.result((*(item.key for item in damaged), *lost), anew)

    async def _fetched_anew(self, dataset: str, damaged: list[ObjectRef]) -> int:
        """Get objects anew, as far as anybody has them; returns how many."""
        if self._refetch is None:
            return 0
        return sum([await replaced(self._objects, dataset, item, self._refetch) for item in damaged])

    async def _sums(self, signed: SignedManifest) -> SetDigest | None:
        """Return the sums kept with the version; None if they are damaged."""
        manifest = signed.manifest
        try:
            sums = digest_of_state(await self._store.state(manifest.dataset, manifest.version))
        except CorruptObject:
            return None
        return sums if self._held.keep is not None or sums.hex == manifest.digest else None

    async def _replay(self, signed: SignedManifest, collection: Collection) -> Replay:
        readable = [item.version for item in await self._store.versions() if item.dataset == signed.manifest.dataset]
        return await replay_to(self._objects, signed, collection, min(readable), self._held.keep, self._held.needs)


class _Rows:
    """The rows of one version, and what was found of them."""

    def __init__(
        self,
        store: FeatureStore,
        signed: SignedManifest,
        collection: Collection,
        progress: Progress,
        sums: SetDigest | None,
        whole: bool,
    ) -> None:
        self.repaired = 0
        self.suspects: Flags = np.zeros(BUCKETS, np.bool_)
        """Buckets that differ, shape (4096,); all of them until it is known which."""
        self._store = store
        self._manifest = signed.manifest
        self._collection = collection
        self._progress = progress
        self._sums = sums
        self._expected = signed.manifest.digest if whole else "" if sums is None else sums.hex
        self._found = RowsCheck(collection)
        self._keys: list[Difference] = []
        self._differing = 0

    async def scan(self, stage: str) -> None:
        """Sum up what is stored."""
        found = RowsCheck(self._collection)
        async for batch in self._stored(stage):
            await asyncio.to_thread(found.take, batch)
        self._found = found

    def suspect(self) -> Flags:
        """Return the buckets to look into, shape (4096,): all of them where the sums kept do not tell which."""
        if self._sums is not None:
            doubtful: Flags = self._found.crooked | (self._found.digest.buckets != self._sums.buckets)
            return doubtful
        if self._found.digest.hex == self._expected:
            return self._found.crooked
        return np.ones(BUCKETS, np.bool_)

    async def compare(self, replay: Replay, repair: bool) -> None:
        """Find the keys that differ in the suspect buckets; put their rows right if that is wanted."""
        key, expected = self._collection.key, SetDigest()
        for part in replay.passes(self.suspects):
            right = await asyncio.to_thread(replay.rows, part)
            keys, hashes = (right.present[name].combine_chunks() for name in (key, HASH))
            await asyncio.to_thread(expected.add, keys, hashes)
            wrong = await asyncio.to_thread(differing, await self._part(part), right.present, key)
            self._keys += told(wrong, key, MAX_KEYS - len(self._keys))
            self._differing += len(wrong)
            if repair and len(wrong):
                await self._mend(right.mending(wrong, self._collection), len(wrong))
        if self._sums is None and self.suspects.all():
            self._expected = expected.hex
            self.suspects = self._found.crooked | (self._found.digest.buckets != expected.buckets)

    async def _part(self, buckets: Flags) -> pa.Table:
        """Return what is stored in some buckets, as `stored_part`."""
        parts = [
            await asyncio.to_thread(stored_part, batch, self._collection, buckets)
            async for batch in self._stored("compare")
        ]
        schema = part_schema(self._collection)
        return pa.concat_tables([schema.empty_table(), *parts]).combine_chunks()

    async def _mend(self, batches: list[pa.RecordBatch], keys: int) -> None:
        """Put rows right."""
        manifest = self._manifest
        await self._store.mend(manifest.dataset, manifest.version, self._collection, lambda: iter(batches))
        self.repaired += keys
        _log.warning("rows_mended", dataset=manifest.dataset, version=manifest.version, rows=keys)

    async def _stored(self, stage: str) -> AsyncIterator[pa.RecordBatch]:
        manifest, done = self._manifest, 0
        batches = self._store.stored(manifest.dataset, manifest.version, self._collection)
        async with aclosing(batches) as reading:  # type: ignore[type-var]
            self._progress(stage, 0, manifest.rows)
            async for batch in reading:
                yield batch
                done += batch.num_rows
                self._progress(stage, done, manifest.rows)

    def result(self, damaged: tuple[str, ...], refetched: int) -> Verification:
        """Return the findings."""
        return Verification(
            dataset=self._manifest.dataset,
            version=self._manifest.version,
            rows=self._found.rows,
            digest=self._found.digest.hex,
            expected=self._expected,
            buckets=tuple(np.flatnonzero(self.suspects).tolist()),
            keys=tuple(self._keys),
            differing=self._differing,
            repaired=self.repaired,
            damaged_objects=damaged,
            refetched_objects=refetched,
        )
