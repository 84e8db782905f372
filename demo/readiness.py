"""Waiting until nodes take questions."""

from __future__ import annotations

import time
from collections.abc import Iterable

from demo.node_process import NodeProcess
from demo.ports import listening
from demo.process import poll_until
from guotu.client import connect
from guotu.model.errors import GuotuError

_CALL_S = 5.0


def wait_until_ready(nodes: Iterable[NodeProcess], timeout: float) -> None:
    """Return once every node says that it takes questions.

    Raises:
        ProcessEnded: a node ended; the message has the end of its log.
        TimeoutError: a node is not ready within `timeout` seconds.
    """
    deadline = time.monotonic() + timeout
    for node in nodes:
        while not is_ready(node.address):
            node.process.require_alive()
            if not poll_until(deadline):
                tail = node.process.tail()
                raise TimeoutError(f"节点 {node.name} 在 {timeout} s 内未就绪 node is not ready:\n{tail}")


def is_ready(address: str) -> bool:
    """Tell whether the node at "host:port" takes questions."""
    # A refused connection would make a channel wait before it tries again.
    if not listening(address):
        return False
    with connect(address, timeout=_CALL_S) as client:
        try:
            return client.node().ready
        except GuotuError:
            return False
