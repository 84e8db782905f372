"""`guotu stats`: groups and totals, computed at the owners."""

from __future__ import annotations

from pathlib import Path

import click

from node.cli.asking import AskedStats
from node.cli.examples import examples
from node.cli.group_asking import GroupForm, ask_groups
from node.cli.group_form import group_form_options
from node.cli.json_option import json_option, pass_session
from node.cli.question_options import stats_options
from node.cli.session import Session


@click.command(
    short_help="分组统计 group and aggregate",
    epilog=examples(
        "guotu stats landcover --group-by igbp --sum area_m2 --count",
        "guotu stats dltb --group-by DLBM,county --sum TBMJ --where \"DLBM LIKE '01%'\" --json",
        "guotu stats dltb --group-by county --sum TBMJ --top 10",
        "guotu stats 510100/dltb --version 3 --group-by DLBM --sum TBMJ",
        "guotu stats dltb --within 510100 --count --min TBMJ --max TBMJ --avg TBMJ -o totals.csv",
    ),
)
@stats_options
@group_form_options
@json_option
@pass_session
def stats(session: Session, asked: AskedStats, form: str | None, output: Path | None, as_json: bool) -> int:
    """分组统计 group and aggregate at the owners; only partial results travel.

    合计为精确小数。表格中另列公顷（四舍五入两位） Sums are exact; tables also show m² as hectares, half-up.
    """
    from node.cli.groups import deliver_groups

    return ask_groups(session, asked, GroupForm(form, output, as_json), deliver_groups)
