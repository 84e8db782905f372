"""Doubt: a full read that has lost most of what was there is more likely wrong than true, at first."""

from __future__ import annotations

from collections.abc import Mapping


class Doubt:
    """Judges full reads. One that lacks more than half of a kind is believed only when it comes again and again.

    A restored or emptied etcd looks like a country without nodes until they have registered again. Nobody registers
    collections again: that all are gone is never believed, they have to be seen deleted. A fleeting kind hangs on its
    holders' leases and may come and go as it likes.
    """

    def __init__(self, reads: int, seconds: float, lasting: str, fleeting: str = "") -> None:
        """Believe after as many such reads in a row, over no less than so many seconds.

        A loss of the whole `lasting` kind is never believed; what is lacking of the `fleeting` kind raises no doubt.
        """
        self._reads = reads
        self._seconds = seconds
        self._lasting = lasting
        self._fleeting = fleeting
        self._seen = 0
        self._since = 0.0

    @property
    def active(self) -> bool:
        """Tell whether the last read was not believed."""
        return self._seen > 0

    def believes(self, held: Mapping[str, int], absent: Mapping[str, int], now: float) -> bool:
        """Judge a read by how many of each kind are held and how many of these it lacks; `now` in seconds."""
        if not any(2 * count > held[kind] for kind, count in absent.items() if kind != self._fleeting):
            self._seen = 0
            return True
        if not self._seen:
            self._since = now
        self._seen += 1
        lost = 0 < held.get(self._lasting, 0) <= absent.get(self._lasting, 0)
        if lost or self._seen < self._reads or now - self._since < self._seconds:
            return False
        self._seen = 0
        return True
