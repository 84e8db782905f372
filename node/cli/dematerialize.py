"""`guotu dematerialize`: a table for local GIS users is dropped."""

from __future__ import annotations

from dataclasses import asdict

import click

from node.cli.examples import examples
from node.cli.json_option import json_option, pass_session
from node.cli.session import Session


@click.command(
    short_help="删除物化的表 drop a table for GIS users",
    epilog=examples(
        "guotu dematerialize 510000/dltb",
        "guotu dematerialize gis.dltb --json",
    ),
)
@click.argument("subject", metavar="DATASET|SCHEMA.TABLE")
@json_option
@pass_session
def dematerialize(session: Session, subject: str, as_json: bool) -> None:
    """删除物化的表；数据集不受影响 drop a table for GIS users; the dataset is not touched.

    有视图等依赖此表时拒绝，并列出它们。在节点所在机器上运行，读取 --config。

    It is refused while views or others depend on the table, which are named. Run it on the node's machine; it reads
    --config.
    """
    from guotu.wire.materials import MaterialsClient
    from node.cli.console import emit_json, stdout
    from node.cli.operating import admin_socket

    with MaterialsClient(admin_socket(session.config())) as materials:
        dropped = materials.dematerialize(subject)
    if as_json:
        emit_json({"dropped": {**asdict(dropped), "lag_versions": dropped.lag_versions}})
        return
    stdout().print(f"已删除 dropped  {dropped.table}  {dropped.dataset}@{dropped.version}")
