"""`guotu quantiles`: exact quantiles."""

from __future__ import annotations

from pathlib import Path

import click

from node.cli.asking_more import AskedQuantiles
from node.cli.examples import examples
from node.cli.group_asking import GroupForm, ask_groups, show_rows
from node.cli.group_form import group_form_options
from node.cli.json_option import json_option, pass_session
from node.cli.more_options import quantile_options
from node.cli.session import Session


@click.command(
    short_help="分位数 exact quantiles",
    epilog=examples(
        "guotu quantiles dltb TBMJ",
        "guotu quantiles dltb TBMJ --at 0.5,0.9,0.99,1 --where \"DLBM LIKE '01%'\"",
        "guotu quantiles 510100/dltb GXRQ --at 0.5 --json",
    ),
)
@quantile_options
@group_form_options
@json_option
@pass_session
def quantiles(session: Session, asked: AskedQuantiles, form: str | None, output: Path | None, as_json: bool) -> int:
    """分位数 exact quantiles of a number or date field: values that features have.

    第 ceil(q·n) 小的值，精确，不插值。节点只回各级计数，逐轮收窄。

    The value at rank ceil(q * count), exact, nothing is interpolated. Nodes send counts by classes, ever narrower.
    """
    return ask_groups(session, asked, GroupForm(form, output, as_json), show_rows)
