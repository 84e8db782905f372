"""What lies between hosts does what faults ask of it: parted hosts lose one direction, relays delay and fall silent."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from demo.ports import PortPool
from tests.robustness.mesh.namespaces import listening_socket, own_network
from tests.robustness.mesh.network import Loopback
from tests.robustness.mesh.relays import Relays


def test_hosts_are_parted_in_one_direction_alone() -> None:
    words = own_network()
    if not words:
        # Then a run says so, and uses relays.
        assert not Loopback().parts_pairs
        return
    done = subprocess.run(
        [*words, sys.executable, "-m", "tests.robustness.mesh.parting"], capture_output=True, text=True, timeout=400
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["whole"].startswith("one")
    assert (found["answers lost"], found["heard"], found["parted twice"]) == ("nothing", "one two", "nothing")
    # TCP sends again what was lost.
    assert found["joined"].startswith("two")


@pytest.fixture
def relays() -> Iterator[Relays]:
    made = Relays()
    yield made
    made.close()


@pytest.fixture
def line(relays: Relays) -> Iterator[socket.socket]:
    """Return a connection through the relay "r" to a server that sends back what it hears."""
    pool = PortPool()
    server = listening_socket(pool.address(), None)
    host, port = server.getsockname()

    def echo() -> None:
        far, _ = server.accept()
        with far:
            while data := far.recv(1024):
                far.sendall(data)

    threading.Thread(target=echo, daemon=True).start()
    address = pool.address()
    relays.add("r", address, None, f"{host}:{port}")
    with socket.create_connection((host, int(address.rpartition(":")[2]))) as made, server:
        made.settimeout(60)
        yield made


@pytest.mark.parametrize("way", ["in", "out"])
def test_a_silent_relay_keeps_what_it_has_until_it_speaks(relays: Relays, line: socket.socket, way: str) -> None:
    line.sendall(b"one")
    assert line.recv(10) == b"one"
    relays.pass_on("r", way, False)  # type: ignore[arg-type]
    line.sendall(b"two")
    line.settimeout(0.3)
    with pytest.raises(TimeoutError):
        line.recv(10)
    relays.pass_on("r", way, True)  # type: ignore[arg-type]
    line.settimeout(60)
    assert line.recv(10) == b"two"


def test_a_relay_delays(relays: Relays, line: socket.socket) -> None:
    relays.delay("r", 0.4)
    began = time.monotonic()
    line.sendall(b"late")
    assert line.recv(10) == b"late"
    assert time.monotonic() - began > 0.7, "it was not held back on both ways"
