"""Registration: a node's place in the registry, kept as long as the process lives, whatever etcd goes through."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from dataclasses import dataclass
from enum import StrEnum

import structlog

from guotu.model.errors import IdentityTaken, RegistryUnavailable
from guotu.model.records import DatasetRecord, NodeRecord, ReplicaRecord
from registry.advertiser import Advertised, Advertiser
from registry.claim import Claim
from registry.etcd import Etcd
from registry.replica_advertiser import ReplicaAdvertiser

_log = structlog.get_logger(__name__)
_AUDIT = 60.0
"""Seconds between looks whether the registry still has all records."""


class Phase(StrEnum):
    """How a registration stands."""

    STARTING = "starting"
    REGISTERED = "registered"
    LOST = "lost"
    """etcd does not answer or has lost the lease; the node tries to register again."""
    TAKEN = "taken"
    """Another process has the node's id now; the node waits until it is free."""
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class RegistrationState:
    """A registration at one moment, for metrics and status pages."""

    phase: Phase
    since_ms: int
    """When the phase began, milliseconds since 1970-01-01 UTC."""
    datasets_due: int
    """Dataset records that wait to be written."""
    detail: str = ""
    """What went wrong, for LOST and TAKEN."""
    replicas_due: int = 0
    """Replica records that wait to be written or removed."""


class Registration:
    """Claims `nodes/<id>`, keeps it alive, and brings it and the node's dataset and replica records back by itself."""

    def __init__(self, etcd: Etcd, record: NodeRecord, ttl: int = 5) -> None:
        """Take the client (which stays the caller's to close), what to register, and the lease's seconds."""
        self._etcd = etcd
        self._node = record.node
        self._ttl = ttl
        self._claim = Claim(etcd, record, ttl)
        self._advertiser = Advertiser(etcd, record.node)
        self._replicas = ReplicaAdvertiser(etcd, record.node)
        self._rewriting = asyncio.Lock()
        self._phase = (Phase.STARTING, time.time_ns() // 1_000_000, "")
        self._task: asyncio.Task[None] | None = None

    @property
    def state(self) -> RegistrationState:
        """Return how it stands."""
        phase, since_ms, detail = self._phase
        return RegistrationState(phase, since_ms, self._advertiser.due, detail, len(self._replicas.due))

    async def start(self) -> None:
        """Register, and keep it so from now on; with etcd away it registers when etcd is back.

        The key of an earlier process on the same data directory is taken over at once; another's is waited for, its
        lease and a second.

        Raises:
            IdentityTaken: another node holds the id.
        """
        try:
            await self._claim.take(self._ttl + 1.0, over_own=True)
            self._enter(Phase.REGISTERED)
            await self._write_due()
        except RegistryUnavailable as failure:
            self._enter(Phase.LOST, str(failure.facts["detail"]))
        self._task = asyncio.create_task(self._keep())

    async def close(self, timeout: float = 1.0) -> None:
        """Give the registration up; takes no longer than about `timeout` seconds, etcd or not."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        await self._claim.release(timeout)
        self._enter(Phase.CLOSED)

    async def change(self, record: NodeRecord) -> Advertised:
        """Register another record of the same node in the place of the one before; never raises for an absent etcd.

        Raises:
            ValueError: it is of another node.
        """
        self._claim.change(record)
        with contextlib.suppress(RegistryUnavailable):
            await self._write_due()
        return Advertised.QUEUED if self._claim.due or not self._claim.held else Advertised.STORED

    async def put_dataset(self, record: DatasetRecord) -> Advertised:
        """Advertise a dataset's head version; never moves a dataset back, never raises for an absent etcd.

        Raises:
            ValueError: the dataset is not this node's.
        """
        if not self._advertiser.add(record):
            return Advertised.SUPERSEDED
        if not self._claim.held:
            return Advertised.QUEUED
        try:
            return await self._advertiser.write(record.dataset, self._claim.fence)
        except RegistryUnavailable:
            return Advertised.QUEUED

    async def put_replica(self, record: ReplicaRecord) -> Advertised:
        """Advertise a replica on the node's lease, with which it goes and comes back; never raises for an absent etcd.

        Raises:
            ValueError: the replica is not this node's.
        """
        self._replicas.add(record)
        return await self._write_replica(record.dataset)

    async def drop_replica(self, dataset: str) -> Advertised:
        """Take a replica's record out of the registry, now or as soon as etcd answers.

        Raises:
            ValueError: it is not a dataset id.
        """
        self._replicas.remove(dataset)
        return await self._write_replica(dataset)

    async def _write_replica(self, dataset: str) -> Advertised:
        with contextlib.suppress(RegistryUnavailable):
            await self._replicas.write_due(self._claim)
        return Advertised.QUEUED if dataset in self._replicas.due else Advertised.STORED

    async def _write_due(self) -> None:
        """Write all records that wait, as long as the claim is held."""
        async with self._rewriting:  # of two at a time one would find the key changed, and take its claim for lost
            if self._claim.due:
                await self._claim.rewrite()
        await self._advertiser.write_due(self._claim)
        await self._replicas.write_due(self._claim)

    def _all_due(self) -> None:
        """Have all records looked at again."""
        self._advertiser.all_due()
        self._replicas.all_due()

    async def _keep(self) -> None:
        """Keep the claim for ever: refresh it, look after it, take it again."""
        failures, verified, audited = 0, time.monotonic(), time.monotonic()
        while True:
            await asyncio.sleep(self._pause(failures))
            try:
                held = self._claim.held and await self._claim.refresh()
                if held and (failures or time.monotonic() - verified > self._ttl):
                    held, verified = await self._claim.verify(), time.monotonic()
                if not held:
                    await self._again()
                if time.monotonic() - audited > _AUDIT:
                    self._all_due()
                    audited = time.monotonic()
                self._enter(Phase.REGISTERED)
                await self._write_due()
                failures = 0
            except IdentityTaken as failure:
                failures += 1
                self._enter(Phase.TAKEN, failure.english)
            except RegistryUnavailable as failure:
                failures += 1
                if not self._claim.held or self._claim.expired():
                    self._enter(Phase.LOST, str(failure.facts["detail"]))

    async def _again(self) -> None:
        """Take the claim again and have all records looked at."""
        self._all_due()
        if self._phase[0] is Phase.REGISTERED:
            self._enter(Phase.LOST, "租约已失效 the lease is gone")
        await self._claim.take(0.0, over_own=False)

    def _pause(self, failures: int) -> float:
        """Return seconds to wait: a third of the lease, less after the first failures, never all nodes the same."""
        regular = self._ttl / 3
        return random.uniform(0.8, 1.0) * (min(regular, 0.2 * failures) if failures else regular)

    def _enter(self, phase: Phase, detail: str = "") -> None:
        if phase is self._phase[0]:
            return
        self._phase = (phase, time.time_ns() // 1_000_000, detail)
        log = _log.info if phase in (Phase.REGISTERED, Phase.CLOSED) else _log.warning
        log("registration", node=self._node, phase=phase.value, detail=detail)
