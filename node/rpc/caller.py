"""Who calls: what a certificate proves, else the address that the call comes from."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol


class Peer(Protocol):
    """What gRPC knows of the other side of a call."""

    def peer(self) -> str:
        """Return its address, as "ipv4:10.0.0.1:50012"."""

    def peer_identities(self) -> Iterable[bytes] | None:
        """Return what its certificate proves; None without one."""


def caller_of(context: Peer) -> str:
    """Return the name of a caller; all connections of one machine without a certificate have the same."""
    identities = list(context.peer_identities() or ())
    if identities:
        return identities[0].decode(errors="replace")
    return context.peer().rpartition(":")[0]
