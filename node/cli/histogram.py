"""`guotu histogram`: count by classes."""

from __future__ import annotations

from pathlib import Path

import click

from node.cli.asking_more import AskedHistogram
from node.cli.examples import examples
from node.cli.group_asking import GroupForm, ask_groups, show_rows
from node.cli.group_form import group_form_options
from node.cli.json_option import json_option, pass_session
from node.cli.more_options import histogram_options
from node.cli.session import Session


@click.command(
    short_help="分级计数 count by classes",
    epilog=examples(
        "guotu histogram dltb TBMJ --bins 20",
        "guotu histogram dltb TBMJ --edges 0,1000,10000,100000 --json",
        "guotu histogram dzzhd DCRQ --range 2020-01-01,2025-01-01 --bins 5 --within-division 成都市",
    ),
)
@histogram_options
@group_form_options
@json_option
@pass_session
def histogram(session: Session, asked: AskedHistogram, form: str | None, output: Path | None, as_json: bool) -> int:
    """分级计数 count features by classes of a number or date field; counts are exact.

    缺省在最小与最大值之间等分（先求两端，再在同一切面上计数）。每级含下界，末级含上界；0 级为其下，末级加一为其上，
    空为空值。

    Without --range or --edges the classes lie between the least and the greatest value, which are found first, on the
    same cut. A class has its lower end, the last one also its upper end; bin 0 is what is below, the one after the last
    what is above, an empty one what is null.
    """
    return ask_groups(session, asked, GroupForm(form, output, as_json), show_rows)
