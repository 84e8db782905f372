"""A claim: the key `nodes/<id>` held on a lease, by one process at a time."""

from __future__ import annotations

import asyncio
import contextlib
import time

from guotu.model.errors import IdentityTaken, RegistryUnavailable
from guotu.model.records import NodeRecord
from guotu.wire.records import node_from_bytes, node_to_bytes
from registry.etcd import Etcd
from registry.etcd_values import Compare, Pair, Put
from registry.keys import node_key

_POLL = 0.25
"""Seconds between looks at a key that somebody else holds."""


class Claim:
    """Takes and holds one node's key; every method raises RegistryUnavailable if etcd does not answer."""

    def __init__(self, etcd: Etcd, record: NodeRecord, ttl: int) -> None:
        """Take the record to register and the seconds that it outlives this process."""
        self._etcd = etcd
        self._record = record
        self._ttl = ttl
        self._key = node_key(record.node)
        self._lease = 0
        self._lease_until = 0.0
        self._written: NodeRecord | None = None
        self.fence = 0
        """Revision at which this claim wrote the key, 0 while it is not held: the condition of other writes."""

    @property
    def lease(self) -> int:
        """Return the lease that the key stands on, for what shall go with it; 0 for none."""
        return self._lease

    @property
    def held(self) -> bool:
        """Tell whether the key is held, as far as is known."""
        return self.fence > 0

    async def take(self, patience: float, over_own: bool) -> None:
        """Take the key, waiting as long as `patience` seconds for another's to expire.

        `over_own`: also from an earlier process on the same data directory (same instance), which must be gone.

        Raises:
            IdentityTaken: somebody else has it.
        """
        deadline = time.monotonic() + patience
        while True:
            found = await self._etcd.get(self._key)
            holder = None if found is None else _holder(found)
            if holder is None or self._may_replace(holder, over_own):
                if await self._put(found):
                    return
            elif time.monotonic() + _POLL > deadline:
                raise IdentityTaken(node=self._record.node, address=holder.address)
            await asyncio.sleep(_POLL)

    @property
    def due(self) -> bool:
        """Tell whether the key is held with another record than the present one."""
        return self.held and self._written is not self._record

    def change(self, record: NodeRecord) -> None:
        """Take what is to be registered from now on; `rewrite` writes it.

        Raises:
            ValueError: it is of another node, or of another process.
        """
        if (record.node, record.instance) != (self._record.node, self._record.instance):
            raise ValueError(f"the record of {record.node} cannot take the place of that of {self._record.node}")
        self._record = record

    async def rewrite(self) -> None:
        """Write the present record in the place of the one before, if the key is still this claim's."""
        found = await self._etcd.get(self._key)
        if found is None or found.lease != self._lease:
            self.fence = 0
        else:
            await self._put(found)

    async def refresh(self) -> bool:
        """Keep the lease alive; False, and the claim is lost, if it is gone."""
        asked = time.monotonic()
        ttl = await self._etcd.keep_alive(self._lease, self._ttl / 3)
        self._lease_until = asked + ttl
        if ttl <= 0:
            self.fence = self._lease = 0
        return ttl > 0

    async def verify(self) -> bool:
        """Look whether the key is still there on this lease; False, and the claim is lost, if not."""
        found = await self._etcd.get(self._key)
        if found is None or found.lease != self._lease:
            self.fence = 0
        return self.held

    def expired(self) -> bool:
        """Tell whether, by this machine's clock, the lease has run out unless etcd says otherwise."""
        return time.monotonic() > self._lease_until

    async def release(self, timeout: float) -> None:
        """Give the key up at once, or leave it to its lease if etcd does not answer in time."""
        lease, self._lease, self.fence = self._lease, 0, 0
        if lease:
            with contextlib.suppress(RegistryUnavailable, TimeoutError):
                async with asyncio.timeout(timeout):
                    await self._etcd.revoke(lease, timeout)

    def _may_replace(self, holder: NodeRecord, over_own: bool) -> bool:
        """Tell whether a key is this process's own, or left by one that ran on its data directory before."""
        same = holder.instance == self._record.instance
        return same and (over_own or holder.started_ms == self._record.started_ms)

    async def _put(self, found: Pair | None) -> bool:
        """Write the record on a live lease if the key is still as it was found."""
        if not self._lease or not await self.refresh():
            asked = time.monotonic()
            self._lease = await self._etcd.grant(self._ttl)
            self._lease_until = asked + self._ttl
        seen = Compare(self._key, found.mod_revision if found else 0)
        record = self._record
        put = Put(self._key, node_to_bytes(record), self._lease)
        self.fence = await self._etcd.transact([seen], [put])
        self._written = record if self.held else None
        return self.held


def _holder(found: Pair) -> NodeRecord | None:
    """Return who holds the key; None if the value is not a record, which keeps nobody out."""
    try:
        return node_from_bytes(found.value)
    except ValueError:
        return None
