"""`guotu verify`: what is really stored of a dataset, against what its publisher signed."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from node.cli import exit_codes
from node.cli.examples import examples
from node.cli.json_option import json_option, pass_session
from node.cli.session import Session

if TYPE_CHECKING:
    from pathlib import Path

    from guotu.wire.care import VerifyResult

_STAGES = {
    "objects": "核对对象 objects",
    "rows": "核对记录 rows",
    "compare": "逐条比对 compare",
    "check": "复核 check again",
}
_HOW = {"missing": "缺失 missing", "extra": "多余 extra", "changed": "不符 changed"}
_SHOWN = 50


@click.command(
    short_help="核对存储的数据 verify what is stored of a dataset",
    epilog=examples(
        "guotu verify 510000/dltb",
        "guotu verify 510000/dltb --repair",
        "guotu verify 510000/dltb --json",
    ),
)
@click.argument("dataset")
@click.option("--repair", is_flag=True, help="修复不符之处 put right what differs")
@json_option
@pass_session
def verify(session: Session, dataset: str, repair: bool, as_json: bool) -> int:
    """核对存储的数据 verify what is stored of a dataset, its own or a replica.

    重新计算最新版的每条记录与每个对象，与发布者签名的清单比对。--repair 只改正不符的记录，损坏的对象向其他节点重取。
    在节点所在机器上运行，读取 --config。有不符且未修复时退出码为 1。

    Every row of the newest version and every object is computed anew and compared with what the publisher signed.
    --repair puts right only the rows that differ, and fetches damaged objects from other nodes. Run it on the node's
    machine; it reads --config. What differs and was not repaired ends with exit code 1.
    """
    from node.cli.operating import admin_socket

    found = _run(admin_socket(session.config()), dataset, repair)
    if as_json:
        from node.cli.console import emit_json

        emit_json(_document(found))
    else:
        _show(found, repair)
    return exit_codes.OK if found.sound else exit_codes.INTERNAL


def _run(socket: Path, dataset: str, repair: bool) -> VerifyResult:
    from guotu.model.errors import NodeUnavailable
    from guotu.wire.care import CareClient, VerifyResult
    from node.cli.background import in_background
    from node.cli.work_progress import WorkProgressBars

    with CareClient(socket) as care, WorkProgressBars(_STAGES) as bars:
        for frame in in_background(lambda: care.verify(dataset, repair)):
            if isinstance(frame, VerifyResult):
                return frame
            bars.update(frame)
    raise NodeUnavailable(address=str(socket), detail="没有结果 the node ended the call without a result")


def _document(found: VerifyResult) -> dict[str, Any]:
    return {"sound": found.sound, **asdict(found)}


def _show(found: VerifyResult, repair: bool) -> None:
    from node.cli.console import show, stdout, table
    from node.cli.wording import count

    rows = [
        ("版本 version", f"{found.dataset}@{found.version}"),
        ("行 rows", count(found.rows)),
        ("摘要 digest", found.digest),
        ("应为 expected", found.expected),
        ("不符的分桶 buckets", count(len(found.buckets))),
        ("不符的记录 differing", count(found.differing)),
        ("损坏的对象 damaged", count(len(found.damaged_objects))),
    ]
    if repair:
        rows += [
            ("已修复记录 repaired", count(found.repaired)),
            ("已重取对象 refetched", count(found.refetched_objects)),
        ]
    show(table("核对 verification", ("项目 item", "结果 result"), rows))
    if found.keys:
        keys = [(item.key, _HOW.get(item.how, item.how)) for item in found.keys[:_SHOWN]]
        show(table("不符的记录 differing rows", ("主键 key", "情况 how"), keys))
    if found.differing > _SHOWN:
        stdout().print(f"… 共 in all {count(found.differing)} (--json)")
    if found.damaged_objects:
        show(table("", ("损坏的对象 damaged objects",), [(name,) for name in found.damaged_objects[:_SHOWN]]))
    _tell(found, repair)


def _tell(found: VerifyResult, repair: bool) -> None:
    from node.cli.console import say

    damaged = bool(found.buckets or found.differing or found.damaged_objects)
    if found.sound:
        say("已全部修复 everything was put right" if damaged else "一致 everything is as it was signed", "green")
    elif repair:
        say("仍有不符，未能修复 some of it could not be put right", "bold red")
    else:
        say("有不符，可用 --repair 修复 there are differences; --repair puts them right", "bold red")
