"""`guotu versions`: what can still be asked of a dataset's past."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from node.cli.console import emit_json, show, table
from node.cli.examples import examples
from node.cli.json_option import json_option, pass_session
from node.cli.session import Session

if TYPE_CHECKING:
    from guotu.model.records import Change


@click.command(
    short_help="列出数据集的版本 list the versions of a dataset",
    epilog=examples(
        "guotu versions 510000/dltb",
    ),
)
@click.argument("dataset")
@json_option
@pass_session
def versions(session: Session, dataset: str, as_json: bool) -> None:
    """列出数据集的版本，新的在前 list the versions of a dataset, newest first."""
    from node.cli.documents import version_document
    from node.cli.wording import count, size, when

    with session.client() as mesh:
        found = mesh.versions(dataset)
    if as_json:
        emit_json({"dataset": dataset, "versions": [version_document(item) for item in found]})
        return
    columns = (
        "版本 version", "行 rows", "大小 size", "变化 change +/~/-", "系列 series", "对象 objects",
        "数据日期 source date", "发布 published", "可查 queryable", "保留 pinned", "摘要 digest", "清单 manifest",
        "说明 message",
    )  # fmt: skip
    rows = [
        (
            item.version, count(item.rows), size(item.size_bytes), _change(item.change), item.series,
            "全量 base" if item.base else "增量 delta", item.source_date, when(item.published_ms),
            "是 yes" if item.queryable else "否 no", "是 yes" if item.pinned else "", item.digest[:12],
            item.manifest[:12], item.message,
        )
        for item in found
    ]  # fmt: skip
    show(table(f"版本 versions: {dataset}", columns, rows, numeric=columns[:5]))


def _change(change: Change | None) -> str:
    """Return features inserted, updated and deleted; empty for the first version of a series."""
    return "" if change is None else f"+{change.inserts:,} ~{change.updates:,} -{change.deletes:,}"
