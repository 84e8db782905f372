"""`guotu gc`: versions that are kept no longer, and what only they used."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from node.cli.examples import examples
from node.cli.json_option import json_option, pass_session
from node.cli.session import Session

if TYPE_CHECKING:
    from rich.table import Table

    from guotu.wire.care import GarbageReport


@click.command(
    short_help="清理不再需要的版本和对象 clear what is not needed any more",
    epilog=examples(
        "guotu gc",
        "guotu gc --yes",
    ),
)
@click.option("--yes", is_flag=True, help="执行；否则只显示 do it, not only show it")
@json_option
@pass_session
def gc(session: Session, yes: bool, as_json: bool) -> None:
    """清理不再需要的版本和对象 clear versions that are kept no longer, and objects that nothing needs.

    不加 --yes 只显示将会怎样。对象先作标记，过了宽限期（versions.grace_hours）且仍不需要才删除；节点自己也定时清理。
    在节点所在机器上运行，读取 --config。

    Without --yes it only shows what would be done. Objects are marked first, and removed when the grace period
    (versions.grace_hours) is over and nothing needs them still; the node also does this by itself. Run it on the
    node's machine; it reads --config.
    """
    from guotu.wire.care import CareClient
    from node.cli.console import emit_json, say, show
    from node.cli.operating import admin_socket

    with CareClient(admin_socket(session.config())) as care:
        found = care.collect(dry_run=not yes)
    if as_json:
        emit_json(_document(found, not yes))
        return
    show(_table(found))
    if not yes:
        say("以上为预演，未作改动；执行请加 --yes nothing was changed; --yes does it")


def _document(found: GarbageReport, dry_run: bool) -> dict[str, Any]:
    versions = [{"dataset": dataset, "version": version} for dataset, version in found.versions]
    return {"dry_run": dry_run, **asdict(found), "versions": versions}


def _table(found: GarbageReport) -> Table:
    from node.cli.console import table
    from node.cli.wording import count, size

    rows = [("放弃版本 version let go", f"{dataset}@{version}", "") for dataset, version in found.versions]
    rows += [
        ("删除对象 objects removed", count(found.swept), size(found.swept_bytes)),
        ("新标记对象 objects newly marked", count(found.tombstoned), size(found.tombstoned_bytes)),
        ("宽限期内对象 objects within grace", count(found.waiting), ""),
    ]
    columns = ("项目 item", "数量 number", "大小 size")
    return table("清理 garbage", columns, rows, numeric=columns[1:])
