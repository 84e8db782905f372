"""Free TCP ports of 127.0.0.1 that stay free while their server is down."""

from __future__ import annotations

import random
import socket
import weakref
from collections.abc import Iterator
from pathlib import Path

LOOPBACK = "127.0.0.1"
_EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")
_LOWEST, _HIGHEST = 10_000, 65_535
_BLOCK = 32
"""Ports that a pool takes at a time."""


class PortPool:
    """Hands out ports that nobody listens on, none of them twice, nor one that another pool of any process hands out.

    They lie outside the range from which the system takes the source ports of outgoing connections, so that a
    server which is killed finds its port free when it comes back. As long as the pool lives, they stay its own.
    """

    def __init__(self) -> None:
        ports = _outside_ephemeral()
        blocks = [ports[at : at + _BLOCK] for at in range(0, len(ports), _BLOCK)]
        # Not the common generator, which tests may have begun from one seed in several processes.
        random.SystemRandom().shuffle(blocks)
        self._blocks = iter(blocks)
        self._ports: Iterator[int] = iter(())

    def address(self) -> str:
        """Return "127.0.0.1:PORT".

        Raises:
            RuntimeError: there are no more.
        """
        while True:
            for port in self._ports:
                # As servers do: without it, a port whose last connections linger in TIME_WAIT would seem taken.
                if (probe := _bound(port, reuse=True)) is not None:
                    probe.close()
                    return f"{LOOPBACK}:{port}"
            self._ports = self._next_block()

    def _next_block(self) -> Iterator[int]:
        """Take a block of ports; its first one is kept bound, by which other pools know that it is taken."""
        for first, *others in self._blocks:
            if (guard := _bound(first, reuse=False)) is not None:
                weakref.finalize(self, guard.close)
                return iter(others)
        raise RuntimeError(f"没有空闲端口 no free port on {LOOPBACK}")


def _bound(port: int, reuse: bool) -> socket.socket | None:
    """Return a socket bound to a port; None if it is taken."""
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, int(reuse))
    try:
        made.bind((LOOPBACK, port))
    except OSError:
        made.close()
        return None
    return made


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
