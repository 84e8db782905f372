"""Publication: one publish from its beginning to its end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import structlog

from guotu.model.crs import MESH_CRS
from guotu.model.errors import GuotuError
from guotu.model.ports import Clock, FeatureStore, ObjectStore
from guotu.model.records import Change, DatasetRecord
from sync.attempt import Attempt, PublishOutcome
from sync.before import Before, Form, form_of, read_before
from sync.chain import chain_to_base
from sync.commit import Checkpoint, commit, withdraw
from sync.datafile import Advance
from sync.definition import definition_hash
from sync.definitions import put_definition
from sync.finding import Finder, Finding
from sync.load import make_readable
from sync.manifest import DELTA, Manifest, ObjectRef
from sync.pointer import Pointer
from sync.proof import state_bytes
from sync.setdigest import SetDigest
from sync.signed import SignedManifest, sign_manifest
from sync.signing import NodeKey
from sync.spool import Spool
from sync.stages import Stages, to_the_end
from sync.staging import Staging
from sync.tidying import tidied
from sync.trust import trust
from sync.versions import dataset_record
from sync.writing import Writer, Written

STEPS = (
    "begun", "surveyed", "compared", "files-written", "objects-stored", "staged", "definition-stored",
    "manifest-stored", "version-taken", "head-moved", "activated", "tidied",
)  # fmt: skip
"""Names of the checkpoints, in their order."""
Tell = Callable[[DatasetRecord], Awaitable[None]]
"""Lets others know of a new head as soon as it can be read."""
_log = structlog.get_logger(__name__)


async def tell_nobody(record: DatasetRecord) -> None:
    """Keep a new head to ourselves."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What a publisher works with."""

    objects: ObjectStore
    store: FeatureStore
    key: NodeKey
    node: str
    clock: Clock
    checkpoint: Checkpoint


@dataclass(frozen=True, slots=True)
class Publication:
    """One publish; nobody else publishes meanwhile on this node."""

    parts: Parts
    attempt: Attempt
    folder: Path
    """For scratch files; removed afterwards."""
    stages: Stages
    tell: Tell

    async def run(self) -> PublishOutcome:
        """Publish, or leave the head as it is."""
        attempt = self.attempt
        before = await read_before(self.parts.objects, attempt.dataset)
        self.parts.checkpoint("begun")
        if before is not None and before.manifest.write_id == attempt.write_id:
            return await self._stay(before, before.manifest.change, published=True)
        form = form_of(attempt, before)
        if before is not None and form.compares:
            await self._load(before)
        with Spool(attempt.spool, attempt.collection) as spool:
            finding = await self._finder(before, form).find(spool)
            self.parts.checkpoint("compared")
            if finding.misfits:
                return self._outcome(before, None, finding)
            if before is not None and self._is_same(before, finding):
                return await self._stay(before, Change(), published=False)
            if attempt.dry_run:
                finding = await self.stages.off(finding.measured)
                return self._outcome(before, finding.change, finding)
            written = await self._write(before, form, spool, finding)
            finding = await self.stages.off(finding.measured)
        self.parts.checkpoint("files-written")
        return await self._publish(before, form, finding, written)

    def _finder(self, before: Before | None, form: Form) -> Finder:
        parts = self.parts
        return Finder(parts.store, self.attempt, before, form, self.folder, self.stages, parts.checkpoint)

    def _is_same(self, before: Before, finding: Finding) -> bool:
        same = before.manifest.definition == definition_hash(self.attempt.collection)
        return same and before.manifest.digest == finding.digest.hex

    async def _load(self, head: Before) -> None:
        """Make the head readable, if the store lost it."""
        load = make_readable(self.parts.objects, self.parts.store, head.manifest)
        await self.stages.timed("load", to_the_end(load))

    async def _stay(self, head: Before, change: Change | None, *, published: bool) -> PublishOutcome:
        """End with the head as it is, and readable."""
        await self._load(head)
        outcome = self._outcome(head, change, None)
        return replace(outcome, published=published, size_bytes=_size(head.manifest.objects) if published else 0)

    def _outcome(self, head: Before | None, change: Change | None, finding: Finding | None) -> PublishOutcome:
        """Return the end of a publish that made no version."""
        manifest = None if head is None else head.manifest
        record = None if manifest is None else dataset_record(manifest)
        misfits = () if finding is None else finding.misfits
        return PublishOutcome(manifest, record, False, self.stages.seconds, change, misfits=misfits)

    async def _write(self, before: Before | None, form: Form, spool: Spool, finding: Finding) -> Written:
        chain = [] if before is None else await chain_to_base(self.parts.objects, before.head.pointer.manifest)
        writer = Writer(self.parts.store, self.attempt, before, form, self.folder, self.stages)
        return await writer.write(spool, finding, [item.manifest for item in chain])

    async def _publish(self, before: Before | None, form: Form, finding: Finding, written: Written) -> PublishOutcome:
        """Store, stage, prove, commit and activate the version; or leave everything as it was."""
        await self.stages.timed("write", to_the_end(self._put_files(written)))
        self.parts.checkpoint("objects-stored")
        manifest = self._manifest(before, form, finding, written)
        signed = sign_manifest(manifest, self.parts.key)
        pointer = Pointer(manifest.dataset, manifest.version, signed.name, manifest.write_id)
        try:
            digest = await self._stage(manifest, written)
            self.parts.checkpoint("staged")
            move = self._commit(signed, pointer, before.head.etag if before else None, digest)
            await self.stages.wait("commit", manifest.rows, to_the_end(move))
        except BaseException:
            await to_the_end(self._withdraw(pointer))
            raise
        size, record = _size(manifest.objects), dataset_record(manifest)
        await to_the_end(self.tell(record))
        await to_the_end(tidied(self.parts.store, pointer.dataset))
        self.parts.checkpoint("tidied")
        _log.info("version_published", dataset=pointer.dataset, version=pointer.version, rows=manifest.rows)
        return PublishOutcome(manifest, record, True, self.stages.seconds, manifest.change, size)

    async def _put_files(self, written: Written) -> None:
        for item in written.files:
            await self.parts.objects.put_file(item.key, item.path)

    def _manifest(self, before: Before | None, form: Form, finding: Finding, written: Written) -> Manifest:
        attempt = self.attempt
        return Manifest(
            dataset=attempt.dataset,
            version=before.manifest.version + 1 if before else 1,
            series=form.series,
            base=written.base,
            parent=before.head.pointer.manifest if before else "",
            collection=attempt.collection.id,
            definition=definition_hash(attempt.collection),
            crs=MESH_CRS,
            rows=finding.rows,
            extent=finding.extent,
            coverage=finding.coverage_wkb.hex(),
            territory_m2=finding.territory_m2,
            objects=written.references,
            change=finding.change,
            digest=finding.digest.hex,
            publisher=self.parts.node,
            published_ms=self.parts.clock.now_ms(),
            message=attempt.message,
            source=attempt.source,
            source_date=attempt.source_date,
            write_id=attempt.write_id,
            notes=attempt.notes,
        )

    async def _stage(self, manifest: Manifest, written: Written) -> SetDigest:
        """Stage and prove the version, from its delta if it has one."""
        files = written.deltas or written.chunks

        async def stage(advance: Advance) -> SetDigest:
            staging = Staging(self.parts.store, manifest, self.attempt.collection, advance=advance)
            paths = [item.path for item in files]
            return await (staging.delta(paths) if written.deltas else staging.base(paths))

        return await self.stages.follow("load", sum(item.rows for item in files), stage)

    async def _commit(self, signed: SignedManifest, pointer: Pointer, etag: str | None, digest: SetDigest) -> None:
        parts = self.parts
        await trust(parts.objects, parts.node, parts.key.public_bytes)
        await put_definition(parts.objects, self.attempt.collection)
        parts.checkpoint("definition-stored")
        await commit(parts.objects, signed, pointer, etag, parts.checkpoint)
        await parts.store.activate(pointer.dataset, pointer.version, state_bytes(digest))
        parts.checkpoint("activated")

    async def _withdraw(self, pointer: Pointer) -> None:
        """Clean up after a failure, which is told in any case; what cannot be cleaned is at the next start."""
        try:
            await withdraw(self.parts.objects, self.parts.store, pointer)
        except GuotuError as error:
            _log.warning("not_withdrawn", dataset=pointer.dataset, version=pointer.version, detail=error.english)


def _size(objects: Sequence[ObjectRef]) -> int:
    """Return the bytes of a version's delta, or of its base if it has no delta."""
    deltas = [item.size_bytes for item in objects if item.kind == DELTA]
    return sum(deltas or [item.size_bytes for item in objects])
