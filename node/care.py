"""Care of what the node keeps: verifying it, pinning versions, collecting garbage."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from guotu.model.division import split_dataset
from guotu.model.errors import GuotuError, InvalidQuestion, Unavailable
from guotu.model.ports import Clock, FeatureStore, ObjectStore
from sync.garbage import Collected, Collector, Turn
from sync.load import Needs
from sync.manifest import ObjectRef
from sync.objects_check import Refetch
from sync.pins import Pin, pin, unpin
from sync.reach import NeedsOf, need_all
from sync.replica.area import Area, fingerprint_of
from sync.replica.record import read_record
from sync.replica.replicator import Replicator
from sync.replica.site import Site
from sync.replica.subscription import choose
from sync.retention import Retention, retain
from sync.verify import Held, Progress, Verification, Verifier

AreaOf = Callable[[str], Area | None]
"""Returns the area that a dataset's rows are limited to here; None if all are held."""
MAX_REASON = 1_000
_MOST_BETWEEN_S = 3600.0
_LEAST_BETWEEN_S = 60.0
_log = structlog.get_logger(__name__)


def refetch_by(site: Site) -> Refetch:
    """Return what gets an object anew from whoever holds any version of its dataset."""

    async def refetch(dataset: str, item: ObjectRef) -> bool:
        try:
            await site.fetcher.fetch(
                item, lambda: site.sources.of(dataset, 1), lambda octets: None, site.sources.quarantine.put
            )
        except GuotuError as failure:
            _log.warning("object_not_refetched", dataset=dataset, object=item.key, detail=failure.english)
            return False
        return True

    return refetch


def areas_of(replicator: Replicator, node: str) -> AreaOf:
    """Return what tells the area of a replica by its subscription."""

    def area_of(dataset: str) -> Area | None:
        wish = choose(replicator.subscriptions(), dataset, node)
        return None if wish is None else wish.area

    return area_of


def needs_by(area_of: AreaOf) -> NeedsOf:
    """Return what tells which objects a dataset's replica has, by its area."""

    def needs_of(dataset: str) -> Needs:
        area = area_of(dataset)
        return need_all if area is None else area.needs

    return needs_of


class CareDesk:
    """Does for the operator what keeps stored versions sound."""

    def __init__(
        self,
        objects: ObjectStore,
        store: FeatureStore,
        clock: Clock,
        collector: Collector,
        retention: Retention,
        turn: Turn,
        area_of: AreaOf = lambda dataset: None,
        refetch: Refetch | None = None,
        node: str = "",
    ) -> None:
        """Set the parts; `turn` keeps publishes out, `refetch` gets objects from peers; `node` owns its datasets."""
        self._objects = objects
        self._store = store
        self._clock = clock
        self._collector = collector
        self._retention = retention
        self._turn = turn
        self._area_of = area_of
        self._refetch = refetch
        self._node = node

    async def verify(self, dataset: str, repair: bool, progress: Progress) -> Verification:
        """Look at all that is stored of a dataset's head, and put it right if asked; see `sync.verify`.

        Raises:
            InvalidQuestion: that is no dataset id.
            UnknownDataset: the node does not hold it.
            Unavailable: the replica is being limited to another area.
        """
        owner = _check(dataset)
        area = self._area_of(dataset)
        record = await read_record(self._objects, dataset)
        if record is not None and record.area != fingerprint_of(area):
            raise Unavailable(detail=f"{dataset} 的副本正在改换范围 the replica is being limited to another area")
        own = record is None and owner == (self._node or owner)
        held = Held(own=own) if area is None else Held(area.keep, area.needs, own)
        return await Verifier(self._objects, self._store, held, self._refetch, progress).verify(dataset, repair)

    async def pin(self, dataset: str, version: int, pinned: bool, reason: str) -> bool:
        """Pin a version, or let it go; tells whether that changed anything.

        Raises:
            InvalidQuestion: that is no dataset id, or the reason is too long.
            UnknownVersion: the version is not retained.
        """
        _check(dataset)
        if len(reason) > MAX_REASON:
            raise InvalidQuestion(part="reason", detail=f"{len(reason)} > {MAX_REASON}")
        async with self._turn():
            if not pinned:
                return await unpin(self._objects, dataset, version)
            return await pin(self._objects, Pin(dataset, version, reason, self._clock.now_ms()))

    async def collect(self, dry_run: bool) -> Collected:
        """Let versions go, mark and sweep; see `sync.garbage`."""
        return await self._collector.collect(dry_run)

    async def retain(self) -> None:
        """Let versions go that the policy does not keep."""
        async with self._turn():
            await retain(self._objects, self._store, self._retention, self._clock.now_ms())

    async def tend(self, grace_s: float) -> None:
        """Collect garbage every hour, or oftener if the grace period is short, until cancelled."""
        while True:
            await asyncio.sleep(min(max(grace_s / 4, _LEAST_BETWEEN_S), _MOST_BETWEEN_S))
            try:
                await self.collect(dry_run=False)
            except GuotuError as failure:
                _log.error("garbage_not_collected", reason=failure.reason, detail=failure.english)


def _check(dataset: str) -> str:
    """Return the owner of a dataset."""
    try:
        return split_dataset(dataset)[0]
    except ValueError as failure:
        raise InvalidQuestion(part="dataset", detail=str(failure)) from failure
