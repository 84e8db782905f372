"""Resident memory of other processes, as Linux tells it in /proc (proc(5): `status`, `clear_refs`)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

_KIB_PER_MIB = 1024
_RESET_PEAK = "5\n"  # proc(5), clear_refs: the peak becomes what is resident now


def resident_mib(pid: int) -> float:
    """Return what is resident now, MiB.

    Raises:
        FileNotFoundError: there is no such process.
    """
    return _status_mib(pid, "VmRSS")


def own_mib(pid: int) -> float:
    """Return what is resident now and no file's, MiB: pages of mapped files can go whenever others need the room.

    Raises:
        FileNotFoundError: there is no such process.
    """
    return _status_mib(pid, "RssAnon")


def peak_mib(pid: int) -> float:
    """Return the most that was resident since the start or the last `reset_peak`, MiB.

    Raises:
        FileNotFoundError: there is no such process.
    """
    return _status_mib(pid, "VmHWM")


def reset_peak(pid: int) -> None:
    """Let the peak begin anew.

    Raises:
        OSError: there is no such process, or it is somebody else's.
    """
    Path(f"/proc/{pid}/clear_refs").write_text(_RESET_PEAK, encoding="ascii")


def _status_mib(pid: int, field: str) -> float:
    for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines():
        name, _, value = line.partition(":")
        if name == field:
            return round(int(value.split()[0]) / _KIB_PER_MIB, 1)
    return 0.0  # a process that has ended and waits to be collected has no memory


class MemoryWatch:
    """Watches some processes' resident memory while its context lasts."""

    def __init__(
        self, pids: Mapping[str, int], every_s: float = 0.2, measure: Callable[[int], float] = resident_mib
    ) -> None:
        """Set who is watched, by name, how often, and what of it, MiB."""
        self.samples: dict[str, list[float]] = {name: [] for name in pids}
        """What was measured by name, MiB, in the order of time; the first sample is from before the work."""
        self._pids = dict(pids)
        self._every_s = every_s
        self._measure = measure
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        """Take the first samples and begin."""
        self._sample()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End with a last sample."""
        self._stop.set()
        self._thread.join()
        self._sample()

    def _run(self) -> None:
        while not self._stop.wait(self._every_s):
            self._sample()

    def _sample(self) -> None:
        for name, pid in self._pids.items():
            self.samples[name].append(self._measure(pid))


def growth_mib(samples: list[float]) -> float:
    """Return by how much the highest sample is above the first, MiB."""
    return round(max(samples) - samples[0], 1)


def late_growth_mib(samples: list[float]) -> float:
    """Return by how much the second half's highest sample is above the first half's, MiB; 0 if memory is flat."""
    half = len(samples) // 2
    if not half:
        return 0.0
    return round(max(0.0, max(samples[half:]) - max(samples[:half])), 1)
