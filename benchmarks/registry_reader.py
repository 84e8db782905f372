"""The process that reads: one directory, alone, so that its memory and time are its own.

`python -m benchmarks.registry_reader ENDPOINT CACHE` prints one line of JSON when the directory is there, follows it
until standard input ends, and prints another.
"""

from __future__ import annotations

import asyncio
import gc
import json
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import structlog

from guotu.model.ports import DirectoryView
from registry.directory import DirectoryOptions, EtcdDirectory
from registry.etcd import Etcd

Question = Callable[[DirectoryView], object]
_REPEAT = 21


def select_nation(view: DirectoryView) -> object:
    """List all datasets of one collection."""
    return list(view.datasets["layer_00"].values())


def select_province(view: DirectoryView) -> object:
    """List the datasets of one collection in one province."""
    shelf = view.datasets["layer_01"]
    return [shelf[dataset] for dataset in shelf if dataset.startswith("51")]


QUESTIONS: Mapping[str, Question] = {"nation": select_nation, "province": select_province}


def timings(view: DirectoryView, questions: Mapping[str, Question]) -> dict[str, dict[str, float]]:
    """Return milliseconds of each question on a view: the first time, and the median of later times."""
    result = {}
    for name, question in questions.items():
        taken = []
        for _ in range(_REPEAT):
            began = time.perf_counter()
            question(view)
            taken.append((time.perf_counter() - began) * 1000)
        result[name] = {"first": taken[0], "median": statistics.median(taken[1:])}
    return result


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


async def follow(endpoint: str, cache: Path) -> None:
    """Read, report, follow, report."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    gc.collect()
    empty = resident_mib()
    etcd = Etcd([endpoint])
    # Full reads more often than is usual, so that some fall into the joins.
    directory = EtcdDirectory(etcd, cache, DirectoryOptions(reconcile=5.0, read_share=0.2))
    began, worked = time.monotonic(), time.process_time()
    await directory.start()
    read_s, read_cpu_s = time.monotonic() - began, time.process_time() - worked
    gc.collect()
    view = directory.view()
    first = {
        "stale": view.stale,
        "read_s": read_s,
        "read_cpu_s": read_cpu_s,
        "nodes": len(view.nodes),
        "datasets": sum(map(len, view.datasets.values())),
        "rss_mib": resident_mib(),
        "rss_over_empty_mib": resident_mib() - empty,
    }
    print(json.dumps(first), flush=True)
    seen: dict[str, float] = {}
    watching = asyncio.create_task(watch_nodes(directory, seen))
    await asyncio.to_thread(sys.stdin.read)
    watching.cancel()
    last = {"seen": seen, "select_ms": timings(directory.view(), QUESTIONS), "rss_after_mib": resident_mib()}
    began = time.monotonic()
    await directory.close()
    last |= {"save_s": time.monotonic() - began, "stale": directory.view().stale}
    await etcd.close()
    print(json.dumps(last), flush=True)


if __name__ == "__main__":
    asyncio.run(follow(sys.argv[1], Path(sys.argv[2])))
