"""The publishing node of a world of versions, which may be restarted, cut off, and have a bad disk."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path

from guotu.model.ports import FeatureStore
from node.clock import SystemClock
from sync.pointer import read_head
from sync.trust import trust
from sync.versions import dataset_record
from tests.support.power import PowerSwitch
from tests.support.publish_parts import Parts
from tests.support.replica_parts import Board, Peer
from tests.support.sync_samples import DATASET, NODE

MakeStore = Callable[[Path], FeatureStore]


def flipped(folder: Path, luck: random.Random, keys: Sequence[str] = ()) -> dict[Path, bytes]:
    """Flip a bit of one object of a node, as a bad disk does; returns what it was, nothing if there is none.

    `keys` are those of the objects that may be hit; all if there are none.
    """
    root = folder / "objects"
    files = sorted(
        path for path in (root / "objects").rglob("*.parquet") if not keys or str(path.relative_to(root)) in keys
    )
    if not files:
        return {}
    path = luck.choice(files)
    before = path.read_bytes()
    data = bytearray(before)
    data[luck.randrange(len(data))] ^= 1 << luck.randrange(8)
    path.write_bytes(data)
    return {path: before}


class JumpingClock(SystemClock):
    """The time of day as somebody sets it; the time that only goes forward is left alone."""

    def __init__(self) -> None:
        self.offset_ms = 0

    def now_ms(self) -> int:
        return super().now_ms() + self.offset_ms


class Owner:
    """The publishing node; making it again over its folder is a restart."""

    def __init__(self, folder: Path, board: Board, make_store: MakeStore) -> None:
        self.folder, self.board, self.switch = folder, board, PowerSwitch()
        (folder / "store").mkdir(parents=True, exist_ok=True)
        self.plain_store = make_store(folder / "store")
        guarded = self.switch.guard(self.plain_store)
        self.parts = Parts(folder, checkpoint=self.switch.checkpoint, wrap=self.switch.guard, store=guarded)
        self.peer: Peer | None = None
        self._damaged: dict[Path, bytes] = {}

    async def start(self) -> None:
        """Come up, as a node does, and show the head."""
        await self.parts.start()
        await trust(self.parts.objects, NODE, self.parts.key.public_bytes)
        await self.connect()
        await self.show()

    async def connect(self) -> None:
        """Serve peers, at a new address."""
        if self.peer is None:
            self.peer = Peer(self.parts.objects)
            await self.peer.__aenter__()
            self.board.node(NODE, self.peer.address, self.parts.key.public_bytes)

    async def disconnect(self) -> None:
        """Serve nobody any more."""
        if self.peer is not None:
            await self.peer.__aexit__()
            self.peer = None

    async def show(self) -> int:
        """Advertise the head; returns its number, 0 for none."""
        if await read_head(self.parts.objects, DATASET) is None:
            return 0
        manifest = (await self.parts.versions.read_manifest(DATASET)).manifest
        self.board.head(dataset_record(manifest))
        return manifest.version

    def damage(self, luck: random.Random, keys: Sequence[str] = ()) -> None:
        """Flip a bit of an object, one of `keys` if there are any; what it was is kept elsewhere."""
        for path, data in flipped(self.folder, luck, keys).items():
            self._damaged.setdefault(path, data)

    async def damage_head(self, luck: random.Random) -> None:
        """Flip a bit of an object of the newest version."""
        if await read_head(self.parts.objects, DATASET) is not None:
            manifest = (await self.parts.versions.read_manifest(DATASET)).manifest
            self.damage(luck, [item.key for item in manifest.objects])

    def mend(self) -> None:
        """Put damaged objects right from what was kept, but for those that have gone since."""
        for path, data in self._damaged.items():
            if path.exists():
                path.write_bytes(data)
        self._damaged.clear()

    async def stop(self) -> None:
        """Go, whatever state it is in."""
        await self.disconnect()
        await self.plain_store.close()
