"""What a version changes, for people and programs: counts, and areas in hectares with two decimals, half-up."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from node.cli.console import table
from node.cli.groups import hectares
from node.cli.wording import count

if TYPE_CHECKING:
    from rich.table import Table

    from guotu.model.records import Change


def change_document(change: Change) -> dict[str, Any]:
    """Return counts, areas in m² as they are (`*_m2`) and in hectares, rounded to two decimals (`*_ha`)."""
    members = asdict(change)
    areas = {name: value for name, value in members.items() if name.endswith("_m2")}
    return members | {f"{name.removesuffix('_m2')}_ha": float(hectares(value)) for name, value in areas.items()}


def change_table(change: Change) -> Table:
    """Return a row for inserts, updates and deletes; updates have their area before and after."""
    before = hectares(change.updated_before_m2)
    after = hectares(change.updated_after_m2)
    columns = ("变化 change", "要素 features", "面积 area (公顷 ha)")
    rows = [
        ("新增 inserts", count(change.inserts), hectares(change.inserted_m2)),
        ("变更 updates", count(change.updates), f"{before} → {after}"),
        ("删除 deletes", count(change.deletes), hectares(change.deleted_m2)),
    ]
    return table("", columns, rows, numeric=columns[1:])
