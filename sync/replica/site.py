"""Site: what all replicas of a node share."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from guotu.model.ports import Clock, FeatureStore, ObjectStore
from guotu.model.records import DatasetRecord, ReplicaRecord
from sync.commit import Checkpoint
from sync.replica.fetch import ObjectFetcher
from sync.replica.sources import Sources


@dataclass(frozen=True, slots=True)
class Announce:
    """What the node is told of its replicas."""

    held: Callable[[DatasetRecord], None]
    """A whole replica can be answered from at this version."""
    advertise: Callable[[ReplicaRecord], Awaitable[None]]
    """The mesh may know of this replica."""
    dropped: Callable[[str], Awaitable[None]]
    """The replica of this dataset can be answered from no more; neither the node nor the mesh may count on it."""


@dataclass(frozen=True, slots=True)
class Site:
    """A node's parts for replicas."""

    node: str
    objects: ObjectStore
    store: FeatureStore
    clock: Clock
    sources: Sources
    fetcher: ObjectFetcher
    announce: Announce
    turns: asyncio.Semaphore
    """As many as replicas are brought up to date at once."""
    checkpoint: Checkpoint
    """Told the name of each durable step once it is done."""
