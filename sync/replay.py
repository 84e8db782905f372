"""Replay: what the rows of a version must be, from its objects; some keys at a time, so that memory is bounded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from guotu.model.collection import Collection
from guotu.model.errors import CorruptObject, VersionRefused
from guotu.model.ports import ObjectStore
from guotu.model.schema import HASH, arrow_schema, stored_schema
from sync.chain import check_link
from sync.delta import DELETE, OP, deletes, read_delta
from sync.load import Needs
from sync.manifest import Manifest, ObjectRef
from sync.prepared import BATCH_ROWS, Keep, prepare
from sync.rows_check import EXTRA
from sync.setdigest import BUCKETS, bucket_numbers
from sync.signed import SignedManifest, get_manifest

SINCE = "_since"
_PASS_ROWS = 100_000
_PASS_BYTES = 32 << 20
Mask = NDArray[np.bool_]
"""Shape (4096,): True for the buckets that are meant."""


@dataclass(frozen=True, slots=True)
class Step:
    """A version on the way: its base, or its delta."""

    version: int
    whole: bool
    references: tuple[ObjectRef, ...]
    paths: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class Expected:
    """What the rows of some buckets must be; tables of `stored_schema` and `_since`, the version of a row's state."""

    present: pa.Table
    """Rows that must be there."""
    absent: pa.Table
    """Rows that were there once, or lie outside the area held, one for each key."""
    first: int
    """The version that the way begins with."""

    def mending(self, wrong: pa.Table, collection: Collection) -> list[pa.RecordBatch]:
        """Return what puts rows right (`FeatureStore.mend`); `wrong` as of `sync.rows_check.differing`."""
        key = collection.key
        extra = pc.equal(wrong["how"], EXTRA)
        wanted, unwanted = (wrong[key].filter(side).combine_chunks() for side in (pc.invert(extra), extra))
        gone = self.absent[SINCE].take(pc.index_in(unwanted, value_set=self.absent[key].combine_chunks()))
        out = deletes(unwanted, collection)
        out = out.append_column(SINCE, pc.fill_null(gone, self.first).combine_chunks())
        put = self.present.filter(pc.is_in(self.present[key], value_set=wanted))
        return [batch for batch in (*put.to_batches(), out) if batch.num_rows]


@dataclass(frozen=True, slots=True)
class Replay:
    """The way to a version: a base, then deltas."""

    collection: Collection
    steps: tuple[Step, ...]
    keep: Keep | None

    def passes(self, buckets: Mask) -> Iterator[Mask]:
        """Divide buckets so that the rows of each part, and what changed them, are about 100,000 and 32 MiB packed."""
        references = [item for step in self.steps for item in step.references]
        rows, size = sum(item.rows for item in references), sum(item.size_bytes for item in references)
        share = min(_PASS_ROWS / max(rows, 1), _PASS_BYTES / max(size, 1), 1.0)
        numbers = np.flatnonzero(buckets)
        width = max(1, int(BUCKETS * share))
        for start in range(0, len(numbers), width):
            part = np.zeros(BUCKETS, np.bool_)
            part[numbers[start : start + width]] = True
            yield part

    def rows(self, buckets: Mask) -> Expected:
        """Return what the rows of some buckets must be.

        Raises:
            CorruptObject: an object is not what the manifest says it is.
        """
        schema = stored_schema(self.collection).append(pa.field(SINCE, pa.int64()))
        table = pa.Table.from_batches(list(self._states(buckets)), schema).combine_chunks()
        numbered = pa.table({"key": table[self.collection.key], "row": np.arange(len(table))})
        states = table.take(numbered.group_by("key").aggregate([("row", "max")])["row_max"]).combine_chunks()
        present = pc.is_valid(states[HASH]).combine_chunks()
        if self.keep is not None and len(states):
            there = states.filter(present).combine_chunks().drop_columns(SINCE)
            held = np.zeros(len(states), np.bool_)
            held[np.asarray(present)] = np.concatenate([[], *map(self.keep, there.to_batches())]).astype(np.bool_)
            present = pa.array(held)
        return Expected(states.filter(present), states.filter(pc.invert(present)), self.steps[0].version)

    def _states(self, buckets: Mask) -> Iterator[pa.RecordBatch]:
        """Yield the states of rows of some buckets, the earlier first; a delete has its key and nulls."""
        for step in self.steps:
            read = self._base if step.whole else self._delta
            for path in step.paths:
                for batch in read(path, buckets):
                    yield batch.append_column(SINCE, pa.array(np.full(batch.num_rows, step.version)))

    def _base(self, path: Path, buckets: Mask) -> Iterator[pa.RecordBatch]:
        names = arrow_schema(self.collection).names
        try:
            with pq.ParquetFile(path) as file:
                for batch in file.iter_batches(batch_size=BATCH_ROWS, columns=names):
                    yield prepare(self._of(batch.select(names), buckets), self.collection).stored()
        except (pa.ArrowInvalid, OSError, KeyError) as error:
            raise CorruptObject(object=path.name, detail=f"not a chunk of {self.collection.id}: {error}") from error

    def _delta(self, path: Path, buckets: Mask) -> Iterator[pa.RecordBatch]:
        for batch in read_delta(path, self.collection):
            part = self._of(batch, buckets)
            gone = pc.equal(part.column(OP), DELETE)
            yield prepare(part.filter(pc.invert(gone)), self.collection).stored()
            yield deletes(part.filter(gone).column(self.collection.key), self.collection)

    def _of(self, batch: pa.RecordBatch, buckets: Mask) -> pa.RecordBatch:
        return batch.filter(pa.array(buckets[bucket_numbers(batch.column(self.collection.key))]))


async def replay_to(
    objects: ObjectStore,
    signed: SignedManifest,
    collection: Collection,
    oldest: int,
    keep: Keep | None,
    needs: Needs,
) -> Replay:
    """Find the way to a version from a base no later than version `oldest`, or from the nearest base before that.

    `_since` of a row is then right for every version from `oldest` on: a base does not tell since when its rows are.

    Raises:
        CorruptObject: a manifest or an object is missing.
        VersionRefused: two of the manifests do not follow each other.
    """
    chain = await _chain(objects, signed, oldest, needs)
    *farther, nearest = [number for number, item in enumerate(chain) if item.base][::-1]
    for number in farther:
        try:
            return Replay(collection, await _steps(objects, chain[number::-1], needs), keep)
        except CorruptObject:
            continue
    return Replay(collection, await _steps(objects, chain[nearest::-1], needs), keep)


async def _chain(objects: ObjectStore, signed: SignedManifest, oldest: int, needs: Needs) -> list[Manifest]:
    """Return the manifests on the way back, the newest first: to a base whose rows are here, if there is one."""
    chain = [signed.manifest]
    while not await _is_enough(objects, chain[-1], oldest, needs):
        try:
            parent = await get_manifest(objects, chain[-1].parent)
            check_link(parent, chain[-1])
        except (CorruptObject, VersionRefused):
            if not any(item.base for item in chain):
                raise
            break
        chain.append(parent.manifest)
    return chain


async def _is_enough(objects: ObjectStore, manifest: Manifest, oldest: int, needs: Needs) -> bool:
    if not manifest.base or not manifest.deltas:
        return manifest.base
    return manifest.version <= oldest and not await missing(objects, filter(needs, manifest.bases))


async def missing(objects: ObjectStore, references: Iterable[ObjectRef]) -> list[ObjectRef]:
    """Return the objects that are not here."""
    return [item for item in references if item.key not in await objects.keys(item.key)]


async def _steps(objects: ObjectStore, manifests: Sequence[Manifest], needs: Needs) -> tuple[Step, ...]:
    steps = []
    for number, manifest in enumerate(manifests):
        chosen = tuple(filter(needs, manifest.deltas if number else manifest.bases))
        paths = tuple([await _path(objects, item) for item in chosen])
        steps.append(Step(manifest.version, not number, chosen, paths))
    return tuple(steps)


async def _path(objects: ObjectStore, item: ObjectRef) -> Path:
    path = await objects.local_path(item.key)
    if path is None:
        raise CorruptObject(object=item.key, detail="missing")
    return path
