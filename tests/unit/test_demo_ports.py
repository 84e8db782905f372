"""Ports for servers: nobody listens on them, and no two pools give the same."""

from __future__ import annotations

import gc
import socket
import subprocess
import sys

import pytest

import demo.ports
from demo.ports import LOOPBACK, PortPool

SOME = """
import sys
from demo.ports import PortPool
pool = PortPool()
print(*(pool.address() for _ in range(70)), flush=True)
sys.stdin.read()
"""


def test_no_two_pools_give_the_same_also_in_other_processes() -> None:
    pools = [PortPool() for _ in range(3)]
    given = [pool.address() for pool in pools for _ in range(70)]
    with subprocess.Popen([sys.executable, "-c", SOME], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        given += other.stdout.readline().decode().split()
        given += [pools[0].address() for _ in range(70)]
        other.communicate()
    assert len(set(given)) == len(given) == 5 * 70


def test_what_a_pool_had_is_free_once_it_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    own = PortPool()
    ports = sorted(int(own.address().rpartition(":")[2]) for _ in range(20))
    monkeypatch.setattr(demo.ports, "_outside_ephemeral", lambda: ports)
    first = PortPool()
    with socket.create_server((LOOPBACK, ports[7])):
        free = [f"{LOOPBACK}:{port}" for port in ports[1:] if port != ports[7]]
        assert [first.address() for _ in free] == free
        with pytest.raises(RuntimeError, match="no free port"):
            first.address()
    with pytest.raises(RuntimeError, match="no free port"):
        PortPool().address()
    del first
    gc.collect()
    assert PortPool().address() == free[0]
