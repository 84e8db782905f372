"""Publish: a spool of rows becomes the next version of a dataset, or nothing changes."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import structlog

from guotu.model.collection import Collection
from guotu.model.crs import MESH_CRS
from guotu.model.division import dataset_id
from guotu.model.errors import GuotuError, InvalidInput
from guotu.model.ports import Clock, FeatureStore, ObjectStore
from guotu.model.records import DatasetRecord
from sync.commit import Checkpoint, commit, withdraw
from sync.definition import definition_hash
from sync.layout import ChunkFile, write_chunks
from sync.manifest import BASE, Manifest, ObjectRef
from sync.pointer import Head, Pointer, read_head
from sync.restore import make_readable, stage_whole
from sync.retention import retain
from sync.signed import SignedManifest, get_manifest, sign_manifest
from sync.signing import NodeKey
from sync.spool import Spool
from sync.stages import Progress, Stages, to_the_end
from sync.survey import Survey, order_of, survey
from sync.versions import dataset_record

STEPS = (
    "begun", "surveyed", "chunks-written", "chunks-stored", "staged", "manifest-stored", "version-taken",
    "head-moved", "activated",
)  # fmt: skip
"""Names of the checkpoints, in their order."""
_PREFIX = "publish-"
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class PublishOutcome:
    """How a publish ended."""

    manifest: Manifest
    """Of the head: the new version, or the one there was if nothing changed."""
    record: DatasetRecord
    published: bool
    """False if the head has the same rows and the same definition already."""
    seconds: dict[str, float]
    """By stage: digest, layout, write, load, commit."""


@dataclass(frozen=True, slots=True)
class _Attempt:
    """What is to be published."""

    dataset: str
    collection: Collection
    spool: Path
    message: str
    source: str
    write_id: str
    notes: Mapping[str, int | str]


class Publisher:
    """The one writer of a node's versions: one publish at a time."""

    def __init__(
        self,
        objects: ObjectStore,
        store: FeatureStore,
        key: NodeKey,
        node: str,
        clock: Clock,
        scratch: Path,
        checkpoint: Checkpoint = lambda step: None,
    ) -> None:
        """Set the parts; `scratch` is a directory of this publisher alone, what a crash left in it is removed."""
        self._objects = objects
        self._store = store
        self._key = key
        self._node = node
        self._clock = clock
        self._scratch = scratch
        self._checkpoint = checkpoint
        self._turn = asyncio.Lock()
        scratch.mkdir(parents=True, exist_ok=True)
        for left in scratch.glob(f"{_PREFIX}*"):
            shutil.rmtree(left)

    async def publish(
        self,
        dataset: str,
        collection: Collection,
        spool: Path,
        *,
        message: str,
        source: str,
        write_id: str,
        notes: Mapping[str, int | str],
        progress: Progress,
    ) -> PublishOutcome:
        """Publish the rows of an Arrow IPC file with `arrow_schema(collection)`, validated, EPSG:4490 lon/lat.

        Calling again with the `write_id` of a publish that is the head returns that, so a lost answer can be asked
        for again. A failure before the head has moved leaves the dataset as it was.

        Raises:
            InvalidInput: the dataset is not this node's of that collection, or the spool is not as described.
            PublishConflict: someone else published meanwhile.
            StoreFailure: a store failed.
        """
        if dataset != dataset_id(self._node, collection.id):
            raise InvalidInput(detail=f"{dataset} is not this node's dataset of {collection.id}")
        attempt = _Attempt(dataset, collection, spool, message, source, write_id, notes)
        stages = Stages(self._clock, progress)
        async with self._turn:
            folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=self._scratch))
            try:
                return await self._publish(attempt, folder, stages)
            finally:
                await to_the_end(asyncio.to_thread(shutil.rmtree, folder))

    async def retain(self, keep: int) -> list[Pointer]:
        """Drop all but the `keep` newest versions of each dataset, between publishes; see `sync.retention.retain`."""
        async with self._turn:
            return await retain(self._objects, self._store, keep)

    async def _publish(self, attempt: _Attempt, folder: Path, stages: Stages) -> PublishOutcome:
        head = await read_head(self._objects, attempt.dataset)
        present = None if head is None else (await get_manifest(self._objects, head.pointer.manifest)).manifest
        self._checkpoint("begun")
        if present is not None and present.write_id == attempt.write_id:
            return await self._stay(attempt, present, True, stages)
        with Spool(attempt.spool, attempt.collection) as spool:
            found = await stages.compute("digest", spool.rows, lambda advance: survey(spool, advance))
            self._checkpoint("surveyed")
            if present is not None and _is_same(present, found, attempt.collection):
                return await self._stay(attempt, present, False, stages)
            chunks = await _lay_out(spool, found, folder, stages)
        self._checkpoint("chunks-written")
        references = await stages.timed("write", to_the_end(self._put_chunks(chunks)))
        manifest = self._manifest(attempt, head, found, references)
        self._checkpoint("chunks-stored")
        await self._make_head(attempt, manifest, head, chunks, stages)
        return PublishOutcome(manifest, dataset_record(manifest), True, stages.seconds)

    async def _stay(self, attempt: _Attempt, present: Manifest, published: bool, stages: Stages) -> PublishOutcome:
        """End with the head as it is."""
        load = make_readable(self._objects, self._store, attempt.collection, present)
        await stages.wait("load", present.rows, to_the_end(load))
        return PublishOutcome(present, dataset_record(present), published, stages.seconds)

    async def _put_chunks(self, chunks: list[ChunkFile]) -> tuple[ObjectRef, ...]:
        """Store chunks under their hashes."""
        references = []
        for chunk in chunks:
            key = f"objects/sha256/{chunk.sha256[:2]}/{chunk.sha256}.parquet"
            await self._objects.put_file(key, chunk.path)
            references.append(ObjectRef(BASE, key, chunk.sha256, chunk.size_bytes, chunk.rows, chunk.extent))
        return tuple(references)

    def _manifest(
        self, attempt: _Attempt, head: Head | None, found: Survey, objects: tuple[ObjectRef, ...]
    ) -> Manifest:
        return Manifest(
            dataset=attempt.dataset,
            version=head.pointer.version + 1 if head else 1,
            parent=head.pointer.manifest if head else "",
            collection=attempt.collection.id,
            definition=definition_hash(attempt.collection),
            crs=MESH_CRS,
            rows=found.rows,
            extent=found.extent,
            coverage=found.coverage_wkb.hex(),
            territory_m2=found.territory_m2,
            objects=objects,
            digest=found.digest.hex,
            publisher=self._node,
            published_ms=self._clock.now_ms(),
            message=attempt.message,
            source=attempt.source,
            write_id=attempt.write_id,
            notes=attempt.notes,
        )

    async def _make_head(
        self, attempt: _Attempt, manifest: Manifest, head: Head | None, chunks: list[ChunkFile], stages: Stages
    ) -> None:
        """Stage the version, commit it, activate it; or leave everything as it was."""
        signed = sign_manifest(manifest, self._key)
        pointer = Pointer(manifest.dataset, manifest.version, signed.name, manifest.write_id)
        paths = [chunk.path for chunk in chunks]
        try:
            load = stage_whole(self._store, attempt.collection, manifest, paths)
            await stages.wait("load", manifest.rows, to_the_end(load))
            self._checkpoint("staged")
            move = self._commit(signed, pointer, head.etag if head else None)
            await stages.wait("commit", manifest.rows, to_the_end(move))
        except BaseException:
            await to_the_end(self._withdraw(pointer))
            raise
        _log.info("version_published", dataset=pointer.dataset, version=pointer.version, rows=manifest.rows)

    async def _commit(self, signed: SignedManifest, pointer: Pointer, etag: str | None) -> None:
        await commit(self._objects, signed, pointer, etag, self._checkpoint)
        await self._store.activate(pointer.dataset, pointer.version)
        self._checkpoint("activated")

    async def _withdraw(self, pointer: Pointer) -> None:
        """Clean up after a failure, which is told in any case; what cannot be cleaned is at the next start."""
        try:
            await withdraw(self._objects, self._store, pointer)
        except GuotuError as error:
            _log.warning("not_withdrawn", dataset=pointer.dataset, version=pointer.version, detail=error.english)


async def _lay_out(spool: Spool, found: Survey, folder: Path, stages: Stages) -> list[ChunkFile]:
    """Order the rows and write the chunks."""
    order = await stages.compute("layout", spool.rows, lambda advance: order_of(spool, found.places))
    return await stages.compute(
        "write",
        spool.rows,
        lambda advance: list(write_chunks(spool, order, found.sizes, folder, advance)),
    )


def _is_same(present: Manifest, found: Survey, collection: Collection) -> bool:
    return present.digest == found.digest.hex and present.definition == definition_hash(collection)
