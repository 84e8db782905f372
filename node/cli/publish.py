"""`guotu publish`: a layer becomes the next version of the node's dataset, or nothing changes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from node.cli import exit_codes
from node.cli.examples import examples
from node.cli.json_option import json_option, pass_session
from node.cli.parameters import Assignment
from node.cli.session import Session

if TYPE_CHECKING:
    from node.cli.publication import Publication


@click.command(
    short_help="发布图层 publish a layer",
    epilog=examples(
        "guotu publish dltb --from DLTB.gdb --layer DLTB",
        "guotu publish dltb --from 地类图斑.shp --encoding GB18030 --crs EPSG:4544 --map MJ=TBMJ --map 备注=BZ",
        "guotu publish county --from county.parquet --dry-run --json",
        "guotu publish dltb --from fixed.gpkg --repair --message '2025 年度变更'",
    ),
)
@click.argument("collection")
@click.option(
    "--from",
    "source",
    type=click.Path(exists=True, path_type=Path),
    required=True,
    metavar="FILE",
    help="图层文件 shp, gdb, gpkg, geojson, fgb, parquet, csv，可为 zip the layer, may be in a zip",
)
@click.option("--layer", help="文件中的图层 layer of the file [唯一者 the only one]")
@click.option("--encoding", help="文字编码，如 GB18030 encoding of texts [文件所示 as the file says]")
@click.option("--crs", help="坐标系，文件未注明时给出 CRS where the file names none")
@click.option("--key", metavar="COLUMN", help="主键所在的列 column that holds the key")
@click.option(
    "--map",
    "mapping",
    type=Assignment(),
    multiple=True,
    help="列 OLD 作为字段 NEW，空则舍去，可重复 take column OLD as field NEW, leave it out if empty; repeatable",
)
@click.option("--repair", is_flag=True, help="修复无效图形并报告 repair broken geometries, and report them")
@click.option(
    "--force-bounds", is_flag=True, help="接受越出本区划的范围（有记录） accept bounds outside the division; recorded"
)
@click.option("--dry-run", is_flag=True, help="只检查 validate only")
@click.option("--message", default="", help="版本说明 what to say of the version")
@json_option
@pass_session
def publish(
    session: Session,
    collection: str,
    source: Path,
    layer: str | None,
    encoding: str | None,
    crs: str | None,
    key: str | None,
    mapping: tuple[tuple[str, str], ...],
    repair: bool,
    force_bounds: bool,
    dry_run: bool,
    message: str,
    as_json: bool,
) -> int:
    """发布图层 publish a layer.

    先全部检查并报告所有问题；没有问题才成为新版本。在节点所在机器上运行，读取 --config。
    未通过检查退出码为 2，什么也不写入。

    Everything is checked first and all faults are reported; without faults the layer becomes the next version. Run it
    on the node's machine; it reads --config. A layer with faults ends with exit code 2 and changes nothing.
    """
    from node.cli.publication import Order, run_publication

    order = Order(
        collection, source, layer, encoding, crs, key, dict(mapping), repair, force_bounds, dry_run, message
    )  # fmt: skip
    publication = run_publication(session.config(), order)
    _show(publication, as_json)
    return exit_codes.OK if publication.report.ok else exit_codes.INVALID


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
