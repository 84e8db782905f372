"""The etcd client: a few typed calls with a bound on each, over one of several endpoints.

Stubs come from `aetcd`; channels from `guotu.wire`, so that sizes, keepalive and TLS are the same everywhere. The
client class of aetcd cannot page, read at a revision, use TLS, or tell a fragment of a watch response from a whole.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from aetcd import rpc

from guotu.model.errors import InvalidConfig, RegistryUnavailable
from guotu.wire.endpoint import TlsFiles, async_channel
from registry.etcd_values import (
    Compacted,
    Compare,
    Delete,
    Event,
    Header,
    Page,
    Pair,
    Put,
    WatchBatch,
    compare_of,
    header_of,
    operation_of,
    pair_of,
    watch_request,
)
from registry.keys import ROOT, prefix_end

PAGE = 500
"""Keys with values in one page: well below etcd's and gRPC's message limits for values of a few KiB."""
KEYS_PAGE = 5_000
"""Keys without values in one page."""

MANY = 100
"""Keys in one transaction; etcd takes 128 operations as it comes."""


class _Connection:
    """Stubs of one endpoint, and the watches that run over it."""

    def __init__(self, endpoint: str, tls: TlsFiles | None) -> None:
        self.channel = async_channel(endpoint, tls)
        self.kv = rpc.KVStub(self.channel)
        self.leases = rpc.LeaseStub(self.channel)
        self.watches = rpc.WatchStub(self.channel)
        self.running: set[Any] = set()


class Etcd:
    """A client of one etcd cluster.

    A call that fails moves the client on to the next endpoint and breaks its watches off; callers try again. Every call
    raises RegistryUnavailable if etcd does not do it within the timeout.
    """

    def __init__(self, endpoints: Sequence[str], tls: TlsFiles | None = None, timeout: float = 3.0) -> None:
        """Take "host:port" addresses (a scheme is dropped), TLS files, and the bound of one call in seconds.

        Raises:
            InvalidConfig: no endpoint is given.
        """
        if not endpoints:
            raise InvalidConfig(source="registry.endpoints", detail="至少需要一个地址 at least one address is needed")
        self._endpoints = tuple(item.split("://")[-1].rstrip("/") for item in endpoints)
        self._tls = tls
        self._timeout = timeout
        self._position = 0
        self._connections: dict[int, _Connection] = {}

    @property
    def endpoints(self) -> str:
        """Return the endpoints for people."""
        return ", ".join(self._endpoints)

    @property
    def endpoint_count(self) -> int:
        """Return how many endpoints there are."""
        return len(self._endpoints)

    async def close(self) -> None:
        """Drop all connections; running calls end."""
        connections, self._connections = self._connections, {}
        for connection in connections.values():
            await connection.channel.close()

    async def wait_ready(self, timeout: float, on_wait: Callable[[str], None] | None = None) -> Header:
        """Wait until etcd answers; `on_wait` hears each time it did not what is amiss.

        Raises:
            RegistryUnavailable: it did not within `timeout` seconds.
        """
        deadline = asyncio.get_running_loop().time() + timeout
        while True:
            try:
                return await self.probe(min(1.0, timeout))
            except RegistryUnavailable as failure:
                if asyncio.get_running_loop().time() + 0.25 > deadline:
                    raise
                if on_wait is not None:
                    on_wait(
                        f"等待注册中心 etcd（{self.endpoints}） waiting for the registry: {failure.facts['detail']}"
                    )
            await asyncio.sleep(min(1.0, max(0.0, deadline - asyncio.get_running_loop().time())))

    async def probe(self, timeout: float | None = None, revision: int = 0) -> Header:
        """Ask the cluster (a linearizable read, so a majority) for its identity and present revision.

        Raises:
            Compacted: it cannot tell what follows `revision`, because that is gone or not yet there.
        """
        request = rpc.RangeRequest(key=ROOT, count_only=True, revision=revision)
        return header_of(await self._kv("Range", request, timeout))

    async def get(self, key: bytes) -> Pair | None:
        """Return a key's pair; None if there is no such key."""
        response = await self._kv("Range", rpc.RangeRequest(key=key))
        return pair_of(response.kvs[0]) if response.kvs else None

    async def get_many(self, keys: Sequence[bytes]) -> list[Pair]:
        """Return the pairs of those keys that exist; at most `MANY` keys at a time."""
        reads = [rpc.RequestOp(request_range=rpc.RangeRequest(key=key)) for key in keys]
        response = await self._kv("Txn", rpc.TxnRequest(success=reads))
        return [pair_of(item) for answer in response.responses for item in answer.response_range.kvs]

    async def pages(self, prefix: bytes, revision: int = 0, keys_only: bool = False) -> AsyncIterator[Page]:
        """Yield all pairs under `prefix` in key order as they were at `revision` (0: now, the same for all pages).

        Raises:
            Compacted: that revision is gone.
        """
        start, end = prefix, prefix_end(prefix)
        limit = KEYS_PAGE if keys_only else PAGE
        more = True
        while more:
            request = rpc.RangeRequest(key=start, range_end=end, limit=limit, revision=revision, keys_only=keys_only)
            response = await self._kv("Range", request)
            header = header_of(response)
            revision = revision or header.revision
            yield Page(Header(header.cluster, revision), [pair_of(item) for item in response.kvs])
            more = response.more
            if more:
                start = response.kvs[-1].key + b"\0"

    async def transact(self, compares: Sequence[Compare], operations: Sequence[Put | Delete]) -> int:
        """Do all operations if all conditions hold; returns the revision of the change, 0 if they did not hold."""
        request = rpc.TxnRequest(
            compare=[compare_of(item) for item in compares], success=[operation_of(item) for item in operations]
        )
        response = await self._kv("Txn", request)
        return int(response.header.revision) if response.succeeded else 0

    async def grant(self, ttl: int) -> int:
        """Return a new lease that lives `ttl` seconds unless kept alive."""
        response = await self._unary(lambda link: link.leases.LeaseGrant, rpc.LeaseGrantRequest(TTL=ttl))
        return int(response.ID)

    async def keep_alive(self, lease: int, timeout: float | None = None) -> int:
        """Refresh a lease; returns the seconds it now has, 0 if there is no such lease any more."""
        link = self._connection()
        request = rpc.LeaseKeepAliveRequest(ID=lease)
        call = link.leases.LeaseKeepAlive(iter([request]), timeout=timeout or self._timeout)
        try:
            async for response in call:
                return int(response.TTL)
        except rpc.AioRpcError as fault:
            raise self._failure(link, fault) from fault
        finally:
            call.cancel()
        raise RegistryUnavailable(endpoints=self.endpoints, detail="没有应答 no reply to keep-alive")

    async def revoke(self, lease: int, timeout: float) -> None:
        """End a lease and remove its keys at once."""
        await self._unary(lambda link: link.leases.LeaseRevoke, rpc.LeaseRevokeRequest(ID=lease), timeout)

    async def watch(self, prefix: bytes, start_revision: int) -> AsyncIterator[WatchBatch]:
        """Yield changes under `prefix` from a revision on; an empty batch says that the watch stands.

        Raises:
            Compacted: that revision is gone.
        """
        link = self._connection()
        call = link.watches.Watch()
        link.running.add(call)
        try:
            async with asyncio.timeout(self._timeout):
                await call.write(watch_request(prefix, start_revision))
            async for response in call:
                yield self._batch(response)
            raise RegistryUnavailable(endpoints=self.endpoints, detail="监视中断 the watch ended")
        except TimeoutError as fault:
            raise RegistryUnavailable(endpoints=self.endpoints, detail="监视超时 the watch timed out") from fault
        except rpc.AioRpcError as fault:
            raise self._failure(link, fault) from fault
        except asyncio.CancelledError as fault:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            raise RegistryUnavailable(endpoints=self.endpoints, detail="监视中断 the watch was broken off") from fault
        finally:
            link.running.discard(call)
            call.cancel()

    def _batch(self, response: Any) -> WatchBatch:
        if response.compact_revision:
            raise Compacted(f"history before {response.compact_revision} is gone")
        if response.canceled:
            raise RegistryUnavailable(endpoints=self.endpoints, detail=response.cancel_reason or "watch cancelled")
        events = [
            Event(item.kv.key, None if item.type else item.kv.value, item.kv.mod_revision) for item in response.events
        ]
        return WatchBatch(events, not response.fragment)

    def _connection(self) -> _Connection:
        """Return the connection in use, made if it is not there yet."""
        index = self._position % len(self._endpoints)
        if index not in self._connections:
            self._connections[index] = _Connection(self._endpoints[index], self._tls)
        return self._connections[index]

    async def _kv(self, method: str, request: Any, timeout: float | None = None) -> Any:
        return await self._unary(lambda link: getattr(link.kv, method), request, timeout)

    async def _unary(self, method: Callable[[_Connection], Any], request: Any, timeout: float | None = None) -> Any:
        link = self._connection()
        try:
            return await method(link)(request, timeout=timeout or self._timeout)
        except rpc.AioRpcError as fault:
            raise self._failure(link, fault) from fault

    def _failure(self, link: _Connection, fault: Any) -> Exception:
        """Return what to raise for a gRPC fault; moves on to the next endpoint if this one is at fault."""
        if fault.code() is rpc.StatusCode.OUT_OF_RANGE:
            return Compacted(fault.details())
        moving = fault.code() in (rpc.StatusCode.UNAVAILABLE, rpc.StatusCode.DEADLINE_EXCEEDED)
        if moving and len(self._endpoints) > 1 and link is self._connection():
            self._position += 1
            for call in list(link.running):
                call.cancel()
        return RegistryUnavailable(endpoints=self.endpoints, detail=f"{fault.code().name}: {fault.details()}")
