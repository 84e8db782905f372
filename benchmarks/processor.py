"""Processor time of processes, as Linux tells it in /proc (proc(5): `stat`)."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from pathlib import Path

_OWN, _WITH_ENDED = (
    slice(11, 13),
    slice(11, 15),
)  # utime, stime (cutime, cstime), counted from the field after the command


def own_cpu_ms() -> float:
    """Return the processor time that this process has used so far, milliseconds."""
    return time.process_time() * 1000


def cpu_ms(pids: Iterable[int]) -> float:
    """Return the processor time that some processes have used so far, milliseconds, in steps of a clock tick (10 ms).

    Raises:
        FileNotFoundError: there is no such process.
    """
    return sum(_ticks(pid) for pid in pids) * 1000 / os.sysconf("SC_CLK_TCK")


def family_cpu_ms(pids: Iterable[int]) -> float:
    """Return the same of some processes and those that they started and that have ended, milliseconds.

    Raises:
        FileNotFoundError: there is no such process.
    """
    return sum(_ticks(pid, _WITH_ENDED) for pid in pids) * 1000 / os.sysconf("SC_CLK_TCK")


def _ticks(pid: int, places: slice = _OWN) -> int:
    # The command stands in parentheses and may hold anything.
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    return sum(map(int, fields[places]))
