"""Replicas as a table for people and as a document for programs."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from node.cli.console import table
from node.cli.wording import count, lag, size, when

if TYPE_CHECKING:
    from rich.table import Table

    from guotu.wire.subscriptions import Replicas, ReplicaStatus

_STATES = {
    "waiting": "等待 waiting",
    "planning": "计划 planning",
    "fetching": "取数 fetching",
    "staging": "装载 staging",
    "proving": "核验 proving",
    "switching": "切换 switching",
    "current": "最新 current",
    "stuck": "停滞 stuck",
}
_COLUMNS = (
    "数据集 dataset", "版本 version", "最新 head", "落后 lag", "状态 state", "进度 progress", "行 rows", "范围 area",
    "下次尝试 next try", "已隔离 quarantined", "最近错误 last error",
)  # fmt: skip
_NUMERIC = ("版本 version", "最新 head", "行 rows")


def replicas_document(found: Replicas) -> dict[str, Any]:
    """Return the document of `--json`."""
    return {
        "replicas": [{**asdict(item), "lag_versions": item.lag_versions} for item in found.replicas],
        "subscriptions": list(found.subscriptions),
    }


def replicas_table(found: Replicas) -> Table:
    """Return one row a replica, then a row for each subscription that covers nothing yet."""
    made = table(f"副本 replicas: {len(found.replicas)}", _COLUMNS, map(_row, found.replicas), _NUMERIC)
    covering = {item.subscription for item in found.replicas}
    for subject in found.subscriptions:
        if subject not in covering:
            made.add_row(subject, "", "", "", "尚无数据集 no dataset yet")
    return made


def _row(item: ReplicaStatus) -> tuple[object, ...]:
    behind, state = lag(item.lag_versions, item.lag_ms), _STATES.get(item.state, item.state)
    return (
        item.dataset, item.version or "", item.head or "", behind, state, progress(item), count(item.rows),
        item.area_name, when(item.next_try_ms), ", ".join(item.quarantined), item.last_error,
    )  # fmt: skip


def progress(item: ReplicaStatus) -> str:
    """Return how much of the version under way was fetched; empty if there is nothing to fetch."""
    if not item.total_bytes:
        return ""
    return f"{size(item.done_bytes)} / {size(item.total_bytes)} ({item.done_bytes / item.total_bytes:.0%})"
