"""`guotu audit`: whether a live table still equals a published version."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from node.cli import exit_codes
from node.cli.examples import examples
from node.cli.json_option import json_option, pass_session
from node.cli.parameters import map_option
from node.cli.session import Session
from node.cli.table_option import table_options

if TYPE_CHECKING:
    from node.cli.table_audit import TableAudit

_SHOWN = 50
_MOST_TOLD = 100_000


@click.command(
    short_help="核对业务表与已发布版本 tell whether a live table still equals a version",
    epilog=examples(
        "guotu audit land.dltb@510000/dltb",
        "guotu audit land.dltb@510000/dltb@12 --limit 1000 --json",
        "guotu audit dltb@510100/dltb --where \"xzqdm LIKE '5101%'\" --database postgresql://reader@db/land",
    ),
)
@click.argument("target", metavar="[SCHEMA.]TABLE@NODE/COLLECTION[@VERSION]")
@table_options
@click.option("--key", default="", metavar="COLUMN", help="主键所在的列 column that holds the key")
@map_option
@click.option("--crs", default="", help="坐标系，表未注明时给出 CRS where the table names none")
@click.option("--repair", is_flag=True, help="如发布时一样修复无效图形 repair broken geometries, as the publish did")
@click.option(
    "--limit",
    type=click.IntRange(min=1, max=_MOST_TOLD),
    default=_SHOWN,
    show_default=True,
    metavar="N",
    help="最多列出的差异行 most differing rows told by key",
)
@json_option
@pass_session
def audit(
    session: Session,
    target: str,
    where: str,
    geometry: str,
    key: str,
    mapping: tuple[tuple[str, str], ...],
    crs: str,
    repair: bool,
    database: str,
    limit: int,
    as_json: bool,
) -> int:
    """核对业务表与已发布版本 tell whether a live table still equals a published version, and which rows differ.

    逐行计算摘要并与该版本（缺省为最新版）比对，不改动任何数据。若未给出取表的选项（--where、--geometry、--key、--map、--crs、
    --repair），沿用上次由此表发布时的选项。在节点所在机器上运行，读取 --config。一致时退出码为 0，有差异为 10。

    The hash of every row is computed and compared with that of the version (the newest unless named); nothing is
    changed. Where none of --where, --geometry, --key, --map, --crs and --repair is given, they are those of the last
    publication from this table. Run it on the node's machine; it reads --config. Exit code 0: equal, 10: it differs.
    """
    from guotu.model.errors import InvalidQuestion
    from node.cli.table_audit import AuditTarget, audit_table
    from node.cli.table_order import TableOrder

    table, _, rest = target.partition("@")
    dataset, _, number = rest.partition("@")
    if not table or not dataset or (number and not (number.isascii() and number.isdigit())):
        raise InvalidQuestion(part=target, detail="应为 must be [SCHEMA.]TABLE@NODE/COLLECTION[@VERSION]")
    order = TableOrder(table, where, geometry, database, key, mapping, crs, repair)
    found = audit_table(session.config(), order, AuditTarget(dataset, int(number or 0)), limit)
    _show(found, as_json)
    if not found.report.ok:
        return exit_codes.INVALID
    return exit_codes.OK if found.equal else exit_codes.DIFFERS


def _show(found: TableAudit, as_json: bool) -> None:
    from node.cli.audit_report import audit_document, show_audit
    from node.cli.console import emit_json

    if as_json:
        emit_json(audit_document(found))
    else:
        show_audit(found)
