"""The parts of a publisher for tests, and a process that is killed while it starts or publishes.

`python -m tests.support.publish_parts FOLDER STEP [SPOOL WRITE_ID]` starts, publishes, and kills itself at a step.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa

from guotu.model.collection import Collection
from guotu.model.ports import FeatureStore, ObjectStore
from guotu.model.schema import arrow_schema
from sync.objects.local import LocalObjectStore
from sync.publication import Tell, tell_nobody
from sync.publish import Attempt, Publisher, PublishOutcome
from sync.reconcile import Reconciled, reconcile
from sync.signing import NodeKey
from sync.stages import Progress
from sync.versions import Versions
from tests.support.memory_store import MemoryStore
from tests.support.sync_samples import DATASET, NODE, PARCELS, HeldClock, no_progress


class Parts:
    """One node's parts over a folder; making them again is a restart."""

    def __init__(
        self,
        folder: Path,
        *,
        checkpoint: Callable[[str], None] = lambda step: None,
        wrap: Callable[[ObjectStore], ObjectStore] = lambda store: store,
        store: FeatureStore | None = None,
    ) -> None:
        path, kept = folder / "node.pem", folder / "store"
        self.scratch = folder / "scratch"
        kept.mkdir(parents=True, exist_ok=True)
        self.key = NodeKey.load(path) if path.exists() else NodeKey.create(path)
        self.objects = wrap(LocalObjectStore(folder / "objects"))
        self.store = store or MemoryStore(kept)
        self.publisher = Publisher(self.objects, self.store, self.key, NODE, HeldClock(), self.scratch, checkpoint)
        self.versions = Versions(self.objects, self.store)
        self._checkpoint = checkpoint

    async def start(self) -> Reconciled:
        """Do what a node does at its start."""
        await self.store.open()
        return await reconcile(self.objects, self.store, NODE, checkpoint=self._checkpoint)

    async def publish(
        self,
        spool: Path,
        write_id: str,
        *,
        dataset: str = DATASET,
        collection: Collection = PARCELS,
        progress: Progress = no_progress,
        tell: Tell = tell_nobody,
        **changes: object,
    ) -> PublishOutcome:
        """Publish a spool, of parcels unless said otherwise."""
        words: dict[str, object] = {"message": "变更", "source": "test"}
        attempt = Attempt(dataset, collection, spool, write_id=write_id, **(words | changes))  # type: ignore[arg-type]
        return await self.publisher.publish(attempt, progress, tell)

    async def rows(self, version: int, collection: Collection = PARCELS) -> pa.Table:
        """Return the rows of a version, in curve order."""
        stored = self.store.stored(f"{NODE}/{collection.id}", version, collection)
        schema = arrow_schema(collection)
        batches = [batch.select(schema.names) async for batch in stored]
        return pa.concat_tables(
            [pa.Table.from_batches([batch]).cast(schema) for batch in batches] or [schema.empty_table()]
        )


async def live_and_die(folder: Path, step: str, *publish: str) -> None:
    """Restart, publish a spool, and be killed once `step` is done."""

    def die(done: str) -> None:
        if done == step:
            os.kill(os.getpid(), signal.SIGKILL)

    parts = Parts(folder, checkpoint=die)
    await parts.start()
    if publish:
        spool, write_id = publish
        await parts.publish(Path(spool), write_id)


def main() -> None:
    """Run from the command line."""
    folder, step, *publish = sys.argv[1:]
    asyncio.run(live_and_die(Path(folder), step, *publish))


if __name__ == "__main__":
    main()
