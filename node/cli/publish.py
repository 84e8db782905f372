"""`guotu publish`: a layer becomes the next version of the node's dataset, or nothing changes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from node.cli import exit_codes
from node.cli.examples import examples
from node.cli.json_option import json_option, pass_session
from node.cli.parameters import IsoDate, map_option
from node.cli.session import Session
from node.cli.table_option import table_options

if TYPE_CHECKING:
    from node.cli.publication import Publication
    from node.cli.publish_sources import Files
    from node.cli.table_order import TableOrder


_FILE = click.Path(exists=True, path_type=Path)


@click.command(
    short_help="发布图层或增量 publish a layer or what changed of it",
    epilog=examples(
        "guotu publish dltb --from DLTB.gdb --layer DLTB",
        "guotu publish dltb --from 地类图斑.shp --encoding GB18030 --crs EPSG:4544 --map MJ=TBMJ --map 备注=BZ",
        "guotu publish county --from county.parquet --dry-run --json",
        "guotu publish dltb --from fixed.gpkg --repair --message '2025 年度变更' --source-date 2025-12-31",
        "guotu publish dltb --changes 变更图斑.gpkg --deletes 灭失图斑.csv --op BGLX",
        "guotu publish dltb --deletes gone.csv --dry-run",
        "guotu publish dltb --from-table land.dltb --where \"xzqdm LIKE '5101%'\" --map geom_area=",
        "GUOTU_DATABASE=postgresql://reader@db/land guotu publish dltb --from-table dltb --dry-run",
    ),
)
@click.argument("collection")
@click.option(
    "--from",
    "layer_file",
    type=_FILE,
    metavar="FILE",
    help="整个图层 shp, gdb, gpkg, geojson, fgb, parquet, csv，可为 zip the whole layer, may be in a zip",
)
@click.option("--changes", type=_FILE, metavar="FILE", help="增量：变化要素的新状态 an increment: new states")
@click.option(
    "--deletes", type=_FILE, metavar="FILE", help="增量：要删除的标识码，可为 csv an increment: keys that are no more"
)
@click.option(
    "--from-table",
    "table",
    metavar="[SCHEMA.]TABLE",
    help="整个图层，取自 PostgreSQL/PostGIS 业务表 the whole layer, out of a live table",
)
@table_options
@click.option("--layer", help="文件中的图层 layer of the file [唯一者 the only one]")
@click.option("--deletes-layer", help="删除清单的图层 layer of the file of deletes [唯一者 the only one]")
@click.option("--encoding", help="文字编码，如 GB18030 encoding of texts [文件所示 as the file says]")
@click.option("--crs", help="坐标系，文件未注明时给出 CRS where the file names none")
@click.option("--key", metavar="COLUMN", help="主键所在的列 column that holds the key")
@click.option(
    "--op",
    "operation",
    metavar="COLUMN",
    help="增量中注明新增或变更的列 column of the changes that says insert or update [_op]",
)
@map_option
@click.option("--repair", is_flag=True, help="修复无效图形并报告 repair broken geometries, and report them")
@click.option(
    "--force-bounds", is_flag=True, help="接受越出本区划的范围（有记录） accept bounds outside the division; recorded"
)
@click.option("--dry-run", is_flag=True, help="检查并显示变化，不发布 check and show what would change")
@click.option("--message", default="", help="版本说明 what to say of the version")
@click.option("--source-date", type=IsoDate(), help="数据的时点 the day that the data is of")
@click.option(
    "--new-series", is_flag=True, help="接受不兼容的结构，开始新系列 accept a schema that breaks; begin a new series"
)
@json_option
@pass_session
def publish(
    session: Session,
    collection: str,
    layer_file: Path | None,
    changes: Path | None,
    deletes: Path | None,
    table: str | None,
    where: str,
    geometry: str,
    database: str,
    layer: str | None,
    deletes_layer: str | None,
    encoding: str | None,
    crs: str | None,
    key: str | None,
    operation: str | None,
    mapping: tuple[tuple[str, str], ...],
    repair: bool,
    force_bounds: bool,
    dry_run: bool,
    message: str,
    source_date: str | None,
    new_series: bool,
    as_json: bool,
) -> int:
    """发布图层，或只发布其变化 publish a layer, or what changed of it.

    先全部检查并报告所有问题；没有问题才成为新版本，并显示与上一版本的差异。增量（--changes、--deletes）须与现有数据相符：
    新增者尚无、变更与删除者已有、所注变更前值（列 字段__before）一致。在节点所在机器上运行，读取 --config。
    未通过检查退出码为 2，什么也不写入。

    Everything is checked first and all faults are reported; without faults it becomes the next version, and what
    changed is shown. An increment (--changes, --deletes) has to fit what is there: inserts are new, updates and deletes
    are there, values before as stated (columns FIELD__before) agree. Run it on the node's machine; it reads --config.
    Faults end with exit code 2 and change nothing.
    """
    from node.cli.publication import Order, run_publication
    from node.cli.publish_sources import Files
    from node.cli.table_order import TableOrder

    files = Files(
        layer_file, changes, deletes, layer, deletes_layer, encoding, crs, key, operation, dict(mapping)
    )  # fmt: skip
    live = (
        None if table is None else TableOrder(table, where, geometry, database, key or "", mapping, crs or "", repair)
    )
    _check(files, live, bool(where or geometry), new_series)
    order = Order(collection, files, live, repair, force_bounds, dry_run, message, source_date or "", new_series)
    publication = run_publication(session.config(), order)
    _show(publication, as_json)
    return exit_codes.OK if publication.report.ok else exit_codes.INVALID


def _check(files: Files, table: TableOrder | None, of_table: bool, new_series: bool) -> None:
    """Look at which files and options go together.

    Raises:
        click.UsageError: they do not.
    """
    increment = files.changes is not None or files.deletes is not None
    wrong = ""
    if table is not None and (increment or files.layer_file is not None or files.layer or files.encoding):
        wrong = "--from-table 是整个图层，不与文件同用 --from-table is a whole layer: leave out files and their options"
    elif table is None and of_table:
        wrong = "--where、--geometry 须与 --from-table 同用 --where and --geometry go with --from-table"
    elif table is None and not increment and files.layer_file is None:
        wrong = (
            "请给出 --from、--from-table，或 --changes、--deletes give --from, --from-table, or --changes and --deletes"
        )
    elif increment and files.layer_file is not None:
        wrong = "--from 是整个图层，不与增量同用 --from is a whole layer: leave out --changes and --deletes"
    elif increment and new_series:
        wrong = "新系列须有整个图层 a new series begins with a whole layer: --from"
    elif files.operation is not None and files.changes is None:
        wrong = "--op 是增量中的列 --op is a column of --changes"
    elif files.deletes_layer is not None and files.deletes is None:
        wrong = "--deletes-layer 须与 --deletes 同用 --deletes-layer goes with --deletes"
    if wrong:
        raise click.UsageError(wrong)


def _show(publication: Publication, as_json: bool) -> None:
    from node.cli.console import emit_json
    from node.cli.failure import report
    from node.cli.import_report import publication_document, show_publication

    if as_json:
        emit_json(publication_document(publication))
        return
    show_publication(publication)
    if not publication.report.ok:
        report(publication.report.refusal(), as_json=False)
