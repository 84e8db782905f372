"""How one table for others stands, as it is told."""

from __future__ import annotations

from guotu.model.errors import Conflict, GuotuError, UnknownVersion
from guotu.model.material import MaterialStatus
from guotu.model.ports import Clock
from node.stores.material import Material

_FIRST_S = 1.0
_MOST_S = 300.0
_STUCK_S = 60.0
"""After what others have to change first, such as a view that is in the way; it may have been done meanwhile."""


class Standing:
    """State, progress and last error of one table. Times are monotonic, in seconds."""

    def __init__(self, material: Material, clock: Clock) -> None:
        self.material = material
        self._clock = clock
        self._head = 0
        self._state = "waiting"
        self._behind_since: float | None = None
        self._done = self._total = 0
        self._error = ""
        self._failures = 0
        self._tried: tuple[int, str] = (0, "")
        self._next_try: float | None = None

    def see(self, head: int) -> None:
        """Take notice of the newest version that there is."""
        self._head = head
        if head <= self.material.version:
            self._behind_since = None
        elif self._behind_since is None:
            self._behind_since = self._clock.monotonic()

    def lost(self) -> None:
        """Take notice that the node does not have the dataset; the table stays as it is."""
        self.see(0)
        self._rest("absent")

    def is_due(self, version: int, manifest: str) -> bool:
        """Tell whether to try a version now: one that failed waits its time."""
        failed = self._next_try is not None and self._tried == (version, manifest)
        return not failed or self.wait_s() == 0

    def wait_s(self) -> float | None:
        """Return how long until the next try; None if none is due."""
        return None if self._next_try is None else max(self._next_try - self._clock.monotonic(), 0.0)

    def begin(self, version: int, manifest: str) -> None:
        """Take notice that a version is being tried."""
        self._tried = (version, manifest)

    def progress(self, stage: str, done: int, total: int) -> None:
        """Take notice of how far that is."""
        self._state, self._done, self._total = "applying", done, total

    def reached(self, material: Material) -> None:
        """Take notice of what the table shows now."""
        self.material = material
        self.see(max(self._head, material.version))
        self._rest("current")

    def unready(self, error: UnknownVersion) -> None:
        """Take notice that the store does not have the version yet, such as after a change of area."""
        self._rest("waiting")
        self._error = error.message

    def failed(self, error: GuotuError) -> None:
        """Take notice of why it did not come to that; later tries come ever less often."""
        self._rest("stuck" if isinstance(error, Conflict) else "waiting", self._failures + 1)
        wait = _STUCK_S if isinstance(error, Conflict) else min(_FIRST_S * 2 ** (self._failures - 1), _MOST_S)
        self._next_try = self._clock.monotonic() + wait
        self._error = error.message

    def _rest(self, state: str, failures: int = 0) -> None:
        self._state, self._done, self._total = state, 0, 0
        self._error, self._failures, self._next_try = "", failures, None

    def status(self) -> MaterialStatus:
        """Return how it stands."""
        now, now_ms = self._clock.monotonic(), self._clock.now_ms()
        wait = self.wait_s()
        return MaterialStatus(
            dataset=self.material.dataset,
            table=str(self.material.name),
            version=self.material.version,
            head=self._head,
            lag_ms=0 if self._behind_since is None else max(int((now - self._behind_since) * 1000), 1),
            state=self._state,
            rows=self.material.rows,
            applied_ms=self.material.applied_ms,
            done_rows=self._done,
            total_rows=self._total,
            last_error=self._error,
            next_try_ms=0 if wait is None else now_ms + int(wait * 1000),
        )
