"""Retrieving everything through one node: how fast, and whether memory stays flat."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from benchmarks.memory import MemoryWatch, growth_mib, late_growth_mib, peak_mib, reset_peak
from guotu.client import Client

_TIMEOUT_S = 600.0


def stream_everything(client: Client, collection: str, pids: Mapping[str, int]) -> dict[str, Any]:
    """Retrieve all columns of all rows, throwing them away as they come.

    Returns:
        rows, seconds, rows_per_s, mib_per_s (Arrow), and by process `peak_mib` (the kernel's own high-water mark),
        `growth_mib` (highest over first sample), `late_growth_mib` (second half over first half).
    """
    for pid in pids.values():
        reset_peak(pid)
    rows = size = 0
    started = time.perf_counter()
    with MemoryWatch(pids) as watch:
        for batch in client.query(collection, timeout=_TIMEOUT_S):
            rows += batch.num_rows
            size += batch.nbytes
        seconds = time.perf_counter() - started
    return {
        "rows": rows,
        "seconds": round(seconds, 3),
        "rows_per_s": round(rows / seconds),
        "mib_per_s": round(size / 2**20 / seconds, 1),
        "peak_mib": {name: peak_mib(pid) for name, pid in pids.items()},
        "growth_mib": {name: growth_mib(samples) for name, samples in watch.samples.items()},
        "late_growth_mib": {name: late_growth_mib(samples) for name, samples in watch.samples.items()},
    }
