"""Nodes of a registry in a real etcd: one that is registered, one that follows the directory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from registry.directory import DirectoryOptions, EtcdDirectory
from registry.etcd import Etcd
from registry.session import Registration
from tests.support.etcd import EtcdServer
from tests.support.eventually import LONG_S
from tests.support.records import node_record

QUICK = DirectoryOptions(reconcile=1.0, doubt_seconds=3.0, cache=0.1)


def patient(etcd: EtcdServer) -> Etcd:
    """Return a client that waits for an etcd that is slow; one that is gone it finds out at once all the same."""
    return Etcd([etcd.endpoint], timeout=LONG_S)


@asynccontextmanager
async def registered(
    client: Etcd, node: str = "510000", instance: str = "one", started_ms: int = 1, ttl: int = 60
) -> AsyncIterator[Registration]:
    """A node that is registered until the end; its lease outlives a machine that stands still for less than `ttl` s."""
    registration = Registration(client, node_record(node, instance, started_ms), ttl)
    await registration.start()
    try:
        yield registration
    finally:
        await registration.close(LONG_S)


@asynccontextmanager
async def following(
    etcd: EtcdServer, cache: Path | None = None, options: DirectoryOptions = QUICK
) -> AsyncIterator[EtcdDirectory]:
    """A directory with a client of its own, as another node would have."""
    client = patient(etcd)
    directory = EtcdDirectory(client, cache, options)
    async with asyncio.timeout(LONG_S):
        await directory.start()
    try:
        yield directory
    finally:
        await directory.close()
        await client.close()
