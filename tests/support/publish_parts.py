"""The parts of a publisher for tests, and a process that is killed while it publishes.

`python -m tests.support.publish_parts FOLDER STEP SPOOL WRITE_ID` publishes and kills itself at a step.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from guotu.model.collection import Collection
from guotu.model.ports import ObjectStore
from sync.objects.local import LocalObjectStore
from sync.publish import Publisher, PublishOutcome
from sync.reconcile import Reconciled, reconcile
from sync.signing import NodeKey
from sync.versions import Versions
from tests.support.memory_store import MemoryStore
from tests.support.sync_samples import DATASET, NODE, PARCELS, TABLE, HeldClock, Shelf, no_progress


class Parts:
    """One node's parts over a folder; making them again is a restart."""

    def __init__(
        self,
        folder: Path,
        *,
        checkpoint: Callable[[str], None] = lambda step: None,
        wrap: Callable[[ObjectStore], ObjectStore] = lambda store: store,
    ) -> None:
        path, kept = folder / "node.pem", folder / "store"
        self.scratch = folder / "scratch"
        kept.mkdir(parents=True, exist_ok=True)
        self.key = NodeKey.load(path) if path.exists() else NodeKey.create(path)
        self.objects = wrap(LocalObjectStore(folder / "objects"))
        self.store = MemoryStore(kept)
        self.catalogue = Shelf(PARCELS, TABLE)
        self.publisher = Publisher(self.objects, self.store, self.key, NODE, HeldClock(), self.scratch, checkpoint)
        self.versions = Versions(self.objects, self.store, self.key.public_bytes)

    async def start(self) -> Reconciled:
        """Do what a node does at its start."""
        await self.store.open()
        return await reconcile(self.objects, self.store, self.catalogue)

    async def publish(self, spool: Path, write_id: str, **changes: object) -> PublishOutcome:
        """Publish a spool of parcels."""
        words: dict[str, object] = {"message": "变更", "source": "test", "notes": {}, "progress": no_progress}
        collection: Collection = PARCELS
        return await self.publisher.publish(DATASET, collection, spool, write_id=write_id, **(words | changes))


async def publish_and_die(folder: Path, step: str, spool: Path, write_id: str) -> None:
    """Restart, publish, and be killed once `step` is done."""

    def die(done: str) -> None:
        if done == step:
            os.kill(os.getpid(), signal.SIGKILL)

    parts = Parts(folder, checkpoint=die)
    await parts.start()
    await parts.publish(spool, write_id)


def main() -> None:
    """Run from the command line."""
    folder, step, spool, write_id = sys.argv[1:]
    asyncio.run(publish_and_die(Path(folder), step, Path(spool), write_id))


if __name__ == "__main__":
    main()
