"""What groups that do not fit take: gathered in a process of their own."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pyarrow as pa

from benchmarks.dltb import digits
from benchmarks.memory import peak_mib
from guotu.model.overlay import AREA_TYPE, areas_of
from guotu.overlays.gathering import Gathering

_SCHEMA = pa.schema(
    [
        pa.field("zone_BSM", pa.string()),
        pa.field("DLBM", pa.string()),
        pa.field("count", pa.int64()),
        pa.field("area_m2", AREA_TYPE),
    ]
)
_PART_ROWS = 20_000
_CLASSES = ("0101", "0102", "0103", "0301", "1101")


def gathered(groups: int, folder: Path) -> dict[str, float]:
    """Gather so many groups; returns what that takes: seconds, of the processor too, and peaks of memory, MiB.

    Peaks are of what was resident, before the first part and after the last.
    """
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(_gather, groups, folder).result()


def _gather(groups: int, folder: Path) -> dict[str, float]:
    before, started, rows = peak_mib(os.getpid()), time.perf_counter(), 0
    with closing(Gathering(_SCHEMA, folder, "")) as gathering:
        for part in _parts(groups):
            gathering.add(part)
        for batch in gathering.batches():
            rows += batch.num_rows
    seconds = round(time.perf_counter() - started, 1)
    cpu_seconds = round(time.process_time(), 1)
    return {
        "groups": rows,
        "seconds": seconds,
        "cpu_seconds": cpu_seconds,
        "peak_mib": peak_mib(os.getpid()),
        "before_mib": before,
    }


def _parts(groups: int) -> Iterator[pa.Table]:
    """Yield groups by plot and class, plots near each other together, as zones come along the Hilbert curve."""
    luck = np.random.default_rng(71)
    for first in range(0, groups, _PART_ROWS):
        numbers = luck.permutation(np.arange(first, min(first + _PART_ROWS, groups)))
        plots = digits(numbers // len(_CLASSES) * 7_919 % groups, 18)
        classes = pa.array(_CLASSES).take(pa.array(numbers % len(_CLASSES)))
        units = luck.integers(1, 10**9, len(numbers))
        yield pa.Table.from_arrays(
            [plots, classes, pa.array(np.ones(len(numbers), np.int64)), areas_of(units)], schema=_SCHEMA
        )
