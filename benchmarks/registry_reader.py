"""The process that reads: one directory, alone, so that its memory and time are its own.

`python -m benchmarks.registry_reader ENDPOINT CACHE` prints one line of JSON when the directory is there, follows it
until standard input ends, and prints another.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import time
from pathlib import Path
from typing import Any

import structlog

from benchmarks.registry_questions import plans, selections, timings
from registry.directory import DirectoryOptions, EtcdDirectory
from registry.etcd import Etcd


def resident_mib() -> float:
    """Return the resident memory of this process, MiB."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * 4096 / 2**20


async def watch_nodes(directory: EtcdDirectory, seen: dict[str, float]) -> None:
    """Note when each node is first seen, on the machine's monotonic clock."""
    last = None
    while True:
        nodes = directory.view().nodes
        if nodes is not last:
            now = time.monotonic()
            for node in nodes.keys() - seen.keys():
                seen[node] = now
            last = nodes
        await asyncio.sleep(0.002)


async def read(directory: EtcdDirectory) -> dict[str, Any]:
    """Start the directory; returns what that took, and what is there now."""
    gc.collect()
    empty = resident_mib()
    began, worked = time.monotonic(), time.process_time()
    await directory.start()
    read_s, read_cpu_s = time.monotonic() - began, time.process_time() - worked
    gc.collect()
    view = directory.view()
    return {
        "stale": view.stale,
        "read_s": read_s,
        "read_cpu_s": read_cpu_s,
        "nodes": len(view.nodes),
        "datasets": sum(map(len, view.datasets.values())),
        "rss_mib": resident_mib(),
        "rss_over_empty_mib": resident_mib() - empty,
    }


async def follow(endpoint: str, cache: Path) -> None:
    """Read, report, follow until standard input ends, report."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    etcd = Etcd([endpoint])
    # Full reads more often than is usual, so that some fall into the joins.
    directory = EtcdDirectory(etcd, cache, DirectoryOptions(reconcile=5.0, read_share=0.2))
    print(json.dumps(await read(directory)), flush=True)
    seen: dict[str, float] = {}
    watching = asyncio.create_task(watch_nodes(directory, seen))
    await asyncio.to_thread(sys.stdin.read)
    watching.cancel()
    last: dict[str, Any] = {
        "stale": directory.view().stale,
        "seen": seen,
        "select_ms": timings(selections(directory.view())),
        "plan_ms": timings(plans(directory)),
        "rss_after_mib": resident_mib(),
    }
    began = time.monotonic()
    await directory.close()
    last["save_s"] = time.monotonic() - began
    await etcd.close()
    print(json.dumps(last), flush=True)


if __name__ == "__main__":
    asyncio.run(follow(sys.argv[1], Path(sys.argv[2])))
