"""A small world of versions: an owner that publishes, followers over real sockets, and all that befalls them."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from contextlib import nullcontext, suppress
from pathlib import Path

import pyarrow as pa

from guotu.model.errors import GuotuError, UnknownVersion
from node.care import areas_of, needs_by
from sync.garbage import Collector
from sync.load import Needs
from sync.pointer import read_head
from sync.publish import PublishOutcome
from sync.reach import NeedsOf, need_all
from sync.reconcile import reconcile
from sync.replica.area import Area
from sync.replica.record import list_records, read_record
from sync.replica.subscription import Subscription
from sync.retention import Retention
from tests.support.histories import Layer, publish_increment, publish_layer, rows_of
from tests.support.power import PowerCut, PowerSwitch
from tests.support.replica_mesh import box, inside
from tests.support.replica_parts import Board, Follower, same_rows
from tests.support.sync_samples import DATASET, NODE, HeldClock
from tests.support.world_owner import JumpingClock, MakeStore, Owner, flipped

FOLLOWERS = ("100000", "500000", "610000")
PARTIAL = "610000"
"""The follower that is limited to an area."""
AREAS = (box(100.5, 24.5, 108.5, 44.5), box(100.5, 24.5, 114.5, 36.5))
_SETTLE_S = 180.0
"""A peer that says nothing is waited for 15 s with each question, and planning asks one after the other."""
_MOMENT = 10
"""Looks at a follower after which one that waits for its next try has noticed what there is to notice."""


class World:
    """One owner, two followers of all and one of an area, and what was published, as the model has it."""

    def __init__(self, folder: Path, make_store: MakeStore) -> None:
        self.folder, self.make_store = folder, make_store
        self.board = Board()
        self.owner = Owner(folder / "owner", self.board, make_store)
        self.followers: dict[str, Follower] = {}
        self.switches: dict[str, PowerSwitch] = {}
        self.published: dict[int, Layer] = {}
        """What each version that was acknowledged, or found after a crash, must hold."""
        self.seen = dict.fromkeys(FOLLOWERS, 0)
        """The highest version that each follower ever had."""
        self.attempts = 0
        self.clock = JumpingClock()

    async def start(self) -> None:
        """Bring everybody up."""
        await self.owner.start()
        for name in FOLLOWERS:
            await self._follow(name)

    async def _follow(self, name: str) -> None:
        switch = self.switches[name] = PowerSwitch()
        folder = self.folder / name
        (folder / "store").mkdir(parents=True, exist_ok=True)
        follower = Follower(
            folder, self.board, checkpoint=switch.checkpoint, node=name, wrap=switch.guard,
            store=self.make_store(folder / "store"), clock=self.clock,
        )  # fmt: skip
        self.followers[name] = follower
        await follower.store.open()
        await reconcile(follower.objects, follower.store, name, await list_records(follower.objects))
        await follower.replicator.start()
        if not follower.replicator.subscriptions():
            await self.limit(name, AREAS[0] if name == PARTIAL else None)

    async def limit(self, name: str, area: Area | None) -> None:
        """Have a follower subscribe, or change its area."""
        with suppress(PowerCut):
            await self.followers[name].replicator.subscribe(Subscription("dltb", area=area))

    async def stop(self) -> None:
        """End everybody."""
        for name in FOLLOWERS:
            await self._end(name)
        await self.owner.stop()

    async def _end(self, name: str) -> None:
        follower = self.followers[name]
        with suppress(PowerCut):
            await follower.replicator.close()
        await follower.peers.close()
        with suppress(PowerCut):
            await follower.plain_store.close()

    # --- what happens

    @property
    def layer(self) -> Layer:
        """The rows of the newest version."""
        return self.published[max(self.published)] if self.published else {}

    async def publish(self, after: Layer, increment: bool, cut_after: int | None = None) -> None:
        """Publish; the power may be cut on the way, and then the owner comes up again."""
        self.attempts += 1
        before, number = self.layer, max(self.published, default=0)
        if cut_after is not None:
            self.owner.switch.arm(cut_after)
        try:
            outcome = await self._publish(before, after, increment and number > 0)
            assert outcome.published == (before != after or number == 0), "a change was missed, or made up"
            assert outcome.manifest is not None
            self.published[outcome.manifest.version] = dict(after)
            self.owner.switch.disarm()
        except PowerCut:
            await self.restart_owner()
            head = await read_head(self.owner.parts.objects, DATASET)
            found = head.pointer.version if head else 0
            assert found in (number, number + 1), f"the head went from {number} to {found}"
            if found > number:
                self.published[found] = dict(after)
        await self.owner.show()
        self.nudge()

    async def _publish(self, before: Layer, after: Layer, increment: bool) -> PublishOutcome:
        write_id = f"write-{self.attempts:06d}"
        if increment:
            return await publish_increment(self.owner.parts, self.folder, before, after, write_id)
        return await publish_layer(self.owner.parts, self.folder, after, write_id)

    async def restart_owner(self) -> None:
        """Let the owner come up again on what is on its disk, after somebody looked at the disk."""
        await self.owner.stop()
        self.owner.mend()
        self.owner = Owner(self.folder / "owner", self.board, self.make_store)
        await self.owner.start()

    async def restart(self, name: str) -> None:
        """Let a follower come up again on what is on its disk."""
        await self._end(name)
        await self._follow(name)

    async def settle(self, name: str) -> None:
        """Give a follower time until it stands still: current, stuck, waiting or without power."""
        follower = self.followers[name]
        follower.replicator.changed()
        for turn in range(200):
            status = follower.status()
            still = status is None or status.state in ("current", "stuck", "waiting")
            waits = status is not None and status.next_try_ms > 0 and turn > _MOMENT
            if self.switches[name].off or waits or (still and (status is None or status.version == status.head)):
                break
            await asyncio.sleep(0.002)
        if self.switches[name].off:
            await self.restart(name)

    def nudge(self) -> None:
        """Have all followers look at the directory now."""
        for follower in self.followers.values():
            follower.replicator.changed()

    async def collect(self, name: str) -> None:
        """Collect garbage without any grace, at the owner or a follower."""
        relied_on: Callable[[], set[str]]
        needs_of: NeedsOf
        if name == NODE:
            parts = self.owner.parts
            between, objects, store = parts.publisher.between, parts.objects, parts.store
            relied_on, needs_of = set, _all_of
        else:
            follower = self.followers[name]
            between, objects, store = nullcontext, follower.objects, follower.store
            relied_on, needs_of = follower.replicator.relied_on, needs_by(areas_of(follower.replicator, name))
        collector = Collector(objects, store, HeldClock(), Retention(keep=2), 0.0, between, relied_on, needs_of)
        with suppress(GuotuError, PowerCut):
            await collector.collect()
            await collector.collect()

    def damage(self, name: str, luck: random.Random) -> None:
        """Flip a bit of one object of the owner or a follower."""
        if name == NODE:
            self.owner.damage(luck)
        else:
            flipped(self.folder / name, luck)

    async def lie(self, after: Layer, luck: random.Random) -> None:
        """Publish; when followers come for it, a bit of it has flipped, and they see others than was signed."""
        await self.owner.disconnect()
        await self.publish(after, increment=True)
        await self.owner.damage_head(luck)
        await self.owner.connect()
        await asyncio.gather(*(self.settle(name) for name in FOLLOWERS))

    async def heal(self) -> None:
        """Put the owner's disk and the network right; who would not ask it any more begins anew."""
        self.owner.mend()
        await self.owner.connect()
        for name, follower in self.followers.items():
            status = follower.status()
            if status is not None and status.quarantined:
                await self.restart(name)
        self.nudge()

    def jump(self, jump_ms: int) -> None:
        """Set all clocks forward or back."""
        self.clock.offset_ms += jump_ms
        self.nudge()

    # --- what must hold

    async def check(self) -> None:
        """Check every follower: its rows are those of the version that it says, and it never goes back."""
        for name in FOLLOWERS:
            try:
                await self._check(name)
            except PowerCut:
                await self.restart(name)
                await self._check(name)
        head = await read_head(self.owner.parts.objects, DATASET)
        found = head.pointer.version if head else 0
        assert found == max(self.published, default=0), f"an acknowledged version is lost: {found}"

    async def _check(self, name: str) -> None:
        version, area, found = await self._standing(name)
        assert version >= self.seen[name], f"{name} went back from {self.seen[name]} to {version}"
        self.seen[name] = version
        if version and found is not None:
            expected = rows_of(self.published[version])
            limits = [item for item in AREAS if item.fingerprint == area]
            assert bool(limits) == (name == PARTIAL)
            if limits and len(expected):
                expected = inside(expected, limits[0])
            same = same_rows(found, expected) if len(expected) else not len(found)
            assert same, f"{name} does not hold version {version}"

    async def _standing(self, name: str) -> tuple[int, str, pa.Table | None]:
        """Return a follower's version, its area as noted, and the rows of just these, however busy it is moving on.

        There are no rows while those of another area take their place.
        """
        while True:
            version, area = await self._noted(name)
            try:
                found = await self.followers[name].rows() if version else None
            except UnknownVersion:
                assert name == PARTIAL, f"{name} cannot read version {version}"
                found = None
            if await self._noted(name) == (version, area):
                return version, area, found

    async def _noted(self, name: str) -> tuple[int, str]:
        record = await read_record(self.followers[name].objects, DATASET)
        return await self.version_of(name), record.area if record else ""

    async def version_of(self, name: str) -> int:
        """Return the version that a follower's head stands at."""
        head = await read_head(self.followers[name].objects, DATASET)
        return head.pointer.version if head else 0

    async def end_well(self) -> None:
        """Heal everything: all followers must come to hold the head, in bounded time."""
        self.owner.mend()
        await self.owner.connect()
        head = await self.owner.show()
        for name in FOLLOWERS:
            await self.restart(name)
        for name in FOLLOWERS:
            if head:
                await self.followers[name].reaches(head, within=_SETTLE_S)
        await self.check()
        if head:
            assert {await self.version_of(name) for name in FOLLOWERS} == {head}


def _all_of(dataset: str) -> Needs:
    """Return what tells which objects the owner needs of a dataset."""
    return need_all
