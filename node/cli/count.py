"""`guotu count`: how many features there are, exactly or about."""

from __future__ import annotations

from pathlib import Path

import click

from node.cli.asking_more import AskedCount
from node.cli.examples import examples
from node.cli.group_asking import GroupForm, ask_groups, show_rows
from node.cli.group_form import group_form_options
from node.cli.json_option import json_option, pass_session
from node.cli.more_options import count_options
from node.cli.session import Session


@click.command(
    short_help="要素数 how many features",
    epilog=examples(
        "guotu count dltb --where \"DLBM LIKE '01%'\" --within 510100",
        "guotu count dltb --bbox 103.9,30.5,104.2,30.8 --estimate",
    ),
)
@count_options
@group_form_options
@json_option
@pass_session
def count(session: Session, asked: AskedCount, form: str | None, output: Path | None, as_json: bool) -> int:
    """要素数 how many features there are: counted at the owners, or with --estimate told without asking them.

    估计值依据公布的行数与覆盖范围，附上下界与方法；字段条件不计入。

    An estimate is made of the rows and the coverage that are advertised, and comes with bounds and its method;
    conditions on fields are not counted in.
    """
    return ask_groups(session, asked, GroupForm(form, output, as_json), show_rows)
