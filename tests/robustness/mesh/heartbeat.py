"""How late this process itself is: what no node can be blamed for."""

from __future__ import annotations

import threading
import time
from collections import deque

_BEAT_S = 0.01


class Heartbeat:
    """A thread that sleeps for a moment over and over, and notes how much later it woke."""

    def __init__(self) -> None:
        self._late: deque[tuple[float, float]] = deque(maxlen=4_000)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)
        self._thread.start()

    def lateness(self, since: float) -> float:
        """Return by how much it woke late, at most, since a time (of `time.monotonic`), seconds."""
        now = time.monotonic()
        # A beat that is overdue right now counts as far as it is late.
        last = self._late[-1][0] if self._late else now
        worst = max(0.0, now - last - _BEAT_S)
        for at, late in reversed(tuple(self._late)):
            if at < since:
                break
            worst = max(worst, late)
        return worst

    def close(self) -> None:
        """End it."""
        self._stop.set()
        self._thread.join()

    def _beat(self) -> None:
        while not self._stop.is_set():
            began = time.monotonic()
            time.sleep(_BEAT_S)
            woke = time.monotonic()
            self._late.append((woke, woke - began - _BEAT_S))
