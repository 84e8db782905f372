"""Import: the versions of a package become this node's, one after the other, each of them whole or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, ExitStack, nullcontext
from dataclasses import dataclass
from pathlib import Path

from guotu.model.errors import CorruptObject, VersionRefused
from guotu.model.ports import FeatureStore, ObjectStore
from guotu.model.records import DatasetRecord
from sync.durable import temporary
from sync.load import make_readable
from sync.package.index import Entry
from sync.package.keyring import KeyRing
from sync.package.plan import PlannedVersion, Planner
from sync.package.reader import PackageReader, open_package
from sync.package.summary import Checkpoint, PackageSummary, summary, unheard, unmarked
from sync.package.tally import Progress, Tally
from sync.pointer import Pointer, head_key, read_head, read_version, version_key
from sync.signed import put_manifest
from sync.tidying import tidied
from sync.versions import dataset_record

Held = Callable[[DatasetRecord], Awaitable[None]]
"""Told of each version that this node can answer from now."""
Turn = Callable[[], AbstractAsyncContextManager[object]]
IMPORT_STEPS = (
    "key-trusted", "definition-stored", "object-stored", "manifest-stored", "version-taken", "version-readable",
    "head-moved",
)  # fmt: skip
"""Names of the checkpoints, in their order; all but the first come with each version, between them those of `load`."""


async def _untold(record: DatasetRecord) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True)
class PackageImporter:
    """Takes packages into one node's stores."""

    objects: ObjectStore
    store: FeatureStore
    node: str
    scratch: Path
    """Folder for an object on its way; made if it is not there."""
    held: Held = _untold
    turn: Turn = nullcontext
    """Keeps publishes and sweeps of garbage out while one version is taken."""
    checkpoint: Checkpoint = unmarked

    async def take(self, path: Path, trust: Mapping[str, str], progress: Progress = unheard) -> PackageSummary:
        """Import a package. What is here already is skipped, so doing it again goes on where it was broken off.

        `trust`: fingerprints (SHA-256 of the public key, hex) of nodes' keys that this node does not know yet.
        `progress` is told "verify" and "import" (bytes), and "load" (rows).

        Raises:
            InvalidInput: there is no such file.
            CorruptObject: it is damaged, cut off or no package, or its rows do not come to the signed digest.
            UntrustedKey: exporter or publisher signed with a key that is neither trusted nor confirmed by `trust`.
            PackageGap: versions between this node's head and the package are missing.
            VersionRefused: a version is not what its publisher may publish, or another one than this node has.
            StoreFailure: a store failed; the versions before stay.
        """
        with ExitStack() as stack:
            reader = await asyncio.to_thread(stack.enter_context, open_package(path))
            entries = reader.index.entries
            ring = await asyncio.to_thread(KeyRing, self.objects, reader, trust)
            await self._check_exporter(reader, ring, path.name)
            tally = Tally(progress, "verify", sum(entry.size_bytes for entry in entries))
            await tally.run(reader.verify, tally.add)
            planned = await Planner(self.objects, reader, ring, self.node).plan()
            if planned:
                await ring.keep()
                self.checkpoint("key-trusted")
            tally = Tally(progress, "import", sum(entry.size_bytes for step in planned for entry in step.objects))
            for step in planned:
                async with self.turn():
                    await self._take(step, reader, tally, progress)
                await self.held(dataset_record(step.signed.manifest))
            for dataset in sorted({step.pointer.dataset for step in planned}):
                await tidied(self.store, dataset)
            return summary(reader.index, reader.size_bytes, len(planned))

    async def _check_exporter(self, reader: PackageReader, ring: KeyRing, name: str) -> None:
        if not await ring.signs(reader.index.exporter, reader.index_bytes, reader.signature):
            raise CorruptObject(object=name, detail=f"签名不符 its index was not signed by {reader.index.exporter}")

    async def _take(self, step: PlannedVersion, reader: PackageReader, tally: Tally, progress: Progress) -> None:
        """Make one version this node's head of its dataset."""
        await self.objects.put_if_absent(step.definition.name, reader.read(step.definition))
        self.checkpoint("definition-stored")
        for entry in step.objects:
            await self._put(entry, reader, tally)
            self.checkpoint("object-stored")
        await put_manifest(self.objects, step.signed)
        self.checkpoint("manifest-stored")
        pointer = step.pointer
        ours = await self._take_number(pointer)
        self.checkpoint("version-taken")
        try:
            await make_readable(
                self.objects, self.store, step.signed.manifest, progress=progress, checkpoint=self.checkpoint
            )
        except BaseException:
            if ours:
                await self.objects.delete(version_key(pointer.dataset, pointer.version))
            raise
        self.checkpoint("version-readable")
        await self._move_head(pointer)
        self.checkpoint("head-moved")

    async def _put(self, entry: Entry, reader: PackageReader, tally: Tally) -> None:
        """Store an object unless it is here."""
        if entry.name in await self.objects.keys(entry.name):
            tally.add(entry.size_bytes)
            return
        self.scratch.mkdir(parents=True, exist_ok=True)
        with temporary(self.scratch) as file:
            await tally.run(reader.extract, entry, file, tally.add)
            await self.objects.put_file(entry.name, Path(file.name))

    async def _take_number(self, pointer: Pointer) -> bool:
        """Take a version's number; tells whether it was free."""
        key = version_key(pointer.dataset, pointer.version)
        if await self.objects.put_if_absent(key, pointer.to_bytes()):
            return True
        present = await read_version(self.objects, pointer.dataset, pointer.version)
        if present is None or present.manifest != pointer.manifest:
            detail = "本节点此版本号是另一份 another version of that number is here"
            raise VersionRefused(dataset=pointer.dataset, version=pointer.version, detail=detail)
        return False

    async def _move_head(self, pointer: Pointer) -> None:
        """Make a version the head unless the head is as far already."""
        while True:
            head = await read_head(self.objects, pointer.dataset)
            if head is not None and head.pointer.version >= pointer.version:
                return
            etag = head.etag if head else None
            if await self.objects.put_if_match(head_key(pointer.dataset), pointer.to_bytes(), etag):
                return
