"""Publish: a layer or an increment becomes the next version of a dataset, or nothing changes."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from guotu.model.division import dataset_id
from guotu.model.errors import InvalidInput
from guotu.model.ports import Clock, FeatureStore, ObjectStore
from guotu.model.records import DatasetRecord
from sync.attempt import Attempt, Misfit, PublishOutcome
from sync.before import read_before
from sync.commit import Checkpoint
from sync.load import make_readable
from sync.publication import STEPS, Parts, Publication, Tell, tell_nobody
from sync.signing import NodeKey
from sync.stages import Progress, Stages, to_the_end
from sync.versions import dataset_record

__all__ = ["STEPS", "Attempt", "Misfit", "PublishOutcome", "Publisher"]

_PREFIX = "publish-"


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
        self._parts = Parts(objects, store, key, node, clock, checkpoint)
        self._scratch = scratch
        self._turn = asyncio.Lock()
        scratch.mkdir(parents=True, exist_ok=True)
        for left in scratch.glob(f"{_PREFIX}*"):
            shutil.rmtree(left)

    async def publish(self, attempt: Attempt, progress: Progress, tell: Tell = tell_nobody) -> PublishOutcome:
        """Publish a layer or an increment, or find out only what it would change.

        Calling again with the `write_id` of a publish that is the head returns that, so a lost answer can be asked
        for again. A failure before the head has moved leaves the dataset as it was. `tell` hears of a new head once it
        can be read, before the store puts its rows in order.

        Raises:
            InvalidInput: the dataset is not this node's of that collection, or a file is not as described.
            IncompatibleSchema: the definition breaks with the head's and no new series is asked for.
            PublishConflict: someone else published meanwhile.
            CorruptObject: the head cannot be read.
            StoreFailure: a store failed.
        """
        if attempt.dataset != dataset_id(self._parts.node, attempt.collection.id):
            raise InvalidInput(detail=f"{attempt.dataset} is not this node's dataset of {attempt.collection.id}")
        stages = Stages(self._parts.clock, progress)
        async with self._turn:
            folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=self._scratch))
            try:
                return await Publication(self._parts, attempt, folder, stages, tell).run()
            finally:
                await to_the_end(asyncio.to_thread(shutil.rmtree, folder))

    async def head(self, dataset: str) -> DatasetRecord | None:
        """Return the head as its owner advertises it; None if there is none.

        Raises:
            CorruptObject: the head cannot be read.
        """
        before = await read_before(self._parts.objects, dataset)
        return None if before is None else dataset_record(before.manifest)

    async def restore(self, dataset: str, tell: Tell) -> None:
        """Make the head readable that a publish may have moved to before the store failed, and `tell` of it.

        Nothing if there is no head.

        Raises:
            CorruptObject: the head cannot be read.
            StoreFailure: a store failed.
        """
        async with self._turn:
            head = await read_before(self._parts.objects, dataset)
            if head is not None:
                await to_the_end(make_readable(self._parts.objects, self._parts.store, head.manifest))
                await to_the_end(tell(dataset_record(head.manifest)))

    @asynccontextmanager
    async def between(self) -> AsyncIterator[None]:
        """Keep publishes out while something else decides which versions and objects there are."""
        async with self._turn:
            yield
