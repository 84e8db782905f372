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
_BLOCK = 16
"""Ports that a pool takes at a time."""


class PortPool:
    """Hands out ports that nobody listens on, none of them twice.

    They lie outside the range from which the system takes the source ports of outgoing connections, and no other pool
    of this machine hands them out while this one lives, so that a server which is killed, or slow to start, finds its
    port free.
    """

    def __init__(self) -> None:
        holders: list[socket.socket] = []
        weakref.finalize(self, _close, holders)
        self._candidates = _reserved(holders)

    def address(self) -> str:
        """Return "127.0.0.1:PORT".

        Raises:
            RuntimeError: there are no more.
        """
        port = next(filter(_is_free, self._candidates), None)
        if port is None:
            raise RuntimeError(f"没有空闲端口 no free port on {LOOPBACK}")
        return f"{LOOPBACK}:{port}"


def _reserved(holders: list[socket.socket]) -> Iterator[int]:
    """Yield the ports of blocks that no other pool has.

    Who has the first port of a block for datagrams, which no server of ours takes, has the block; those sockets are
    kept in `holders`, and are gone with the process however it ends.
    """
    ports = _outside_ephemeral()
    for start in random.sample(range(0, len(ports), _BLOCK), -(-len(ports) // _BLOCK)):
        holder = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            holder.bind((LOOPBACK, ports[start]))
        except OSError:
            holder.close()
            continue
        holders.append(holder)
        yield from ports[start : start + _BLOCK]


def _close(holders: list[socket.socket]) -> None:
    for holder in holders:
        holder.close()


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As servers do: without it, a port whose last connections linger in TIME_WAIT would seem taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


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
