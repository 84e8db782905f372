"""Objects over real sockets: from several holders, resumed where they stopped, and only what is right is kept."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path

import pytest

from guotu.model.errors import InvalidQuestion, StoreFailure, TooLarge, Unavailable, UnknownObject
from guotu.wire.holders import GrpcHolders
from guotu.wire.peers import GrpcPeers
from node.clock import SystemClock
from sync.datafile import describe_file
from sync.manifest import BASE, BLOCK_BYTES, ObjectRef
from sync.objects.local import LocalObjectStore
from sync.replica.bandwidth import Bandwidth
from sync.replica.fetch import ObjectFetcher, is_here
from sync.replica.sources import Quarantine, Source
from sync.replica.transfer import Limits
from tests.support.replica_parts import Peer, random_bytes

SIZE = 5 * BLOCK_BYTES + 12_345
LARGE = 12 * BLOCK_BYTES + 1
"""More than what is on its way at one moment."""


class Bench:
    """An object at one or more holders, and a fetcher."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.objects = LocalObjectStore(folder / "here")
        self.peers = GrpcPeers()
        self.sources: list[Source] = []
        self.bad: list[str] = []
        self.told = 0
        self.begun = asyncio.Event()
        """A block's worth is here."""

    def fetcher(self, rate: float = 0.0) -> ObjectFetcher:
        """Return a fetcher as after a restart."""
        clock = SystemClock()
        limits = Limits(GrpcHolders(self.peers), clock, Quarantine(clock), Bandwidth(clock, rate), stall_s=60.0)
        self.told = 0
        return ObjectFetcher(limits, self.objects, self.folder / "partial")

    async def fetch(self, fetcher: ObjectFetcher, item: ObjectRef) -> None:
        """Fetch an object."""
        await fetcher.fetch(item, lambda: self.sources, self._hear, lambda peer, reason: self.bad.append(peer))

    def _hear(self, count: int) -> None:
        self.told += count
        if self.told >= BLOCK_BYTES:
            self.begun.set()

    async def have(self, node: str, data: bytes, sha256: str) -> LocalObjectStore:
        """Return a holder's object store with bytes under a hash, which may be another's."""
        store = LocalObjectStore(self.folder / node)
        await store.put_if_absent(f"objects/sha256/{sha256[:2]}/{sha256}.parquet", data)
        return store

    @asynccontextmanager
    async def holder(self, node: str, data: bytes, sha256: str) -> AsyncIterator[Peer]:
        """Serve bytes under a hash."""
        async with Peer(await self.have(node, data, sha256), node) as peer:
            self.sources.append(Source(node, peer.address))
            yield peer


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    made = Bench(tmp_path)
    yield made
    await made.peers.close()


def _object(folder: Path, data: bytes) -> ObjectRef:
    path = folder / "object"
    path.write_bytes(data)
    return describe_file(path, 1, None).reference(BASE)


async def _stored(bench: Bench, item: ObjectRef) -> bytes:
    found = await bench.objects.get(item.key)
    assert found is not None
    return found[0]


async def test_an_object_comes_from_several_holders_at_once(bench: Bench, tmp_path: Path) -> None:
    data = random_bytes(SIZE)
    item = _object(tmp_path, data)
    async with bench.holder("110000", data, item.sha256), bench.holder("120000", data, item.sha256):
        fetcher = bench.fetcher()
        asked: set[str] = set()
        whole = fetcher.limits.holder.read_object

        def read(address: str, *rest: object) -> AsyncIterator[bytes]:
            asked.add(address)
            return whole(address, *rest)  # type: ignore[arg-type]

        fetcher.limits.holder.read_object = read  # type: ignore[method-assign]
        await bench.fetch(fetcher, item)
        assert await _stored(bench, item) == data
        assert (fetcher.limits.fetched_bytes, bench.told) == (SIZE, SIZE)
        assert len(asked) == 2
        await bench.fetch(fetcher, item)
        assert fetcher.limits.fetched_bytes == SIZE
    assert not list((tmp_path / "partial").iterdir())


async def test_a_source_killed_in_mid_transfer_is_gone_on_from_at_the_next(bench: Bench, tmp_path: Path) -> None:
    data = random_bytes(LARGE)
    item = _object(tmp_path, data)
    await bench.have("dying", data, item.sha256)
    command = [sys.executable, "-m", "tests.support.replica_parts", "serve", str(tmp_path / "dying")]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    bench.sources.append(Source("110000", (await process.stdout.readline()).decode().strip()))
    slow = bench.fetcher(rate=24e6)
    work = asyncio.create_task(bench.fetch(slow, item))
    await bench.begun.wait()
    os.kill(process.pid, signal.SIGKILL)
    await process.wait()
    with pytest.raises(Unavailable, match="110000"):
        await work
    kept = bench.told
    assert BLOCK_BYTES <= kept < LARGE
    async with bench.holder("120000", data, item.sha256):
        again = bench.fetcher()
        await bench.fetch(again, item)
        assert again.limits.fetched_bytes == LARGE - kept
        assert await _stored(bench, item) == data
    assert bench.bad == []


async def test_a_cancelled_fetch_resumes_at_its_verified_blocks(bench: Bench, tmp_path: Path) -> None:
    data = random_bytes(SIZE)
    item = _object(tmp_path, data)
    async with bench.holder("110000", data, item.sha256):
        work = asyncio.create_task(bench.fetch(bench.fetcher(rate=12e6), item))
        await bench.begun.wait()
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
        kept = bench.told
        partial = tmp_path / "partial" / item.sha256
        with partial.open("r+b") as file:
            file.seek(0, os.SEEK_END)
            file.write(b"torn")
        again = bench.fetcher()
        await bench.fetch(again, item)
        assert again.limits.fetched_bytes == SIZE - kept < SIZE
        assert await _stored(bench, item) == data


@pytest.mark.parametrize("damage", ["flipped", "truncated", "other"])
async def test_a_holder_of_bad_bytes_is_quarantined_and_the_rest_comes_from_others(
    bench: Bench, tmp_path: Path, damage: str
) -> None:
    data = random_bytes(SIZE)
    item = _object(tmp_path, data)
    wrong = {
        "flipped": data[:-7] + bytes([data[-7] ^ 1]) + data[-6:],
        "truncated": data[: -BLOCK_BYTES - 99],
        "other": random_bytes(SIZE, seed=2),
    }[damage]
    async with bench.holder("110000", wrong, item.sha256), bench.holder("120000", data, item.sha256):
        fetcher = bench.fetcher()
        await bench.fetch(fetcher, item)
        assert bench.bad == ["110000"]
        assert list(fetcher.limits.quarantine.reasons()) == ["110000"]
        assert await _stored(bench, item) == data


async def test_only_liars_and_strangers_leave_nothing_behind_but_a_reason(bench: Bench, tmp_path: Path) -> None:
    data = random_bytes(BLOCK_BYTES * 2)
    item = _object(tmp_path, data)
    wrong = random_bytes(BLOCK_BYTES * 2, seed=3)
    async with bench.holder("110000", wrong, item.sha256), bench.holder("120000", b"", "0" * 64):
        with pytest.raises(Unavailable) as failure:
            await bench.fetch(bench.fetcher(), item)
        # Its two blocks are asked for at once: which lie is seen first is chance.
        assert re.search("block [01] has another hash", failure.value.english)
        assert "120000: this node does not hold" in failure.value.english
        assert not await is_here(bench.objects, item)


async def test_blocks_that_are_right_and_do_not_make_the_object_are_refused(bench: Bench, tmp_path: Path) -> None:
    from dataclasses import replace

    from guotu.model.errors import CorruptObject

    data = random_bytes(10_000)
    item = replace(_object(tmp_path, data), sha256="ab" * 32)
    async with bench.holder("110000", data, item.sha256):
        with pytest.raises(CorruptObject):
            await bench.fetch(bench.fetcher(), item)
        assert not await is_here(bench.objects, item)
        assert bench.bad == []


async def test_a_silent_holder_costs_its_stall_and_no_more(bench: Bench, tmp_path: Path) -> None:
    data = random_bytes(SIZE)
    item = _object(tmp_path, data)

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    bench.sources.append(Source("110000", f"127.0.0.1:{port}"))
    async with bench.holder("120000", data, item.sha256):
        fetcher = bench.fetcher()
        whole = fetcher.limits.holder.read_object

        def read(address: str, sha256: str, offset: int, length: int, stall_s: float) -> AsyncIterator[bytes]:
            """Have patience with the one that is not silent, which a busy machine may make wait."""
            return whole(address, sha256, offset, length, 1.0 if address.endswith(f":{port}") else stall_s)

        fetcher.limits.holder.read_object = read  # type: ignore[method-assign]
        await bench.fetch(fetcher, item)
        assert await _stored(bench, item) == data
        assert bench.bad == []
    server.close()


async def test_a_full_disk_is_told_and_keeps_what_was_verified(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = random_bytes(SIZE)
    item = _object(tmp_path, data)
    real, writes, kept = os.pwrite, count(1), list[int]()  # several blocks are on their way; any may be first

    def pwrite(descriptor: int, part: memoryview, offset: int) -> int:
        if next(writes) > 2:
            raise OSError(28, "No space left on device")
        kept.append(real(descriptor, part, offset))
        return kept[-1]

    async with bench.holder("110000", data, item.sha256):
        monkeypatch.setattr(os, "pwrite", pwrite)
        with pytest.raises(StoreFailure, match="the disk is full"):
            await bench.fetch(bench.fetcher(), item)
        monkeypatch.undo()
        again = bench.fetcher()
        await bench.fetch(again, item)
        assert len(kept) == 2
        assert again.limits.fetched_bytes == SIZE - sum(kept)
        assert await _stored(bench, item) == data


async def test_bandwidth_is_kept(bench: Bench, tmp_path: Path) -> None:
    data = random_bytes(2 * BLOCK_BYTES)
    item = _object(tmp_path, data)
    async with bench.holder("110000", data, item.sha256):
        clock = SystemClock()
        start = clock.monotonic()
        await bench.fetch(bench.fetcher(rate=8e6), item)
        assert clock.monotonic() - start >= len(data) / 8e6 - 0.25 - 0.05


async def test_what_is_not_an_object_or_not_a_range_is_refused(bench: Bench, tmp_path: Path) -> None:
    data = random_bytes(3_000_000)
    item = _object(tmp_path, data)
    async with bench.holder("110000", data, item.sha256) as peer:
        holder = GrpcHolders(bench.peers)

        async def read(sha256: str, offset: int, length: int) -> list[bytes]:
            return [part async for part in holder.read_object(peer.address, sha256, offset, length, 5.0)]

        parts = await read(item.sha256, 100, 0)
        assert b"".join(parts) == data[100:]
        assert max(map(len, parts)) <= 1 << 20
        assert b"".join(await read(item.sha256, 2_999_990, 1000)) == data[-10:]
        assert await read(item.sha256, 3_000_000, 1) == []
        for sha256 in ("../../../etc/passwd", item.sha256.upper(), "ab", ""):
            with pytest.raises(InvalidQuestion):
                await read(sha256, 0, 1)
        for offset, length in ((-1, 1), (0, -1), (3_000_001, 1)):
            with pytest.raises(InvalidQuestion):
                await read(item.sha256, offset, length)
        with pytest.raises(TooLarge):
            await read(item.sha256, 0, (64 << 20) + 1)
        with pytest.raises(UnknownObject):
            await read("0" * 64, 0, 1)
        with pytest.raises(UnknownObject):
            await holder.manifest(peer.address, "510000/dltb", "0" * 64, 5.0)
        with pytest.raises(UnknownObject):
            await holder.definition(peer.address, "0" * 64, 5.0)
        with pytest.raises(InvalidQuestion):
            await holder.definition(peer.address, "x", 5.0)
