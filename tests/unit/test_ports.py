"""Ports for servers that are to come: nobody else is given one, whether its server runs or not."""

from __future__ import annotations

import random
import socket

import pytest

from demo.ports import LOOPBACK, PortPool


def test_a_port_is_held_before_beside_and_after_its_server(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = PortPool()
    port = int(pool.address().rpartition(":")[2])
    monkeypatch.setattr("demo.ports._outside_ephemeral", lambda: [port])
    for _ in range(2):
        with pytest.raises(RuntimeError, match="no free port"):
            PortPool().address()
        with socket.create_server((LOOPBACK, port)), pytest.raises(RuntimeError, match="no free port"):
            PortPool().address()


def test_processes_with_the_same_luck_take_other_ports() -> None:
    found = []
    for _ in range(2):
        random.seed(0)
        pool = PortPool()
        found.append([pool.address() for _ in range(4)])
        del pool
    assert found[0] != found[1]
