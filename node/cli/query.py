"""`guotu query`: features of a collection, from everywhere they are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from node.cli import exit_codes
from node.cli.asking import AskedQuery
from node.cli.examples import examples
from node.cli.json_option import json_option, pass_session
from node.cli.page_options import page_options
from node.cli.question_options import query_options
from node.cli.session import Session

if TYPE_CHECKING:
    from guotu.answering import Answer
    from guotu.model.question import Page
    from node.cli.formats import Format

PREVIEW_ROWS = 50
"""Rows asked for when they go to the screen and no limit was given."""


@click.command(
    short_help="查询要素 retrieve features",
    epilog=examples(
        'guotu query landcover --where "igbp = 13 AND area_m2 > 1000000" --sort -area_m2 --limit 10',
        "guotu query dltb --bbox 103.9,30.5,104.2,30.8 --fields DLBM,TBMJ,geometry -o window.gpkg",
        "guotu query dltb --within 510100 --crs EPSG:4544 -o chengdu.parquet",
        "guotu query dltb --within site.shp --version 510100/dltb@3 --format csv > site.csv",
        "guotu query 510100/dltb --version 3 -o as-it-was.gpkg",
        "guotu query county --partial --json",
        "guotu query dltb --page-size 10000 -o 1.parquet",
        "guotu query dltb --page-size 10000 --page 1.parquet -o 2.parquet",
    ),
)
@query_options
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "geojson", "geojsonseq", "gpkg", "fgb", "parquet", "csv"]),
    help="输出格式，默认按文件后缀，无文件则为表格 form of the rows [default: by FILE's suffix, else table]",
)
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="写入文件 write to FILE"
)
@page_options
@json_option
@pass_session
def query(
    session: Session, asked: AskedQuery, form: str | None, output: Path | None, page: Page | None, as_json: bool
) -> int:
    """查询要素 retrieve features.

    COLLECTION 为图层，由各级节点共同作答；DATASET（如 510100/dltb）只由该数据集作答，所有者或副本均可。
    行数再多内存也不增长。部分结果退出码为 3。分页取数时各页出自同一切面，按主键续取。

    A COLLECTION is answered by everyone who has a part of it; a DATASET (510100/dltb) by that dataset alone, from its
    owner or from a replica. Rows stream in flat memory; a partial answer ends with exit code 3. Pages are all of the
    cut of the first one, whatever is published meanwhile.
    """
    from node.cli.export import chosen_format

    chosen = chosen_format(form or "", output)
    if as_json and chosen is not None and output is None:
        raise click.UsageError("--json 与 --format 只取其一 give --json or --format, not both, without -o")
    if page is not None and asked.limit:
        raise click.UsageError("--page-size 与 --limit 只取其一 give --page-size or --limit, not both")
    on_screen = chosen is None and not as_json and page is None
    with session.client() as mesh:
        question = replace(asked.question(PREVIEW_ROWS if on_screen else 0), page=page)
        with session.answer(mesh, question) as answer:
            _deliver(answer, chosen, output, as_json)
    return exit_codes.OK if answer.completeness.complete else exit_codes.PARTIAL


def _deliver(answer: Answer, chosen: Format | None, output: Path | None, as_json: bool) -> None:
    from node.cli.deliver import deliver_file, deliver_json, deliver_table

    if chosen is not None:
        deliver_file(answer, chosen, output, as_json)
    elif as_json:
        deliver_json(answer)
    else:
        deliver_table(answer)
