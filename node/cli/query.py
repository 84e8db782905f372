"""`guotu query`: features of a collection, from everywhere they are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from node.cli.asking import AskedQuery
from node.cli.examples import examples
from node.cli.feature_form import deliver_features, feature_form_options, wanted_form
from node.cli.json_option import json_option, pass_session
from node.cli.page_options import page_options
from node.cli.question_options import query_options
from node.cli.session import Session

if TYPE_CHECKING:
    from guotu.model.question import Page

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
@feature_form_options
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
    chosen = wanted_form(form, output, as_json)
    if page is not None and asked.limit:
        raise click.UsageError("--page-size 与 --limit 只取其一 give --page-size or --limit, not both")
    on_screen = chosen is None and not as_json and page is None
    with session.client() as mesh:
        question = replace(asked.question(PREVIEW_ROWS if on_screen else 0), page=page)
        with session.answer(mesh, question) as answer:
            return deliver_features(answer, chosen, output, as_json)
