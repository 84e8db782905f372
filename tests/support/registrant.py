"""A process that registers a node and stays: `python -m tests.support.registrant ENDPOINT NODE INSTANCE TTL`."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time

from guotu.model.records import NodeRecord
from registry.etcd import Etcd
from registry.session import Phase, Registration
from tests.support.eventually import LONG_S, eventually


async def stay(endpoint: str, node: str, instance: str, ttl: int) -> None:
    """Register, say so on standard output, and stay until killed."""
    record = NodeRecord(node, "测试", "127.0.0.1:7000", instance, started_ms=time.time_ns() // 1_000_000)
    registration = Registration(Etcd([endpoint], timeout=LONG_S), record, ttl)
    await registration.start()
    await eventually(lambda: registration.state.phase is Phase.REGISTERED)
    print(registration.state.phase, flush=True)
    await asyncio.Event().wait()


def spawn(endpoint: str, node: str, instance: str, ttl: int) -> subprocess.Popen[str]:
    """Start such a process and return when it has registered."""
    command = [sys.executable, "-m", "tests.support.registrant", endpoint, node, instance, str(ttl)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    while (line := process.stdout.readline()).strip() != "registered":
        assert line, "the registrant ended"
    return process


if __name__ == "__main__":
    asyncio.run(stay(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])))
