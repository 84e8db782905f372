"""Load: a store learns a version from objects, and nobody reads a row of it before it is proven."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from guotu.model.errors import CorruptObject
from guotu.model.ports import FeatureStore, ObjectStore
from sync.chain import check_link
from sync.datafile import file_sha256
from sync.definitions import get_definition
from sync.manifest import Manifest, ObjectRef
from sync.prepared import Keep
from sync.proof import state_bytes
from sync.signed import get_manifest
from sync.staging import Staging

LOAD_STEPS = ("objects-checked", "version-proven", "version-activated")
"""Names of the checkpoints of each version that is loaded, in their order."""
Progress = Callable[[str, int, int], None]
Checkpoint = Callable[[str], None]
Needs = Callable[[ObjectRef], bool]
"""Tells which objects can have rows that a node holds."""
_log = structlog.get_logger(__name__)


def _silent(*words: object) -> None:
    """Listen to nothing."""


async def make_readable(
    objects: ObjectStore,
    store: FeatureStore,
    manifest: Manifest,
    *,
    keep: Keep | None = None,
    needs: Needs = lambda item: True,
    progress: Progress = _silent,
    checkpoint: Checkpoint = _silent,
) -> bool:
    """Make a store able to answer from a version, from whatever it has; tells whether anything had to be loaded.

    By its delta if the version before is readable, else by its base, else by the version before first. Each version is
    checked object by object, staged, proven against the publisher's digest, and only then activated.

    `keep` tells which rows the node holds, `needs` which objects it has for them; what is held in part cannot be proven
    against the publisher's digest, and is activated with the sums of what is there. `progress` is told "load", the rows
    (or changes) read of the present version and how many there are, in any thread.

    Raises:
        CorruptObject: an object, a manifest or a definition is missing or damaged, or leads to other rows.
        VersionRefused: the versions that are needed do not follow each other.
        StoreFailure: the store failed.
    """
    loader = _Loader(objects, store, keep, needs, progress, checkpoint)
    steps = await loader.steps(manifest)
    for step in steps:
        await loader.load(step)
    return bool(steps)


async def verified(objects: ObjectStore, item: ObjectRef) -> Path:
    """Return where an object can be read, its bytes checked.

    Raises:
        CorruptObject: it is missing, or its bytes have another hash.
    """
    path = await objects.local_path(item.key)
    if path is None:
        raise CorruptObject(object=item.key, detail="missing")
    if await asyncio.to_thread(file_sha256, path) != item.sha256:
        raise CorruptObject(object=item.key, detail="its bytes have another hash")
    return path


@dataclass(frozen=True, slots=True)
class _Step:
    """A version to load."""

    manifest: Manifest
    by_delta: bool


@dataclass(frozen=True, slots=True)
class _Loader:
    objects: ObjectStore
    store: FeatureStore
    keep: Keep | None
    needs: Needs
    progress: Progress
    checkpoint: Checkpoint

    async def steps(self, manifest: Manifest) -> list[_Step]:
        """Find the versions to load, oldest first."""
        readable = {item.version for item in await self.store.versions() if item.dataset == manifest.dataset}
        steps: list[_Step] = []
        while manifest.version not in readable:
            before = manifest.version - 1 in readable
            if manifest.deltas and before and await self._has(manifest.deltas):
                return [_Step(manifest, True), *steps]
            if manifest.base and (not manifest.deltas or await self._has(manifest.bases)):
                return [_Step(manifest, False), *steps]
            if not await self._has(manifest.deltas):
                raise CorruptObject(object=manifest.deltas[0].key, detail="missing")
            parent = await get_manifest(self.objects, manifest.parent)
            check_link(parent, manifest)
            steps.insert(0, _Step(manifest, True))
            manifest = parent.manifest
        return steps

    async def _has(self, references: Sequence[ObjectRef]) -> bool:
        for item in filter(self.needs, references):
            if await self.objects.local_path(item.key) is None:
                return False
        return True

    async def load(self, step: _Step) -> None:
        """Load one version; leaves nothing staged if it fails."""
        manifest = step.manifest
        collection = await get_definition(self.objects, manifest.definition)
        references = [item for item in (manifest.deltas if step.by_delta else manifest.bases) if self.needs(item)]
        paths = [await verified(self.objects, item) for item in references]
        self.checkpoint("objects-checked")
        done, total = 0, sum(item.rows for item in references)

        def advance(rows: int) -> None:
            nonlocal done
            done += rows
            self.progress("load", done, total)

        staging = Staging(self.store, manifest, collection, self.keep, advance)
        try:
            digest = await (staging.delta(paths) if step.by_delta else staging.base(paths))
            self.checkpoint("version-proven")
            await self.store.activate(manifest.dataset, manifest.version, state_bytes(digest))
        except BaseException:
            await self.store.drop(manifest.dataset, manifest.version)
            raise
        self.checkpoint("version-activated")
        _log.info("version_loaded", dataset=manifest.dataset, version=manifest.version, rows=manifest.rows)
