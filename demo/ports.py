"""Free TCP ports of 127.0.0.1 that stay free while their server is down."""

from __future__ import annotations

import random
import socket
import weakref
from pathlib import Path

LOOPBACK = "127.0.0.1"
_EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")
_LOWEST, _HIGHEST = 10_000, 65_535


class PortPool:
    """Hands out ports that nobody listens on, none of them twice, and no other pool of this machine those of this one.

    They lie outside the range from which the system takes the source ports of outgoing connections, so that a
    server which is killed finds its port free when it comes back. The pool holds them as long as it is kept.
    """

    def __init__(self) -> None:
        candidates = _outside_ephemeral()
        # Not the luck of `random`, which is the same in every process in which Hypothesis tries its examples.
        self._candidates = iter(random.SystemRandom().sample(candidates, len(candidates)))
        self._held: list[socket.socket] = []
        weakref.finalize(self, _let_go, self._held)

    def address(self) -> str:
        """Return "127.0.0.1:PORT".

        Raises:
            RuntimeError: there are no more.
        """
        held = next(filter(None, map(_hold, self._candidates)), None)
        if held is None:
            raise RuntimeError(f"没有空闲端口 no free port on {LOOPBACK}")
        self._held.append(held)
        return f"{LOOPBACK}:{held.getsockname()[1]}"


def _hold(port: int) -> socket.socket | None:
    """Take a port for a server that is to come; None if somebody else listens on it, or holds it for another."""
    held = socket.socket()
    try:
        held.bind((LOOPBACK, port))
    except OSError:
        held.close()
        return None
    # Only now: a server that sets it too, as servers do, may then listen beside this socket, which does not listen.
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    return held


def _let_go(held: list[socket.socket]) -> None:
    for one in held:
        one.close()


def _outside_ephemeral() -> list[int]:
    """Return the ports that the system gives to no outgoing connection; all of them if it does not tell."""
    try:
        low, high = map(int, _EPHEMERAL.read_text(encoding="ascii").split())
    except (OSError, ValueError):
        low, high = 0, 0
    outside = [*range(_LOWEST, low), *range(max(high + 1, _LOWEST), _HIGHEST + 1)]
    return outside or list(range(_LOWEST, _HIGHEST + 1))


def listening(address: str) -> bool:
    """Tell whether somebody accepts connections at "host:port"."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=1.0).close()
    except OSError:
        return False
    return True
