"""Replicas as a table for people and as a document for programs."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from node.cli.console import table
from node.cli.wording import count, size, when

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
    return (
        item.dataset, item.version or "", item.head or "", lag(item), _STATES.get(item.state, item.state),
        progress(item), count(item.rows), item.area_name, when(item.next_try_ms), ", ".join(item.quarantined),
        item.last_error,
    )  # fmt: skip


def lag(item: ReplicaStatus) -> str:
    """Return how far a replica is behind, in versions and time; empty if it is not."""
    if not item.lag_versions:
        return ""
    return f"{item.lag_versions} 版 versions, {duration(item.lag_ms)}"


def progress(item: ReplicaStatus) -> str:
    """Return how much of the version under way was fetched; empty if there is nothing to fetch."""
    if not item.total_bytes:
        return ""
    return f"{size(item.done_bytes)} / {size(item.total_bytes)} ({item.done_bytes / item.total_bytes:.0%})"


def duration(milliseconds: int) -> str:
    """Return a span of time in its two greatest units."""
    minutes, seconds = divmod(milliseconds // 1000, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
