"""Who may be dialed: a node that is reached only through another is asked through that one."""

from __future__ import annotations

from collections.abc import Mapping

from guotu.model.records import NodeRecord


def is_open_to(record: NodeRecord, asker: str) -> bool:
    """Tell whether a node may open connections to the node of a record."""
    return record.reached_through in ("", asker)


def gateway(node: str, asker: str, nodes: Mapping[str, NodeRecord]) -> tuple[str, NodeRecord | None]:
    """Return whom `asker` dials to reach a node, and its record: the node itself, or the outermost that it lies behind.

    Args:
        nodes: the registered nodes by id.

    The record is None if the node named is not registered, or lies behind itself, so that nobody can be dialed.
    """
    passed: set[str] = set()
    while node not in passed:
        record = nodes.get(node)
        if record is None or is_open_to(record, asker):
            return node, record
        passed.add(node)
        node = record.reached_through
    return node, None
