"""The node's replication: what is made of the configuration, and what its metrics tell."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from guotu.model.ports import Clock, Directory, FeatureStore, Holder, ObjectStore
from node.config.version_sections import ReplicationSection
from node.holdings import Holdings
from node.membership import Membership
from sync.commit import Checkpoint
from sync.replica.bandwidth import Bandwidth
from sync.replica.fetch import ObjectFetcher
from sync.replica.hours import Hours
from sync.replica.replicator import Replicator
from sync.replica.site import Announce, Site
from sync.replica.sources import Quarantine, Sources
from sync.replica.transfer import Limits

_MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class ReplicationNumbers:
    """What metrics tell of replication."""

    fetched_bytes: int
    """Since the node started, good or bad."""
    states: dict[str, int]
    """How many replicas are in each state."""
    versions: dict[str, int]
    """Version held, by dataset."""
    lag_seconds: dict[str, float]
    """How long each replica has been behind, by dataset; 0 if it is not."""
    quarantined: int
    """Peers not asked at the moment because they served bad bytes."""


class Replication:
    """The replicator and what it was made with."""

    def __init__(self, replicator: Replicator, site: Site, limits: Limits) -> None:
        self.replicator = replicator
        self.site = site
        self._limits = limits

    def numbers(self) -> ReplicationNumbers:
        """Return the numbers of this moment."""
        statuses = self.replicator.status()
        return ReplicationNumbers(
            fetched_bytes=self._limits.fetched_bytes,
            states=dict(Counter(item.state for item in statuses)),
            versions={item.dataset: item.version for item in statuses},
            lag_seconds={item.dataset: item.lag_ms / 1000 for item in statuses},
            quarantined=len(self._limits.quarantine.reasons()),
        )


def announce_to(holdings: Holdings, membership: Membership) -> Announce:
    """Return whom replicas are told to: the node's own holdings, then the registry."""

    async def dropped(dataset: str) -> None:
        holdings.drop_replica(dataset)
        await membership.withdraw_replica(dataset)

    return Announce(holdings.put_replica, membership.advertise_replica, dropped)


def make_replication(
    node: str,
    section: ReplicationSection,
    *,
    directory: Directory,
    holder: Holder,
    objects: ObjectStore,
    store: FeatureStore,
    clock: Clock,
    partial: Path,
    announce: Announce,
    checkpoint: Checkpoint = lambda step: None,
) -> Replication:
    """Make a node's replication; `partial` is a folder of its own, kept over restarts. Call it in the event loop.

    Raises:
        InvalidQuestion: the configured hours are none.
    """
    quarantine = Quarantine(clock)
    bandwidth = Bandwidth(clock, section.bandwidth_mib_s * _MIB)
    limits = Limits(holder, clock, quarantine, bandwidth, at_once=section.fetches)
    site = Site(
        node=node,
        objects=objects,
        store=store,
        clock=clock,
        sources=Sources(directory, node, quarantine),
        fetcher=ObjectFetcher(limits, objects, partial, checkpoint),
        announce=announce,
        turns=asyncio.Semaphore(section.datasets),
        checkpoint=checkpoint,
    )
    return Replication(Replicator(site, directory, partial, Hours.parse(section.hours)), site, limits)
