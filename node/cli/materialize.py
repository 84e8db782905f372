"""`guotu materialize`: a dataset as an ordinary table for local GIS users."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from node.cli.examples import examples
from node.cli.json_option import json_option, pass_session
from node.cli.session import Session

if TYPE_CHECKING:
    from pathlib import Path

    from guotu.model.material import Materialized

_STAGES = {
    "load": "写入记录 load",
    "index": "建索引 index",
    "compare": "逐条比对 compare",
    "apply": "更新记录 apply",
}


@click.command(
    short_help="把数据集物化为普通表 give a dataset to GIS users as a table",
    epilog=examples(
        "guotu materialize 510000/dltb --into gis.dltb",
        "guotu materialize 510000/dltb --into gis.dltb --check",
        "guotu materialize 510000/dltb --into gis.dltb --json",
    ),
)
@click.argument("dataset")
@click.option(
    "--into", required=True, metavar="SCHEMA.TABLE", help="表名，在节点的 PostGIS 库中 table in the node's database"
)
@click.option("--check", is_flag=True, help="逐条比对并改正 compare all rows, and put right what differs")
@json_option
@pass_session
def materialize(session: Session, dataset: str, into: str, check: bool, as_json: bool) -> None:
    """把数据集物化为节点 PostGIS 库中的普通表 give a dataset to local GIS users as an ordinary table.

    自有的或副本均可。表随新版本自动更新，每个版本一个事务；除 guotu 外谁都不能改。重复执行不改变任何内容。
    在节点所在机器上运行，读取 --config。

    It is one of the node's own or a replica; the table is in the node's PostGIS database, and follows new versions by
    itself, each in one transaction. Nobody but guotu may change it. The same command again changes nothing. Run it on
    the node's machine; it reads --config.
    """
    from node.cli.operating import admin_socket

    done = _run(admin_socket(session.config()), dataset, into, check)
    if as_json:
        from node.cli.console import emit_json

        emit_json({**asdict(done), "status": {**asdict(done.status), "lag_versions": done.status.lag_versions}})
    else:
        _show(done)


def _run(socket: Path, dataset: str, into: str, check: bool) -> Materialized:
    from guotu.model.errors import NodeUnavailable
    from guotu.model.material import Materialized
    from guotu.wire.materials import MaterialsClient
    from node.cli.background import in_background
    from node.cli.work_progress import WorkProgressBars

    with MaterialsClient(socket) as materials, WorkProgressBars(_STAGES) as bars:
        for frame in in_background(lambda: materials.materialize(dataset, into, check)):
            if isinstance(frame, Materialized):
                return frame
            bars.update(frame)
    raise NodeUnavailable(address=str(socket), detail="没有结果 the node ended the call without a result")


def _show(done: Materialized) -> None:
    from node.cli.console import stdout
    from node.cli.wording import count

    status, touched = done.status, done.inserted + done.updated + done.deleted
    word = (
        "已物化 materialized"
        if done.created
        else "已更新 brought up to date"
        if touched
        else "无变化 nothing to change"
    )
    stdout().print(f"{word}  {status.dataset}@{status.version} → {status.table}  {count(status.rows)} 行 rows")
    if touched and not done.created:
        counts = (("新增 inserted", done.inserted), ("变更 updated", done.updated), ("删除 deleted", done.deleted))
        stdout().print("  ".join(f"{name} {count(number)}" for name, number in counts))
