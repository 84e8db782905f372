"""`guotu materialized`: the tables that the node keeps for local GIS users."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from node.cli.examples import examples
from node.cli.json_option import json_option, pass_session
from node.cli.session import Session

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

    from guotu.model.material import MaterialStatus

_STATES = {
    "waiting": "等待 waiting",
    "applying": "更新中 applying",
    "current": "最新 current",
    "stuck": "停滞 stuck",
    "absent": "数据集已不在 dataset gone",
}
_COLUMNS = (
    "表 table", "数据集 dataset", "版本 version", "最新 head", "落后 lag", "状态 state", "行 rows", "更新于 since",
    "下次尝试 next try", "最近错误 last error",
)  # fmt: skip
_NUMERIC = ("版本 version", "最新 head", "行 rows")


@click.command(
    short_help="列出物化的表 list the tables for GIS users",
    epilog=examples(
        "guotu materialized",
        "guotu materialized --json",
    ),
)
@json_option
@pass_session
def materialized(session: Session, as_json: bool) -> None:
    """列出本节点物化的表：版本、落后、状态、错误 list the tables for GIS users: version, lag, state, errors.

    在节点所在机器上运行，读取 --config。

    Run it on the node's machine; it reads --config.
    """
    from guotu.wire.materials import MaterialsClient
    from node.cli.console import emit_json, show
    from node.cli.operating import admin_socket

    with MaterialsClient(admin_socket(session.config())) as materials:
        found = materials.materials()
    if as_json:
        emit_json({"materials": [{**asdict(item), "lag_versions": item.lag_versions} for item in found]})
    else:
        show(_table(found))


def _table(found: Sequence[MaterialStatus]) -> Table:
    from node.cli.console import table

    return table(f"物化表 tables: {len(found)}", _COLUMNS, map(_row, found), _NUMERIC)


def _row(item: MaterialStatus) -> tuple[object, ...]:
    from node.cli.wording import count, lag, when

    return (
        item.table, item.dataset, item.version, item.head or "", lag(item.lag_versions, item.lag_ms), _state(item),
        count(item.rows), when(item.applied_ms), when(item.next_try_ms), item.last_error,
    )  # fmt: skip


def _state(item: MaterialStatus) -> str:
    word = _STATES.get(item.state, item.state)
    return f"{word} {item.done_rows / item.total_rows:.0%}" if item.total_rows else word
