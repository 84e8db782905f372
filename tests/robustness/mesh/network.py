"""What joins the hosts of the mesh: network namespaces on a bridge where they may be made, else loopback."""

from __future__ import annotations

import subprocess
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence
from itertools import groupby
from operator import itemgetter
from typing import IO

from demo.ports import PortPool
from tests.robustness.mesh.namespaces import inside

Way = tuple[str, str]
"""From one host to another."""
HUB = "hub"
"""Where questions are asked, and the far side of relays; never cut off."""
_SUBNET = "10.77.0"
_NOWHERE = "02:00:00:00:00:01"
"""A hardware address that nobody has."""
_NARROW = "tbf rate 512kbit burst 3000 limit 6000"
"""A line that loses packets as soon as a few of them wait."""


class Network(ABC):
    """The hosts and what lies between them."""

    told: str
    """How it is made, for the report."""
    parts_pairs: bool
    """Whether two hosts can be parted from one another, and packets lost; otherwise only relays can be stopped."""

    @abstractmethod
    def address(self, host: str) -> str:
        """Return a free "ip:port" of a host."""

    @abstractmethod
    def command(self, host: str, words: Sequence[str]) -> list[str]:
        """Return the command that runs another one on a host."""

    @abstractmethod
    def namespace(self, host: str) -> str | None:
        """Return the file of a host's network namespace; None if it is that of this process."""

    def part(self, ways: Sequence[Way]) -> None:
        """Lose whatever a source sends to its target."""
        raise NotImplementedError

    def join(self, ways: Sequence[Way]) -> None:
        """Let it come again, unless another fault parts the two as well."""
        raise NotImplementedError

    def narrow(self, host: str, on: bool) -> None:
        """Have a host's line lose part of what it sends, or not any more."""
        raise NotImplementedError

    @abstractmethod
    def close(self) -> None:
        """Take the hosts down. May be called again."""


class Loopback(Network):
    """All hosts are 127.0.0.1, which a process that may make no namespaces has."""

    told = "127.0.0.1, relays alone, no network namespaces"
    parts_pairs = False

    def __init__(self) -> None:
        self._ports = PortPool()

    def address(self, host: str) -> str:
        return self._ports.address()

    def command(self, host: str, words: Sequence[str]) -> list[str]:
        return list(words)

    def namespace(self, host: str) -> str | None:
        return None

    def close(self) -> None:
        pass


class Namespaces(Network):
    """Each host has a network namespace of its own, on a bridge in that of this process, which must be its own too.

    What a host sends to another is lost when it takes another one's hardware address for it: the packets leave, and
    nobody takes them. That needs nothing but iproute2.
    """

    told = "network namespaces on a bridge"
    parts_pairs = True

    def __init__(self, hosts: Sequence[str]) -> None:
        self._holders: dict[str, subprocess.Popen[bytes]] = {}
        self._parted: Counter[Way] = Counter()
        self._ip = {HUB: f"{_SUBNET}.1"} | {host: f"{_SUBNET}.{10 + place}" for place, host in enumerate(hosts)}
        self._next = 7083
        try:
            for host in hosts:
                self._holders[host] = _holder()
            _batch(
                [
                    "link set lo up",
                    "link add br0 type bridge",
                    f"address add {self._ip[HUB]}/24 dev br0",
                    "link set br0 up",
                    *(line for place, host in enumerate(hosts) for line in self._wire(place, host)),
                ]
            )
            for host in hosts:
                lines = ["link set lo up", f"address add {self._ip[host]}/24 dev eth0", "link set eth0 up"]
                self._on(host, lines)
        except BaseException:
            self.close()
            raise

    def _wire(self, place: int, host: str) -> list[str]:
        pid = self._holders[host].pid
        return [f"link add v{place} type veth peer name eth0 netns {pid}", f"link set v{place} master br0 up"]

    def address(self, host: str) -> str:
        self._next += 1
        return f"{self._ip[host]}:{self._next}"

    def command(self, host: str, words: Sequence[str]) -> list[str]:
        return list(words) if host == HUB else ["nsenter", f"--net={self.namespace(host)}", "--", *words]

    def namespace(self, host: str) -> str | None:
        return None if host == HUB else f"/proc/{self._holders[host].pid}/ns/net"

    def part(self, ways: Sequence[Way]) -> None:
        fresh = [way for way in ways if not self._parted[way]]
        self._parted.update(ways)
        self._each(fresh, f"neighbour replace {{}} lladdr {_NOWHERE} nud permanent dev eth0")

    def join(self, ways: Sequence[Way]) -> None:
        self._parted.subtract(ways)
        self._each([way for way in ways if not self._parted[way]], "neighbour del {} dev eth0")

    def _each(self, ways: Sequence[Way], line: str) -> None:
        for source, pairs in groupby(sorted(ways), key=itemgetter(0)):
            self._on(source, [line.format(self._ip[target]) for _, target in pairs])

    def narrow(self, host: str, on: bool) -> None:
        words = f"qdisc replace dev eth0 root {_NARROW}" if on else "qdisc del dev eth0 root"
        subprocess.run(self.command(host, ["tc", *words.split()]), check=True)

    def close(self) -> None:
        for holder in self._holders.values():
            holder.kill()
            holder.wait()
        self._holders.clear()

    def _on(self, host: str, lines: Sequence[str]) -> None:
        _batch(lines, self.namespace(host))


def _holder() -> subprocess.Popen[bytes]:
    """Start a process that does nothing but hold a namespace open; it ends with its input, thus with this process."""
    holder = subprocess.Popen(
        ["unshare", "--net", "--", "sh", "-c", "echo; exec cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    _readable(holder.stdout).readline()
    return holder


def _readable(stream: IO[bytes] | None) -> IO[bytes]:
    assert stream is not None
    return stream


def _batch(lines: Sequence[str], namespace: str | None = None) -> None:
    """Have iproute2 carry out some lines, in a namespace."""
    words = ["ip", "-batch", "-"]
    command = words if namespace is None else inside(namespace, words)
    done = subprocess.run(command, input="\n".join(lines) + "\n", capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{lines}: {done.stderr}"
