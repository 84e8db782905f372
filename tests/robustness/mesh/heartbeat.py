"""How late this process itself is: what no node can be blamed for."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from guotu.client import connect
from guotu.model.errors import GuotuError
from tests.robustness.mesh.namespaces import listening_socket

_BEAT_S = 0.01
_CONTROL_S = 0.1
"""Deadline of a control call, seconds."""
_CALL_S = _BEAT_S + _CONTROL_S


def waits_s() -> dict[str, float]:
    """Return how long each thread of this process has stood ready in all, without a processor, seconds (Linux)."""
    found = {}
    for thread in Path("/proc/self/task").iterdir():
        with suppress(OSError):
            found[thread.name] = int((thread / "schedstat").read_text(encoding="ascii").split()[1]) / 1e9
    return found


class Heartbeat:
    """Two threads that note how much later than due they woke.

    One sleeps for a moment, over and over. The other makes calls that nobody answers, so that nothing but this process
    ends them, at their deadline, by the same way as a question's. Each measures from one waking to the next, so that no
    moment in which the process may have stood still is left out.
    """

    def __init__(self, address: str) -> None:
        """Begin; `address` is a free "ip:port" of this process."""
        self._late: deque[tuple[float, float]] = deque(maxlen=4_000)
        self._woke = dict.fromkeys((_BEAT_S, _CALL_S), time.monotonic())
        """When each thread woke last, by the time from one waking to the next."""
        self._stop = threading.Event()
        self._silent = listening_socket(address, None)
        self._address = address
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._beat, self._call)]
        for thread in self._threads:
            thread.start()

    def lateness(self, since: float, waits: Mapping[str, float]) -> float:
        """Return how much later than due what began at a time (of `time.monotonic`) may end by this process, seconds.

        It is what either thread woke late at most, and what the thread that waited longest for a processor waited since
        then, as the one that reads the answer may have; `waits` are those of that time.
        """
        noted = [late for at, late in tuple(self._late) if at >= since]
        # A beat that is overdue right now counts as far as it is late.
        overdue = [time.monotonic() - woke - due_s - _BEAT_S for due_s, woke in self._woke.items()]
        return max(0.0, *noted, *overdue) + max(now - waits.get(thread, 0.0) for thread, now in waits_s().items())

    def close(self) -> None:
        """End it."""
        self._stop.set()
        for thread in self._threads:
            thread.join()
        self._silent.close()

    def _beat(self) -> None:
        while not self._stop.is_set():
            time.sleep(_BEAT_S)
            self._note(_BEAT_S)

    def _call(self) -> None:
        with connect(self._address, timeout=_CONTROL_S) as nobody:
            while not self._stop.wait(_BEAT_S):
                with suppress(GuotuError):
                    nobody.node()
                self._note(_CALL_S)

    def _note(self, due_s: float) -> None:
        woke = time.monotonic()
        self._late.append((woke, woke - self._woke[due_s] - due_s))
        self._woke[due_s] = woke
