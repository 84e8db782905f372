"""Registry at the target size: real etcd, 3,200 nodes with 50 datasets each, one directory in a process of its own.

Budgets: a join is seen in less than 1 s at p99 while others publish and full reads run; a plan takes less than 10 ms.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.registry_mesh import Mesh
from guotu.model.records import DatasetRecord
from guotu.wire.records import dataset_to_bytes, node_to_bytes
from registry.etcd import Etcd
from registry.etcd_values import Put
from registry.gazetteer import GazetteerEntry
from registry.keys import dataset_key, node_key
from tests.support.etcd import EtcdServer

_LEASES = 16
_LEASE_SECONDS = 60
_PUTS = 100


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    parser.add_argument("--share", type=float, default=1.0, help="share of the country's nodes 节点比例 (default 1)")
    parser.add_argument("--collections", type=int, default=50, help="datasets of each node 每节点数据集数 (default 50)")
    parser.add_argument("--joins", type=int, default=300, help="nodes that join while measured 加入次数 (default 300)")
    parser.add_argument(
        "--publishes", type=int, default=100, help="dataset updates a second meanwhile 每秒发布 (default 100)"
    )


def run(arguments: argparse.Namespace) -> dict[str, object]:
    """Run it; returns the numbers, times in the unit that their names end in."""
    with tempfile.TemporaryDirectory() as folder:
        server = EtcdServer(Path(folder) / "etcd")
        cache = Path(folder) / "directory"
        server.start()
        try:
            result = asyncio.run(_measure(server, cache, arguments))
            return result | {"cache_mib": cache.stat().st_size / 2**20}
        finally:
            server.kill()


async def _measure(server: EtcdServer, cache: Path, arguments: argparse.Namespace) -> dict[str, object]:
    mesh = Mesh(arguments.collections, arguments.share)
    etcd = Etcd([server.endpoint], timeout=20.0)
    writer = _Writer(etcd, mesh)
    began = time.monotonic()
    await writer.fill()
    filled_s = time.monotonic() - began
    reader = await _Reader.start(server.endpoint, cache)
    joined = await _load(writer, arguments)
    last = await reader.finish()
    again = await _Reader.start(server.endpoint, cache)
    await again.finish()
    await writer.close()
    await etcd.close()
    return {
        "fill_s": filled_s,
        "registry_mib": writer.bytes / 2**20,
        "publishes_per_s": arguments.publishes,
        **_readings(reader.first, last, again.first),
        **_join_times(joined, last["seen"]),
    }


def _join_times(joined: Mapping[str, float], seen: Mapping[str, float]) -> dict[str, float]:
    """Return how long after they began to join nodes were seen, seconds.

    Raises:
        RuntimeError: some were never seen.
    """
    unseen = joined.keys() - seen.keys()
    if unseen:
        raise RuntimeError(f"{len(unseen)} nodes joined and were never seen")
    waits = np.array([seen[node] - at for node, at in joined.items()])
    p50, p99, most = np.percentile(waits, [50, 99, 100]).tolist()
    return {"joins": len(waits), "join_visible_p50_s": p50, "join_visible_p99_s": p99, "join_visible_max_s": most}


def _readings(first: Mapping[str, Any], last: Mapping[str, Any], again: Mapping[str, Any]) -> dict[str, object]:
    """Return what the reading processes report: of a start without a file, at its end, and of a start with the file."""
    return {
        "nodes": first["nodes"],
        "datasets": first["datasets"],
        "cold_read_s": first["read_s"],
        "cold_read_cpu_s": first["read_cpu_s"],
        "warm_read_s": again["read_s"],
        "warm_read_cpu_s": again["read_cpu_s"],
        "cache_save_s": last["save_s"],
        "directory_rss_mib": {
            "after_read": first["rss_mib"],
            "over_empty": first["rss_over_empty_mib"],
            "after_questions": last["rss_after_mib"],
        },
        "select_ms": last["select_ms"],
        "plan_ms": last["plan_ms"],
    }


class _Writer:
    """Everybody's sessions: the nodes share a few leases."""

    def __init__(self, etcd: Etcd, mesh: Mesh) -> None:
        self._etcd = etcd
        self.mesh = mesh
        self._leases: list[int] = []
        self._keeper: asyncio.Task[None] | None = None
        self._version = 1
        self.bytes = 0

    async def fill(self) -> None:
        """Register all nodes and their datasets."""
        self._leases = [await self._etcd.grant(_LEASE_SECONDS) for _ in range(_LEASES)]
        self._keeper = asyncio.create_task(self._keep())
        for entry in self.mesh.divisions:
            await self.join(entry)
            await self._advertise(self.mesh.datasets(entry))

    async def join(self, entry: GazetteerEntry) -> None:
        """Register one node."""
        lease = self._leases[int(entry.code[:6]) % _LEASES]
        await self._etcd.transact([], [Put(node_key(entry.code), node_to_bytes(self.mesh.node(entry)), lease)])

    async def publish(self, entry: GazetteerEntry, count: int) -> None:
        """Advertise new versions of some datasets of a node."""
        self._version += 1
        await self._advertise(islice(self.mesh.datasets(entry, self._version), count))

    async def close(self) -> None:
        """Stop keeping the leases alive."""
        if self._keeper is not None:
            self._keeper.cancel()

    async def _advertise(self, records: Any) -> None:
        pending = iter(records)
        while puts := [_put(record) for record in islice(pending, _PUTS)]:
            self.bytes += sum(len(item.value) for item in puts)
            await self._etcd.transact([], puts)

    async def _keep(self) -> None:
        while True:
            for lease in self._leases:
                await self._etcd.keep_alive(lease)
            await asyncio.sleep(_LEASE_SECONDS / 10)


def _put(record: DatasetRecord) -> Put:
    return Put(dataset_key(record.dataset), dataset_to_bytes(record))


async def _load(writer: _Writer, arguments: argparse.Namespace) -> dict[str, float]:
    """Have new nodes join, ten a second or so, while others publish; returns when each began to join."""
    joined: dict[str, float] = {}
    pause = 0.1
    divisions = writer.mesh.divisions
    for number in range(arguments.joins):
        entry = divisions[number % len(divisions)]
        node = f"{entry.code}-j{number}"
        joined[node] = time.monotonic()
        await writer.join(GazetteerEntry(node, entry.name, entry.level, entry.parent, entry.bounds))
        await writer.publish(divisions[-1 - number % len(divisions)], round(arguments.publishes * pause))
        await asyncio.sleep(max(0.0, joined[node] + pause - time.monotonic()))
    await asyncio.sleep(2.0)
    return joined


class _Reader:
    """The process that reads."""

    def __init__(self, process: asyncio.subprocess.Process, first: Mapping[str, Any]) -> None:
        self._process = process
        self.first = first

    @classmethod
    async def start(cls, endpoint: str, cache: Path) -> _Reader:
        """Start it and wait for its first report."""
        pipe = asyncio.subprocess.PIPE
        command = (sys.executable, "-m", "benchmarks.registry_reader", endpoint, str(cache))
        process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, limit=1 << 20)
        assert process.stdout is not None
        return cls(process, _report(await process.stdout.readline()))

    async def finish(self) -> Mapping[str, Any]:
        """End it; returns its last report."""
        output, _ = await self._process.communicate(b"")
        return _report(output)


def _report(line: bytes) -> Mapping[str, Any]:
    report: Mapping[str, Any] = json.loads(line)
    if report["stale"]:
        raise RuntimeError("the directory lost the registry: this machine is too busy to measure on")
    return report
