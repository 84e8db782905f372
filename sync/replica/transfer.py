"""Transfer: the missing blocks of one object, from several peers at once; one that lies is not asked again."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

from guotu.model.errors import GuotuError, NodeUnavailable, Unavailable, UnknownObject
from guotu.model.ports import Clock, Holder
from sync.manifest import BLOCK_BYTES, ObjectRef
from sync.replica.bandwidth import Bandwidth
from sync.replica.partial import PartialFile
from sync.replica.sources import Quarantine, Source
from sync.stages import to_the_end

FindSources = Callable[[], Sequence[Source]]
Told = Callable[[int], None]
ToldBad = Callable[[str, str], object]
"""Hears of (peer, why); what it returns counts for nothing."""
_RUN_BLOCKS = 4
_TRIES = 2
"""Failures of a peer, other than bad bytes, after which an attempt asks it no more."""
_SLOWEST_BYTES_S = 4096.0


@dataclass(slots=True)
class Limits:
    """What all transfers of a node share."""

    holder: Holder
    clock: Clock
    quarantine: Quarantine
    bandwidth: Bandwidth
    at_once: int = 4
    """Ranges fetched at a time."""
    stall_s: float = 15.0
    """Longest silence between two parts."""
    fetched_bytes: int = 0
    """Bytes that came, good or bad."""
    active: Counter[str] = field(default_factory=Counter)
    """Ranges under way, by node."""
    turns: asyncio.Semaphore = field(init=False)

    def __post_init__(self) -> None:
        self.turns = asyncio.Semaphore(self.at_once)


class BadBytes(Exception):
    """A peer sent what it was not asked for."""


class _Trouble(Exception):
    """A peer failed; `failure` tells how."""

    def __init__(self, failure: GuotuError) -> None:
        super().__init__(failure.english)
        self.failure = failure


class Transfer:
    """One object on its way."""

    def __init__(
        self,
        limits: Limits,
        item: ObjectRef,
        partial: PartialFile,
        sources: FindSources,
        told: Told,
        bad: ToldBad,
    ) -> None:
        self._limits = limits
        self._item = item
        self._partial = partial
        self._sources = sources
        self._told = told
        self._bad = bad
        # What a peer sends ahead of the limit waits in buffers on the way: so much is asked for at a time, no more.
        longest = 1 if limits.bandwidth.is_limited else _RUN_BLOCKS
        self._runs = deque(_runs(partial.missing(), limits.at_once, longest))
        self._failures: Counter[str] = Counter()
        self._reasons: dict[str, str] = {}

    async def run(self) -> None:
        """Fetch all that is missing.

        Raises:
            Unavailable: no peer could give it.
            StoreFailure: it cannot be written.
        """
        await together([self._work() for _ in range(min(len(self._runs), self._limits.at_once))])

    async def _work(self) -> None:
        """Take runs of blocks until there are none; a run that did not come goes back."""
        while self._runs:
            async with self._limits.turns:
                if self._runs:
                    source = self._choose()
                    left = await self._attempt(source, self._runs.popleft())
                    if left:
                        self._runs.appendleft(left)

    def _choose(self) -> Source:
        """Return the least busy peer that may have it.

        Raises:
            Unavailable: there is none.
        """
        barred = self._limits.quarantine.reasons()
        usable = [item for item in self._sources() if item.node not in barred and self._failures[item.node] < _TRIES]
        if not usable:
            why = "; ".join(f"{node}: {text}" for node, text in sorted(self._reasons.items()))
            raise Unavailable(detail=f"{self._item.name} ({why or '没有持有者 nobody holds it'})")
        return min(usable, key=lambda item: (self._failures[item.node], self._limits.active[item.node]))

    async def _attempt(self, source: Source, run: list[int]) -> list[int]:
        """Fetch a run of blocks from one peer; returns those that did not come."""
        missing = deque(run)
        self._limits.active[source.node] += 1
        try:
            await self._read(source, missing)
        except BadBytes as lie:
            reason = f"{source.node}: {self._item.name}: {lie}"
            self._reasons[source.node] = str(lie)
            if self._limits.quarantine.put(source.node, reason):
                self._bad(source.node, reason)
        except _Trouble as trouble:
            # Who does not hold it will not hold it in a moment either.
            self._failures[source.node] += _TRIES if isinstance(trouble.failure, UnknownObject) else 1
            self._reasons[source.node] = str(trouble)
        finally:
            self._limits.active[source.node] -= 1
        return list(missing)

    async def _read(self, source: Source, missing: deque[int]) -> None:
        """Read consecutive blocks, taking each off `missing` once it is checked and written."""
        buffer = bytearray()
        offset, length = missing[0] * BLOCK_BYTES, sum(map(self._partial.length, missing))
        async with aclosing(self._parts(source, offset, length)) as parts:
            async for part in parts:
                buffer += part
                while missing and len(buffer) >= (size := self._partial.length(missing[0])):
                    block, buffer = bytes(buffer[:size]), buffer[size:]
                    # To the end, so that no block is written once the fetch has failed or was given up.
                    await to_the_end(self._keep(missing[0], block))
                    missing.popleft()

    async def _keep(self, index: int, block: bytes) -> None:
        """Check and write a block, and tell of it."""
        if not await asyncio.to_thread(self._partial.put, index, block):
            raise BadBytes(f"第 {index} 块校验不符 block {index} has another hash")
        self._told(len(block))

    async def _parts(self, source: Source, offset: int, length: int) -> AsyncGenerator[bytes]:
        """Yield what a peer sends, exactly `length` bytes in all."""
        limits, received, waited = self._limits, 0, 0.0
        stream = limits.holder.read_object(source.address, self._item.sha256, offset, length, limits.stall_s)
        try:
            while True:
                since = limits.clock.monotonic()
                part = await _next(stream)
                waited += limits.clock.monotonic() - since
                if part is None:
                    break
                received += len(part)
                limits.fetched_bytes += len(part)
                if received > length or not part:
                    raise BadBytes(f"长度不符 {received} bytes came instead of {length}")
                if waited > limits.stall_s and received < waited * _SLOWEST_BYTES_S:
                    raise _Trouble(NodeUnavailable(address=source.address, detail="过慢 too slow"))
                await limits.bandwidth.take(len(part))
                yield part
        finally:
            await stream.aclose()  # type: ignore[attr-defined]
        if received < length:
            raise BadBytes(f"长度不符 {received} bytes came instead of {length}")


async def together(works: Sequence[Coroutine[None, None, None]]) -> None:
    """Run all; the first failure ends the others and is raised once they have ended."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _next(stream: AsyncIterator[bytes]) -> bytes | None:
    """Return the next part, None at the end."""
    try:
        return await anext(stream, None)
    except GuotuError as failure:
        raise _Trouble(failure) from failure


def _runs(missing: list[int], hands: int, longest: int) -> list[list[int]]:
    """Cut block numbers into runs of consecutive ones, each a range to ask for, so that all hands have work."""
    longest = max(1, min(longest, -(-len(missing) // hands)))
    runs: list[list[int]] = []
    for index in missing:
        if runs and runs[-1][-1] == index - 1 and len(runs[-1]) < longest:
            runs[-1].append(index)
        else:
            runs.append([index])
    return runs
