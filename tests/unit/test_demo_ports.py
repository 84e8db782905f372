"""Ports of servers of this machine: nobody else is given them while their pool lives."""

from __future__ import annotations

import pytest

from demo import ports
from demo.ports import PortPool


def test_no_other_pool_hands_out_a_port_that_nobody_listens_on_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "_is_free", lambda port: True)
    pool = PortPool()
    port = int(pool.address().rpartition(":")[2])
    monkeypatch.setattr(ports, "_outside_ephemeral", lambda: [port])
    with pytest.raises(RuntimeError, match="no free port"):
        PortPool().address()
    assert pool.address() != f"127.0.0.1:{port}"
